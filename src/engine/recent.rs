//! What is remembered of a customer's last inputs: the timeline, and the ids by which a duplicate
//! is recognised.
//!
//! Both grow by one with nearly every event of nearly every customer, so they share one block of
//! memory that is fetched and grown at once.

use std::fmt;

use thin_vec::ThinVec;

use super::customer::{SEEN_MAX, TIMELINE_MAX};
use super::slot::EventSlot;
use super::time::Timestamp;

/// The last events, and the marks of the last message ids.
#[derive(Clone, Default)]
pub struct Recent {
    /// How many events there are and where the ring of marks goes on; the events, oldest first; the
    /// marks, a ring once it is full. Empty when there is nothing.
    words: ThinVec<u64>,
}

/// An event of the timeline: its name and when it occurred, in eight bytes, because everybody has
/// a score of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Remembered(u64);

impl Recent {
    /// The last events, oldest first.
    pub fn timeline(
        &self,
    ) -> impl DoubleEndedIterator<Item = Remembered> + ExactSizeIterator + Clone + '_ {
        self.words.get(1..=self.events()).unwrap_or_default().iter().map(|word| Remembered(*word))
    }

    /// The latest event.
    pub fn latest(&self) -> Option<Remembered> {
        self.timeline().next_back()
    }

    /// Hashes of the last message ids, a ring once it is full.
    pub fn marks(&self) -> &[u64] {
        self.words.get(1 + self.events()..).unwrap_or_default()
    }

    /// Where the ring of marks is overwritten next.
    pub fn next_mark(&self) -> u16 {
        u16::try_from(self.head() >> u32::BITS).unwrap_or_default()
    }

    /// Whether a message id is among the last.
    pub fn has_mark(&self, mark: u64) -> bool {
        // Hardly ever it is: all are looked at, without a decision at each.
        let (chunks, rest) = self.marks().as_chunks::<8>();
        let is_in =
            |marks: &[u64]| marks.iter().fold(false, |found, other| found | (*other == mark));
        chunks.iter().any(|marks| is_in(marks)) || is_in(rest)
    }

    /// Remembers a message id.
    pub fn remember(&mut self, mark: u64) {
        if self.marks().len() < SEEN_MAX {
            self.make_room();
            self.words.push(mark);
            return;
        }
        let next = usize::from(self.next_mark());
        let start = 1 + self.events();
        if let Some(oldest) = self.words.get_mut(start..).and_then(|marks| marks.get_mut(next)) {
            *oldest = mark;
        }
        self.set_next_mark(u16::try_from((next + 1) % SEEN_MAX).unwrap_or(0));
    }

    /// Puts an event where it belongs in time; the oldest goes when there are too many.
    pub fn record(&mut self, event: EventSlot, at: Timestamp) {
        let events = self.events();
        let later = self.timeline().rev().take_while(|other| at < other.at()).count();
        let word = Remembered::new(event, at).0;
        let place = 1 + events - later;
        if events < TIMELINE_MAX {
            self.make_room();
            self.words.insert(place, word);
            self.set_events(events + 1);
        } else if later < events
            && let Some(kept) = self.words.get_mut(1..place)
        {
            // The oldest goes, and those up to the new one move down into its place.
            kept.rotate_left(1);
            if let Some(last) = kept.last_mut() {
                *last = word;
            }
        }
    }

    /// Where it is kept.
    pub(super) fn address(&self) -> usize {
        self.words.as_ptr().addr()
    }

    /// Sets the events.
    pub fn set_timeline(&mut self, events: impl ExactSizeIterator<Item = Remembered>) {
        let marks: ThinVec<u64> = self.marks().iter().copied().collect();
        let next = self.next_mark();
        let count = events.len();
        // Where events are read back, the marks of as many or more come next.
        self.words = ThinVec::with_capacity(1 + count + marks.len().max(count));
        self.words.push(0);
        self.words.extend(events.map(|event| event.0));
        self.words.extend(marks);
        self.set_events(count);
        self.set_next_mark(next);
    }

    /// Sets the marks.
    pub fn set_marks(&mut self, marks: impl ExactSizeIterator<Item = u64>) {
        let start = 1 + self.events();
        self.words.reserve_exact((start + marks.len()).saturating_sub(self.words.len()));
        if self.words.is_empty() {
            self.words.push(0);
        }
        self.words.truncate(start);
        self.words.extend(marks);
    }

    /// Sets where the ring of marks is overwritten next.
    pub fn set_next_mark(&mut self, next: u16) {
        if self.words.is_empty() {
            self.words.push(0);
        }
        if let Some(head) = self.words.first_mut() {
            *head = (*head & u64::from(u32::MAX)) | u64::from(next) << u32::BITS;
        }
    }

    fn head(&self) -> u64 {
        self.words.first().copied().unwrap_or_default()
    }

    fn events(&self) -> usize {
        usize::try_from(self.head() & u64::from(u32::MAX)).unwrap_or_default()
    }

    fn set_events(&mut self, count: usize) {
        if let Some(head) = self.words.first_mut() {
            let count = u64::from(u32::try_from(count).unwrap_or_default());
            *head = *head & !u64::from(u32::MAX) | count;
        }
    }

    /// Makes room for one more, by whole cache lines: room for the next few events, and no more,
    /// because a million customers pay for each place that stays empty.
    fn make_room(&mut self) {
        /// Words of a cache line, and of those what the list itself takes of the first.
        const LINE: usize = 8;
        const HEAD: usize = 2;
        let len = self.words.len();
        if len == self.words.capacity() {
            let more = (len / 4).max(LINE - HEAD);
            let capacity = (HEAD + len + more).next_multiple_of(LINE) - HEAD;
            self.words.reserve_exact(capacity - len);
        }
        if len == 0 {
            self.words.push(0);
        }
    }
}

