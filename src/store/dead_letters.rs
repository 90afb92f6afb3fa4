//! Dead letters: inputs that were refused, kept with their reason, a bounded number of them.

use std::sync::PoisonError;

use super::commit::{from_json, json};
use super::open::{Spaces, text};
use super::record::DeadLetter;
use super::{Error, Store, keys};
use crate::engine::time::Timestamp;

/// Dead letters kept; past it the oldest is dropped and counted.
pub const DEAD_LETTERS_MAX: u64 = 10_000;

/// Numbers of the oldest and the next dead letter.
#[derive(Debug, Default)]
pub(super) struct DeadLetterEnds {
    oldest: u64,
    next: u64,
    dropped: u64,
}

impl DeadLetterEnds {
    pub(super) fn read(spaces: &Spaces) -> Result<Self, Error> {
        let number = |guard: Option<fjall::Guard>| -> Result<Option<u64>, Error> {
            let Some(guard) = guard else { return Ok(None) };
            let key = guard.key()?;
            Ok(key.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)))
        };
        let oldest = number(spaces.dead_letters.first_key_value())?;
        let newest = number(spaces.dead_letters.last_key_value())?;
        let dropped = text(&spaces.meta, keys::DEAD_LETTERS_DROPPED)?;
        Ok(Self {
            oldest: oldest.unwrap_or_default(),
            next: newest.map_or(0, |newest| newest.saturating_add(1)),
            dropped: dropped.and_then(|text| text.parse().ok()).unwrap_or_default(),
        })
    }
}

impl Store {
    /// Keeps refused inputs. They are not flushed: losing the last of them with the power is no
    /// harm, because whoever sent them was told.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        if letters.is_empty() {
            return Ok(());
        }
        let mut ends = self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner);
        let mut write = self.db.batch();
        for letter in letters {
            write.insert(&self.spaces.dead_letters, ends.next.to_be_bytes(), json(letter)?);
            ends.next = ends.next.saturating_add(1);
        }
        let before = ends.dropped;
        while DEAD_LETTERS_MAX < ends.next.saturating_sub(ends.oldest) {
            write.remove(&self.spaces.dead_letters, ends.oldest.to_be_bytes());
            ends.oldest = ends.oldest.saturating_add(1);
            ends.dropped = ends.dropped.saturating_add(1);
        }
        if before != ends.dropped {
            let dropped = ends.dropped.to_string();
            write.insert(&self.spaces.meta, keys::DEAD_LETTERS_DROPPED, dropped.as_str());
        }
        self.guarded(|| write.commit())
    }

    /// Drops dead letters from before an instant, oldest first, at most so many; says how many.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prune_dead_letters(&self, before: Timestamp, most: usize) -> Result<usize, Error> {
        let mut ends = self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner);
        let mut write = self.db.batch();
        let mut oldest = ends.oldest;
        for guard in self.spaces.dead_letters.iter().take(most) {
            let (key, value) = guard.into_inner()?;
            let letter: DeadLetter = from_json("the dead letter", &key, &value)?;
            // One that does not tell its time goes when its turn comes.
            if Timestamp::parse(&letter.at).is_some_and(|at| before <= at) {
                break;
            }
            let number = key.first_chunk().map_or(oldest, |bytes| u64::from_be_bytes(*bytes));
            oldest = number.saturating_add(1);
            write.remove(&self.spaces.dead_letters, key);
        }
        let dropped = write.len();
        self.guarded(|| write.commit())?;
        ends.oldest = oldest;
        Ok(dropped)
    }

    /// The newest dead letters.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        let newest = self.spaces.dead_letters.iter().rev().take(limit);
        newest
            .map(|guard| {
                let (key, value) = guard.into_inner()?;
                from_json("the dead letter", &key, &value)
            })
            .collect()
    }

    /// How many dead letters are kept, and how many were dropped to make room.
    pub fn dead_letter_counts(&self) -> (u64, u64) {
        let ends = self.dead_letters.lock().unwrap_or_else(PoisonError::into_inner);
        (ends.next.saturating_sub(ends.oldest), ends.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    fn letter(number: u64) -> DeadLetter {
        DeadLetter {
            at: "2026-03-01T00:00:00.000Z".into(),
            source: "http:/v1/batch".into(),
            reason: "missing_event".into(),
            detail: number.to_string(),
            sample: "{}".into(),
        }
    }

    #[test]
    fn what_is_too_old_goes_and_the_counts_stay_true() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let at = |second: i64| Timestamp::from_millis(second * 1_000).to_string();
        let letters: Vec<_> =
            (0..6_u32).map(|n| DeadLetter { at: at(n.into()), ..letter(n.into()) }).collect();
        store.put_dead_letters(&letters).unwrap();
        let before = Timestamp::from_millis(4_000);
        assert_eq!(store.prune_dead_letters(before, 3).unwrap(), 3);
        assert_eq!(store.prune_dead_letters(before, 3).unwrap(), 1);
        assert_eq!(store.prune_dead_letters(before, 3).unwrap(), 0);
        assert_eq!(store.dead_letter_counts(), (2, 0));
        store.put_dead_letters(&letters[..1]).unwrap();
        assert_eq!((store.dead_letter_counts(), store.dead_letters(9).unwrap().len()), ((3, 0), 3));
    }

    #[test]
    fn the_oldest_make_room_and_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let letters: Vec<_> = (0..DEAD_LETTERS_MAX + 5).map(letter).collect();
        store.put_dead_letters(&letters[..7]).unwrap();
        store.put_dead_letters(&letters[7..]).unwrap();
        assert_eq!(store.dead_letter_counts(), (DEAD_LETTERS_MAX, 5));
        drop(store);
        let store = Store::open(dir.path(), Options::default()).unwrap();
        assert_eq!(store.dead_letter_counts(), (DEAD_LETTERS_MAX, 5));
        store.put_dead_letters(&[letter(99_999)]).unwrap();
        let details: Vec<_> =
            store.dead_letters(2).unwrap().into_iter().map(|letter| letter.detail).collect();
        assert_eq!(details, ["99999", "10004"]);
        assert_eq!(store.dead_letters(usize::MAX).unwrap().last().unwrap().detail, "6");
    }
}
