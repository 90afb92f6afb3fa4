//! Who got a task about the customer, why they, and how it stands.

use super::Explainer;

/// Tasks shown.
const SHOWN: usize = 5;

impl Explainer<'_> {
    /// The newest tasks about the customer, one line each, and what is next.
    pub(super) fn tasks(&self, text: &mut String) {
        let tasks = &self.state.rare.tasks;
        if tasks.is_empty() {
            return;
        }
        text.push_str("\ntasks\n");
        for task in tasks.iter().rev().take(SHOWN) {
            let trigger = self.teller.trigger(task.trigger);
            let has = task.assigned_to.as_deref().unwrap_or("nobody yet");
            let (stage, since) = (task.stage.as_str(), self.when(task.changed_at));
            text.push_str(&format!("  {trigger:<28}  {stage} since {since}, with {has}\n"));
            if let Some(desk) = &task.desk {
                let why = desk.why.as_deref().unwrap_or("it was asked and has not answered yet");
                text.push_str(&format!("    desk of {}: {why}\n", desk.team));
            }
            if let Some(outcome) = task.outcome {
                text.push_str(&format!("    what came of it: {}\n", outcome.as_str()));
            }
            if !task.stage.is_open() {
                continue;
            }
            let ends = [
                ("to be acknowledged by", task.ack_by),
                ("due", task.due_at),
                ("given up", task.expires_at),
            ];
            for (what, at) in ends {
                if let Some(at) = at {
                    text.push_str(&format!("    {what} {}\n", self.when(at)));
                }
            }
            if let Some(next) = task.chain.first() {
                text.push_str(&format!("    then it goes to {next}\n"));
            }
        }
    }
}
