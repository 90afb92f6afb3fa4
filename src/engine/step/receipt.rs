//! What a provider told later of a send: it arrived, came back, was answered, was unwanted.

use super::super::customer::{Consent, ContactKind, CustomerState};
use super::super::decision::{Effect, Verdict, VerdictKind};
use super::super::govern::{self, consent};
use super::super::id::DecisionId;
use super::super::input::{Answer, Delivery, Preference, Receipt, Told};
use super::super::slot::{ChannelSlot, PurposeSlot};
use super::super::time::Timestamp;
use super::{Step, fold};

impl Step<'_> {
    /// Enters it where the contact is, and does what the customer meant. What is told twice, or out
    /// of order, comes to the same.
    pub(super) fn receipt(&mut self, receipt: &Receipt<'_>, now: Timestamp) {
        self.enter(receipt.decision, receipt.told, now);
        let said = |what: &str| format!("{what} {}", receipt.decision);
        match receipt.told {
            Told::Bounced => self.bounced(receipt, now),
            Told::Unsubscribed => {
                let about = (receipt.purpose, receipt.channel);
                refuse(self.state, about, &said("unsubscribed from"), now);
            }
            // Whoever complains wants nothing more of it, whatever it is about.
            Told::Complained => {
                refuse(self.state, (None, receipt.channel), &said("complaint about"), now);
            }
            // Whoever answers a channel with nothing but such a word wants nothing more on it.
            Told::Replied if govern::asks_to_stop(receipt.text) => {
                refuse(
                    self.state,
                    (None, receipt.channel),
                    &said("a word to stop in reply to"),
                    now,
                );
            }
            Told::Nothing
            | Told::SoftBounced
            | Told::Delivered
            | Told::Opened
            | Told::Dismissed
            | Told::Clicked
            | Told::Replied => {}
        }
    }

    /// A change of preference. A no in answer to a message is entered where the contact is, as one
    /// that a provider tells of: it says the same of the message, whoever took it down.
    pub(super) fn preference(&mut self, preference: &Preference, now: Timestamp) {
        if let Preference::Consent { answer: Answer::Denied, about: Some(about), .. } = preference {
            self.enter(*about, Told::Unsubscribed, now);
        }
        fold::preference(self.state, preference, now);
    }

    /// Keeps the most that was told. A send of which nothing was known was taken after all.
    fn enter(&mut self, decision: DecisionId, told: Told, now: Timestamp) {
        let head = decision.head();
        let Some(contact) =
            self.state.ledger.iter_mut().rev().find(|contact| contact.decision == head)
        else {
            return;
        };
        match contact.kind {
            ContactKind::Reserved | ContactKind::Sent | ContactKind::Unknown => {}
            // Nothing left us: it is of no send of ours.
            ContactKind::Ghost | ContactKind::DryRun => return,
        }
        let before = contact.told;
        contact.told = before.max(told);
        let contact = *contact;
        if before < told && matches!(told, Told::Unsubscribed | Told::Complained) {
            self.decision.effects.push(Effect::Unwanted(contact.trigger, told));
        }
        if contact.kind == ContactKind::Unknown && told.proves_taken() {
            govern::settle(self.state, decision, &Delivery::Delivered);
            let verdict = Verdict::Send { channel: contact.channel };
            self.replace((decision, &contact), VerdictKind::Unknown, verdict, now);
        }
    }

    /// The address is not used any more. Without the one that it was sent to, it is the one that the
    /// customer has now.
    fn bounced(&mut self, receipt: &Receipt<'_>, now: Timestamp) {
        let Some(channel) = receipt.channel else { return };
        let needs =
            self.catalog.policy.channels.get(channel.index()).and_then(|c| c.needs.as_ref());
        let address = match receipt.address {
            Some(address) => Some(address.to_owned()),
            None => needs.and_then(|(slot, _)| self.state.text_trait(*slot)).map(str::to_owned),
        };
        if let Some(address) = address {
            govern::note_bounced(self.state, channel, &address, now);
        }
        self.came_back(receipt.decision, now);
    }
}

/// A no. What no file declares any more stands for all: a no must never be lost to a new name.
fn refuse(
    state: &mut CustomerState,
    (purpose, channel): (Option<PurposeSlot>, Option<ChannelSlot>),
    source: &str,
    at: Timestamp,
) {
    let source = source.into();
    let (answer, evidence) = (Answer::Denied, None);
    consent::record(state, Consent { purpose, channel, answer, at, source, evidence });
}
