//! What the members of one kind of object are, in the order in which they came last.
//!
//! Events of one sender look alike: mostly the next key is the one that stood there before. Then
//! it is known after one comparison, with nothing to search and nothing to look up.

/// Members remembered at most.
const MEMBERS_MAX: usize = 48;
/// Bytes of the longest key remembered, with its quotes and colon.
const KEY_BYTES: usize = 32;
const HALF: usize = KEY_BYTES / 2;

/// The members of one kind of object. It only saves work: what is read is the same without it.
#[derive(Clone, Debug)]
pub struct Track<T> {
    members: Vec<Known<T>>,
    memory: Memory,
}

/// Whether a track remembers what passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Kept,
    None,
}

#[derive(Clone, Copy, Debug)]
struct Known<T> {
    /// The key with its quotes and colon, in two halves, zero behind it.
    key: [u128; 2],
    /// All bits of the bytes that the key has.
    mask: [u128; 2],
    len: usize,
    what: T,
}

impl<T> Default for Track<T> {
    fn default() -> Self {
        Self { members: Vec::new(), memory: Memory::Kept }
    }
}

impl<T: Copy> Track<T> {
    /// A track that remembers nothing, for a single object.
    pub const fn forgetful() -> Self {
        Self { members: Vec::new(), memory: Memory::None }
    }

    /// What the member at `index` is, if its key stands at `at` as it stood there before, and where
    /// its value begins.
    #[inline(always)]
    pub(super) fn find(&self, index: usize, bytes: &[u8], at: usize) -> Option<(T, usize)> {
        let known = self.members.get(index)?;
        let mut differs = (word(bytes, at)? ^ known.key[0]) & known.mask[0];
        if HALF < known.len {
            differs |= (word(bytes, at + HALF)? ^ known.key[1]) & known.mask[1];
        }
        (differs == 0).then_some((known.what, at + known.len))
    }

    /// Remembers the key between `from`, its opening quote, and `to`, behind its colon.
    pub(super) fn learn(&mut self, index: usize, key: &[u8], what: T) {
        if self.memory == Memory::None || KEY_BYTES < key.len() {
            return;
        }
        let mut bytes = [[0; KEY_BYTES]; 2];
        let [padded, mask] = &mut bytes;
        for ((padded, mask), byte) in padded.iter_mut().zip(mask).zip(key) {
            (*padded, *mask) = (*byte, u8::MAX);
        }
        let halves = |bytes: &[u8]| [0, HALF].map(|half| word(bytes, half).unwrap_or_default());
        let [padded, mask] = &bytes;
        let known = Known { key: halves(padded), mask: halves(mask), len: key.len(), what };
        if let Some(place) = self.members.get_mut(index) {
            *place = known;
        } else if index == self.members.len() && index < MEMBERS_MAX {
            self.members.push(known);
        }
    }
}

/// Sixteen bytes from a place on as a number, zeros for those behind the end; `None` when there is
/// nothing at all.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> Option<u128> {
    let rest = bytes.get(at..)?;
    match rest.first_chunk() {
        Some(chunk) => Some(u128::from_le_bytes(*chunk)),
        None => last_word(bytes, rest.len()),
    }
}

/// The last `len` bytes, fewer than sixteen.
#[inline(never)]
fn last_word(bytes: &[u8], len: usize) -> Option<u128> {
    let last = u128::from_le_bytes(*bytes.last_chunk()?);
    let passed = u32::try_from(HALF - len).ok()? * 8;
    last.checked_shr(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_only_where_it_stands_whole() {
        let keys = ["\"a\":", "\"exactly_13_by\":", "\"more_than_sixteen_bytes\":"];
        for key in keys {
            let mut track = Track::default();
            track.learn(0, key.as_bytes(), 7);
            for before in 0..40 {
                let text = format!("{}{key}", " ".repeat(before));
                let found = track.find(0, text.as_bytes(), before);
                let is_long = HALF <= text.len();
                assert_eq!(found, is_long.then_some((7, text.len())), "{text:?}");
                let longer = format!("{text}1}}");
                assert_eq!(
                    track.find(0, longer.as_bytes(), before).is_some(),
                    HALF <= longer.len(),
                    "{longer:?}"
                );
                let cut = text.as_bytes().split_last().unwrap().1;
                assert_eq!(track.find(0, cut, before), None, "{text:?}");
                let other = text.replace(':', ";");
                assert_eq!(track.find(0, other.as_bytes(), before), None, "{other:?}");
            }
        }
    }

    #[test]
    fn a_forgetful_track_finds_nothing() {
        let mut track = Track::forgetful();
        track.learn(0, b"\"a\":", 7);
        assert_eq!(track.find(0, b"\"a\":1234567890123456", 0), None);
    }
}
