//! What waits for what the customer shares with others: who holds the cap of the account, how much of
//! a budget is spent, and when there may be room.

use super::Explainer;
use crate::engine::pool::{Ask, Standing};

impl Explainer<'_> {
    /// Each request that is under way, one line.
    pub(super) fn pools(&self, text: &mut String) {
        let open =
            |ask: &&Ask| ask.standing != Standing::Taken && ask.standing.last_word().is_none();
        let asks: Vec<&Ask> = self.state.rare.asks().iter().filter(open).collect();
        if asks.is_empty() {
            return;
        }
        text.push_str("\nshared with others\n");
        for ask in asks {
            let waiting = &self.state.rare.waiting;
            let waiting = waiting.iter().find(|waiting| waiting.id == ask.decision);
            let trigger = waiting.map_or("?", |waiting| self.teller.trigger(waiting.trigger));
            let pool = ask.pool.pool().map(|of| of.to_string()).unwrap_or_default();
            let why = match (ask.standing, ask.why.as_deref()) {
                (Standing::Granted, _) => format!("{pool} lets it go"),
                (_, Some(why)) => why.to_owned(),
                (_, None) => format!("it asked {pool}, which has not answered yet"),
            };
            text.push_str(&format!("  {trigger:<28}  {why}\n"));
            if let Some(free_at) = ask.free_at {
                text.push_str(&format!("    may be free {}\n", self.when(free_at)));
            }
        }
    }
}
