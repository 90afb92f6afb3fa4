//! What the members of one kind of object are, in the order in which they came last.
//!
//! Events of one sender look alike: mostly what stands between two values is what stood there
//! before. Then it is known after one comparison, with nothing to search and nothing to look up.

/// Members remembered at most.
const MEMBERS_MAX: usize = 48;
/// Bytes of the longest way from one value to the next that is remembered.
const LEAD_BYTES: usize = 32;
const HALF: usize = LEAD_BYTES / 2;

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

/// A member that came before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<T> {
    /// What leads to the value: all bytes behind the value before it, or behind the bracket. In two
    /// halves, zero behind it.
    lead: [u128; 2],
    /// All bits of the bytes that the lead has.
    mask: [u128; 2],
    pub(super) len: usize,
    pub(super) leads_to: LeadsTo,
    /// What it is.
    pub(super) what: T,
}

/// What stands behind a lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeadsTo {
    /// The inside of a text: the opening quote is the last byte of the lead.
    Text,
    /// A value of any kind. A member that once was no text is not taken for one again, or one that
    /// is a text at times would be learned anew at each change.
    Value,
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

    /// The member at `index`, if at `at` stands what led to it before.
    #[inline(always)]
    pub(super) fn find(&self, index: usize, bytes: &[u8], at: usize) -> Option<&Known<T>> {
        let known = self.members.get(index)?;
        let rest = bytes.get(at..)?;
        let differs = match rest.first_chunk::<LEAD_BYTES>().map(|chunk| chunk.as_chunks().0) {
            Some([first, second]) => {
                let differ =
                    |half: &[u8; HALF], lead, mask| (u128::from_le_bytes(*half) ^ lead) & mask;
                differ(first, known.lead[0], known.mask[0])
                    | differ(second, known.lead[1], known.mask[1])
            }
            _ => known.differs_at_end(bytes, at)?,
        };
        (differs == 0).then_some(known)
    }

    /// Remembers what leads to a member: from behind the value before it up to its value, which
    /// begins with `first`.
    pub(super) fn learn(&mut self, index: usize, lead: &[u8], first: Option<u8>, what: T) {
        if self.memory == Memory::None || LEAD_BYTES <= lead.len() {
            return;
        }
        let place = self.members.get_mut(index);
        let is_same = place.as_ref().is_some_and(|known| known.begins_with(lead));
        let leads_to = match first {
            Some(b'"') if !is_same => LeadsTo::Text,
            _ => LeadsTo::Value,
        };
        let quote: &[u8] = if leads_to == LeadsTo::Text { b"\"" } else { b"" };
        let mut bytes = [[0; LEAD_BYTES]; 2];
        let [padded, mask] = &mut bytes;
        for ((padded, mask), byte) in padded.iter_mut().zip(mask).zip(lead.iter().chain(quote)) {
            (*padded, *mask) = (*byte, u8::MAX);
        }
        let halves = |bytes: &[u8]| [0, HALF].map(|half| word(bytes, half).unwrap_or_default());
        let [padded, mask] = &bytes;
        let (lead, mask, len) = (halves(padded), halves(mask), lead.len() + quote.len());
        let known = Known { lead, mask, len, leads_to, what };
        if let Some(place) = place {
            *place = known;
        } else if index == self.members.len() && index < MEMBERS_MAX {
            self.members.push(known);
        }
    }
}

impl<T> Known<T> {
    /// The bits in which the lead differs from what stands near the end of a text.
    #[inline(never)]
    fn differs_at_end(&self, bytes: &[u8], at: usize) -> Option<u128> {
        let mut differs = (word(bytes, at)? ^ self.lead[0]) & self.mask[0];
        if HALF < self.len {
            differs |= (word(bytes, at + HALF)? ^ self.lead[1]) & self.mask[1];
        }
        Some(differs)
    }

    /// Whether this is the lead, whatever it leads to.
    fn begins_with(&self, lead: &[u8]) -> bool {
        let [first, second] = self.lead.map(u128::to_le_bytes);
        let quote = usize::from(self.leads_to == LeadsTo::Text);
        self.len - quote == lead.len()
            && first.iter().chain(&second).zip(lead).all(|(known, byte)| known == byte)
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
    fn a_lead_is_found_only_where_it_stands_whole() {
        let leads = [",\"a\":", ", \"exactly_13_\": ", "\"more_than_sixteen_bytes\":"];
        for (lead, first) in leads.into_iter().flat_map(|lead| [(lead, b'"'), (lead, b'1')]) {
            let mut track = Track::default();
            track.learn(0, lead.as_bytes(), Some(first), 7);
            let quote = if first == b'"' { "\"" } else { "" };
            for before in 0..40 {
                let text = format!("{}{lead}{quote}", " ".repeat(before));
                let find = |text: &str| {
                    track.find(0, text.as_bytes(), before).map(|known| (known.what, known.len))
                };
                let found = Some((7, text.len() - before));
                assert_eq!(find(&text), found.filter(|_| HALF <= text.len()), "{text:?}");
                let longer = format!("{text}1}}");
                assert_eq!(find(&longer), found.filter(|_| HALF <= longer.len()), "{longer:?}");
                let cut = text.get(..text.len() - 1).unwrap();
                assert_eq!(find(cut), None, "{text:?}");
                let other = text.replace(':', ";");
                assert_eq!(find(&other), None, "{other:?}");
            }
        }
    }

    #[test]
    fn a_member_that_is_a_text_at_times_is_learned_once_more() {
        let mut track = Track::default();
        let text = b",\"a\":\"2345678901234567";
        let null = b",\"a\":null,8901234567";
        track.learn(0, b",\"a\":", Some(b'"'), 7);
        assert_eq!(track.find(0, text, 0).map(|known| known.leads_to), Some(LeadsTo::Text));
        assert!(track.find(0, null, 0).is_none());
        track.learn(0, b",\"a\":", Some(b'n'), 7);
        track.learn(0, b",\"a\":", Some(b'"'), 7);
        for json in [&text[..], &null[..]] {
            assert_eq!(track.find(0, json, 0).map(|known| known.leads_to), Some(LeadsTo::Value));
        }
    }

    #[test]
    fn a_forgetful_track_finds_nothing() {
        let mut track = Track::forgetful();
        track.learn(0, b"\"a\":", None, 7);
        assert!(track.find(0, b"\"a\":1234567890123456", 0).is_none());
    }
}
