//! What a shard has heard of its source, and the times in which it heard nothing. Pure.

use crate::engine::id::CustomerId;
use crate::engine::input::{BlindGap, Body, Input, Reach};
use crate::engine::time::Span;

/// Times that are remembered; the oldest go first.
pub(super) const GAPS_MAX: usize = 256;

/// Follows the events of a shard. A silence longer than the policy's `blind_after` is one of the
/// source, not of the customers.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    /// In the order in which they began, but for the last: where it has no end, it began with the
    /// last event and tells what has not been heard so far.
    gaps: Vec<BlindGap>,
    blind_after: Option<Span>,
    /// A silence that has just ended.
    ended: Option<BlindGap>,
}

impl Hearing {
    pub(super) fn new(blind_after: Option<Span>) -> Self {
        Self { blind_after, ..Self::default() }
    }

    /// The times, the one that still goes on among them.
    pub(super) fn gaps(&self) -> &[BlindGap] {
        &self.gaps
    }

    pub(super) fn set_gaps(&mut self, gaps: Vec<BlindGap>) {
        self.gaps = gaps;
        self.gaps.sort_by_key(|gap| gap.is_open());
        self.keep_open();
    }

    /// Takes over what another heard before the files changed.
    pub(super) fn follow(&mut self, before: &mut Self) {
        self.set_gaps(std::mem::take(&mut before.gaps));
        self.ended = before.ended.take();
    }

    /// The silence that ended since it was asked last.
    pub(super) fn take_ended(&mut self) -> Option<BlindGap> {
        self.ended.take()
    }

    /// Hears an input, if it is a sign of life of the source: what was imported is none, and
    /// neither is what Heedful writes itself.
    pub(super) fn hear(&mut self, of: Option<&CustomerId>, input: &Input<'_>) {
        let Some(blind_after) = self.blind_after else { return };
        if of.is_some_and(CustomerId::is_own) {
            return;
        }
        if !matches!(&input.body, Body::Event(event) if event.reach != Reach::Historical) {
            return;
        }
        match self.gaps.last_mut().filter(|gap| gap.is_open()) {
            Some(open) if blind_after < input.at - open.from => {
                open.to = input.at;
                self.ended = Some(*open);
                let excess = self.gaps.len().saturating_sub(GAPS_MAX - 1);
                self.gaps.drain(..excess);
            }
            Some(open) => {
                open.from = open.from.max(input.at);
                return;
            }
            None => {}
        }
        self.gaps.push(BlindGap::open(input.at, blind_after));
    }

    /// Brings the silence that goes on in line with the policy.
    fn keep_open(&mut self) {
        let open = self.gaps.pop_if(|gap| gap.is_open());
        if let Some((open, unsure)) = open.zip(self.blind_after) {
            self.gaps.push(BlindGap { unsure, ..open });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::input::{Event, View};
    use crate::engine::time::Timestamp;

    fn hear(hearing: &mut Hearing, minutes: i64) {
        told(hearing, minutes, Reach::Live);
    }

    fn told(hearing: &mut Hearing, minutes: i64, reach: Reach) {
        told_of("ann", hearing, minutes, reach);
    }

    fn told_of(id: &str, hearing: &mut Hearing, minutes: i64, reach: Reach) {
        let at = Timestamp::from_millis(minutes * 60_000);
        let event = Event {
            id: "",
            name: None,
            view: View::Other,
            occurred_at: at,
            properties: &[],
            traits: &[],
            reach,
        };
        let input = Input { at, position: 0, body: Body::Event(event) };
        hearing.hear(Some(&CustomerId::new(id)), &input);
    }

    fn minutes(gaps: &[BlindGap]) -> Vec<(i64, Option<i64>)> {
        let of = |at: Timestamp| at.as_millis() / 60_000;
        gaps.iter().map(|gap| (of(gap.from), (!gap.is_open()).then(|| of(gap.to)))).collect()
    }

    #[test]
    fn only_a_long_silence_is_remembered_and_the_last_goes_on() {
        let mut hearing = Hearing::new(Some(Span::MINUTE.times(30)));
        for at in [0, 10, 40, 100, 101] {
            hear(&mut hearing, at);
        }
        assert_eq!(minutes(hearing.gaps()), [(40, Some(100)), (101, None)]);
        assert_eq!(hearing.take_ended(), Some(hearing.gaps()[0]));
        assert_eq!(hearing.take_ended(), None);
    }

    #[test]
    fn an_event_about_everyone_is_a_sign_of_life_and_neither_an_import_nor_our_own_is() {
        let mut hearing = Hearing::new(Some(Span::HOUR));
        hear(&mut hearing, 0);
        told(&mut hearing, 50, Reach::Historical);
        told_of(CustomerId::of_model("churn").as_str(), &mut hearing, 60, Reach::Live);
        told(&mut hearing, 100, Reach::Broadcast);
        told(&mut hearing, 150, Reach::Broadcast);
        assert_eq!(minutes(hearing.gaps()), [(0, Some(100)), (150, None)]);
    }

    #[test]
    fn without_the_word_in_the_policy_nothing_is_kept_and_a_reload_keeps_what_was() {
        let mut without = Hearing::new(None);
        hear(&mut without, 0);
        hear(&mut without, 1_000);
        assert_eq!(without.gaps(), []);
        let mut before = Hearing::new(Some(Span::HOUR));
        hear(&mut before, 0);
        hear(&mut before, 100);
        let mut after = Hearing::new(None);
        after.follow(&mut before);
        assert_eq!(minutes(after.gaps()), [(0, Some(100))]);
    }

    #[test]
    fn no_more_is_kept_than_has_a_place() {
        let mut hearing = Hearing::new(Some(Span::MINUTE));
        for at in 0..1_000 {
            hear(&mut hearing, at * 10);
        }
        assert_eq!(hearing.gaps().len(), GAPS_MAX);
    }
}
