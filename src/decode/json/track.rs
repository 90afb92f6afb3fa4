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
        let rest = bytes.get(at..)?;
        let mut differs = (word(rest)? ^ known.key[0]) & known.mask[0];
        if HALF < known.len {
            differs |= (word(rest.get(HALF..)?)? ^ known.key[1]) & known.mask[1];
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
        let halves = |bytes: &[u8; KEY_BYTES]| {
            let (first, second) = bytes.split_at(HALF);
            [word(first).unwrap_or_default(), word(second).unwrap_or_default()]
        };
        let [padded, mask] = &bytes;
        let known = Known { key: halves(padded), mask: halves(mask), len: key.len(), what };
        if let Some(place) = self.members.get_mut(index) {
            *place = known;
        } else if index == self.members.len() && index < MEMBERS_MAX {
            self.members.push(known);
        }
    }
}

/// The first sixteen bytes as a number; `None` when there are fewer.
#[inline(always)]
fn word(bytes: &[u8]) -> Option<u128> {
    bytes.first_chunk().map(|chunk| u128::from_le_bytes(*chunk))
}