impl PartialEq for Recent {
    fn eq(&self, other: &Self) -> bool {
        self.timeline().eq(other.timeline())
            && self.marks() == other.marks()
            && self.next_mark() == other.next_mark()
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timeline: Vec<Remembered> = self.timeline().collect();
        f.debug_struct("Recent")
            .field("timeline", &timeline)
            .field("marks", &self.marks())
            .field("next_mark", &self.next_mark())
            .finish()
    }
}

impl Remembered {
    /// Bits of the instant: enough for the latest one taken.
    const INSTANT_BITS: u32 = 48;

    /// An event.
    pub fn new(event: EventSlot, at: Timestamp) -> Self {
        Self(u64::from(event.0) << Self::INSTANT_BITS | at.as_millis().unsigned_abs())
    }

    /// Its name.
    pub fn event(self) -> EventSlot {
        EventSlot(u16::try_from(self.0 >> Self::INSTANT_BITS).unwrap_or(u16::MAX))
    }

    /// When it occurred.
    pub fn at(self) -> Timestamp {
        let millis = self.0 & ((1 << Self::INSTANT_BITS) - 1);
        Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Remembered").field(&self.event()).field(&self.at()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        /// Against two lists kept apart.
        #[test]
        fn events_and_marks_do_not_disturb_each_other(steps in proptest::collection::vec((any::<bool>(), 0_u16..9, 0_i64..500), 500..900)) {
            let mut recent = Recent::default();
            let (mut timeline, mut marks): (Vec<Remembered>, Vec<u64>) = (Vec::new(), Vec::new());
            for (number, (is_event, event, at)) in (1_u64..).zip(steps) {
                if is_event {
                    let event = Remembered::new(EventSlot(event), Timestamp::from_millis(at));
                    recent.record(event.event(), event.at());
                    timeline.push(event);
                    timeline.sort_by_key(|event| event.at());
                    if TIMELINE_MAX < timeline.len() {
                        timeline.remove(0);
                    }
                } else {
                    recent.remember(number);
                    prop_assert!(recent.has_mark(number));
                    marks.push(number);
                }
                prop_assert_eq!(recent.timeline().collect::<Vec<_>>(), &timeline[..]);
                prop_assert_eq!(recent.marks().len(), marks.len().min(SEEN_MAX));
            }
            let kept = marks.len().saturating_sub(SEEN_MAX);
            prop_assert!(marks[kept..].iter().all(|mark| recent.has_mark(*mark)));
            let mut copy = Recent::default();
            copy.set_marks(recent.marks().iter().copied());
            copy.set_next_mark(recent.next_mark());
            copy.set_timeline(recent.timeline());
            let mut other = Recent::default();
            other.set_timeline(recent.timeline());
            other.set_marks(recent.marks().iter().copied());
            other.set_next_mark(recent.next_mark());
            prop_assert_eq!((copy.timeline().len(), copy.marks(), copy.next_mark()), (recent.timeline().len(), recent.marks(), recent.next_mark()));
            prop_assert_eq!(copy, other);
        }
    }
}
