//! What customers do with messages in their app: noted where the messages are, and heard like what a
//! provider tells of a send.

use super::heard::by_decision;
use super::home::Keep;
use super::source::Answers;
use crate::api::source::Failure;
use crate::engine::id::DecisionId;
use crate::engine::input::Told;
use crate::engine::time::Timestamp;
use crate::hooks::Receipt;
use crate::store::Store;
use crate::store::record::{InboxRow, MessageAnswer};

impl Answers {
    /// Notes what a customer did with a message. It is heard before it is noted: what is told again,
    /// because it was not noted, changes nothing.
    pub(super) async fn note_answer(
        &self,
        customer: String,
        id: String,
        answer: MessageAnswer,
    ) -> Result<InboxRow, Failure> {
        self.check_shown(&customer)?;
        let none = || Failure::NotFound(format!("there is no message `{id}`"));
        let now = self.clock.now();
        let (whose, which) = (customer.clone(), id.clone());
        let found = self.read(move |store| store.message(&whose, &which)).await?;
        let mut row = found.ok_or_else(none)?;
        // Whoever has a token can say it as often as they like: it fills no log.
        if !row.note(answer, now) {
            return Ok(row);
        }
        self.hear(&id, answer, now).await?;
        if let Some(keep) = &self.keep {
            return self.keep_answer(keep, row).await;
        }
        let which = id.clone();
        let note = move |store: &Store| store.answer_inbox((&customer, &which), answer, now);
        self.read(note).await?.ok_or_else(none)
    }

    /// Tells the owner of the customer of it, unless nobody knows the decision any more.
    async fn hear(&self, id: &str, answer: MessageAnswer, now: Timestamp) -> Result<(), Failure> {
        let told = match answer {
            MessageAnswer::Read => Told::Opened,
            MessageAnswer::Dismissed => Told::Dismissed,
            MessageAnswer::Clicked => Told::Clicked,
        };
        let Some(decision) = DecisionId::parse(id) else { return Ok(()) };
        let send = self.read(move |store| by_decision(store, decision)).await?;
        let Some(send) = send else { return Ok(()) };
        self.enter(&Receipt::own(send, told), now).await
    }

    /// Notes it where the next owner of its customer finds it, too.
    async fn keep_answer(&self, keep: &Keep, row: InboxRow) -> Result<InboxRow, Failure> {
        let change = self.store.change_of(&row);
        let change = change.map_err(|error| Failure::Unavailable(error.to_string()))?;
        if keep(change).await {
            return Ok(row);
        }
        let what = "another node has this customer by now: ask again soon";
        Err(Failure::Unavailable(what.to_owned()))
    }
}
