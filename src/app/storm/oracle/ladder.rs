//! What becomes of a send, and where an outreach goes that a channel did not deliver, as naively as
//! it can be told.

use super::{Breach, Counts, Ended, Person};
use crate::app::storm::shop::Rules;
use crate::engine::decision::{Reason, Ruling, VerdictKind};
use crate::engine::slot::ChannelSlot;
use crate::engine::time::Timestamp;

/// Where an outreach may still go.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) decided_at: Timestamp,
    pub(super) left: Vec<ChannelSlot>,
}

impl Person {
    /// Takes in what became of a send.
    pub(super) fn outcome(
        &mut self,
        rules: &Rules,
        rulings: &[Ruling],
        (id, result): (&str, Ended),
        at: Timestamp,
    ) -> Result<(), Breach> {
        let found = self.made.iter().position(|made| made.id == id);
        let counts = found.map(|index| self.made[index].counts);
        let wanted = match (counts, result) {
            (Some(Counts::Reserved), Ended::Delivered) => {
                self.made[found.unwrap()].counts = Counts::Sent;
                None
            }
            (Some(Counts::Unknown), Ended::Delivered) => {
                self.made[found.unwrap()].counts = Counts::Sent;
                Some((VerdictKind::Send, None))
            }
            (Some(Counts::Reserved), Ended::Unknown) => {
                self.made[found.unwrap()].counts = Counts::Unknown;
                Some((VerdictKind::Unknown, Some(Reason::OutcomeUnknown)))
            }
            (Some(Counts::Reserved), gone) => {
                let made = self.made.remove(found.unwrap());
                if self.acted.get(&made.by) == Some(&made.at) {
                    self.acted.remove(&made.by);
                }
                self.released.push(made);
                Some(match gone {
                    Ended::Expired => (VerdictKind::Expire, Some(Reason::Expired)),
                    Ended::Refused(reason) => (VerdictKind::Suppress, Some(reason)),
                    _ => (VerdictKind::Suppress, Some(Reason::Rejected)),
                })
            }
            _ => None,
        };
        let (settled, next) = rulings.split_at(rulings.len().min(usize::from(wanted.is_some())));
        let told: Vec<_> =
            settled.iter().map(|ruling| (ruling.verdict.kind(), ruling.verdict.reason())).collect();
        if told != wanted.into_iter().collect::<Vec<_>>() {
            return Err(("I7", format!("{}: {id} came to {result:?}: {told:?}", self.name)));
        }
        let Some((kind, _)) = wanted else {
            return if next.is_empty() { Ok(()) } else { Err(("I4", format!("{id} goes on"))) };
        };
        self.current.insert(id.to_owned(), kind);
        self.goes_on(rules, next, (id, result), at)
    }

    /// What certainly did not arrive goes to the channels that are left, and nothing else does.
    fn goes_on(
        &mut self,
        rules: &Rules,
        next: &[Ruling],
        (id, result): (&str, Ended),
        at: Timestamp,
    ) -> Result<(), Breach> {
        let on_this_channel = match result {
            Ended::Rejected => true,
            Ended::Refused(reason) => {
                [Reason::OptedOut, Reason::NoConsent, Reason::Unreachable].contains(&reason)
            }
            Ended::Delivered | Ended::Unknown | Ended::Expired => false,
        };
        let way = self.ways.remove(id).filter(|way| on_this_channel && !way.left.is_empty());
        match (way, next) {
            (None, []) => Ok(()),
            // Who took the place of one that is forgotten is somebody else.
            (Some(way), [ruling]) if !self.current.contains_key(&ruling.id.to_string()) => {
                self.ways.insert(ruling.id.to_string(), way);
                self.judge(rules, next, |_| None, at)
            }
            (way, _) => Err(("I4", format!("{id} {result:?}: {way:?} left, and {next:?}"))),
        }
    }
}
