//! Dead letters: inputs that were refused, kept with their reason, a bounded number of them.

use std::sync::PoisonError;

use super::commit::{from_json, json};
use super::open::{Spaces, text};
use super::record::DeadLetter;
use super::{Error, Store, keys};

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
