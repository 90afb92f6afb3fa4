//! Names of things: newtypes, so that a trigger's id is never taken for a customer's.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use super::pool::PoolOf;

/// A customer: the subject of state and the key of a shard.
///
/// Ids as long as a UUID stand in place: a customer is looked up for every event, and the way to
/// another place in memory would cost as much as the rest of the look-up.
#[derive(Clone)]
pub struct CustomerId(Text);

/// Bytes of an id that stand in place.
const IN_PLACE: usize = 38;

#[derive(Clone)]
enum Text {
    /// So many of these bytes, which are UTF-8; the others are 0.
    InPlace(u8, [u8; IN_PLACE]),
    Elsewhere(Box<str>),
}

impl CustomerId {
    /// Longest id taken, in bytes.
    pub const BYTES_MAX: usize = 255;
    /// How the ids of what is no customer but a part of Heedful begin: nobody else may use them.
    pub const OWN: &str = "heedful:";

    /// The id under which a model is heard of itself.
    pub fn of_model(name: &str) -> Self {
        Self::new(format!("{}model:{name}", Self::OWN))
    }

    /// The id under which the desk of a team hears what it is asked.
    pub fn of_desk(team: &str) -> Self {
        Self::new(format!("{}desk:{team}", Self::OWN))
    }

    /// The team whose desk this is.
    pub fn team(&self) -> Option<&str> {
        self.as_str().strip_prefix(Self::OWN)?.strip_prefix("desk:")
    }

    /// The id under which the caps of an account are asked. An account whose name is too long for
    /// one stands under a hash of it.
    pub fn of_account_pool(account: &str) -> Self {
        let id = format!("{}pool:account:{account}", Self::OWN);
        if id.len() <= Self::BYTES_MAX {
            return Self::new(id);
        }
        Self::new(format!("{}pool:account:#{}", Self::OWN, blake3::hash(account.as_bytes())))
    }

    /// The id under which a budget is asked.
    pub fn of_budget_pool(budget: &str) -> Self {
        Self::new(format!("{}pool:budget:{budget}", Self::OWN))
    }

    /// What this is a pool of, if it is one.
    pub fn pool(&self) -> Option<PoolOf<'_>> {
        let rest = self.as_str().strip_prefix(Self::OWN)?.strip_prefix("pool:")?;
        let account = rest.strip_prefix("account:").map(PoolOf::Account);
        account.or_else(|| rest.strip_prefix("budget:").map(PoolOf::Budget))
    }

    /// Whether this is no customer but a part of Heedful: nobody who could be written to, counted,
    /// or judged by a model.
    pub fn is_own(&self) -> bool {
        self.as_bytes().starts_with(Self::OWN.as_bytes())
    }

    /// Wraps a text that `ingest` has checked (1 to [`Self::BYTES_MAX`] bytes, no control characters).
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let mut bytes = [0; IN_PLACE];
        let place = bytes.get_mut(..text.len()).zip(u8::try_from(text.len()).ok());
        let Some((place, length)) = place else { return Self(Text::Elsewhere(text.into())) };
        place.copy_from_slice(text.as_bytes());
        Self(Text::InPlace(length, bytes))
    }

    /// The id as it came.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // It was cut from a text at its very end.
            Text::InPlace(..) => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Text::Elsewhere(text) => text,
        }
    }

    /// The bytes of the id: to compare them is faster than to compare texts.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::InPlace(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Text::Elsewhere(text) => text.as_bytes(),
        }
    }
}

impl CustomerId {
    /// The first bytes of the id as a number of the same order, zeros behind its end: ids that
    /// differ there need not be looked at further to be sorted.
    pub fn head(&self) -> u128 {
        head_of(self.as_bytes())
    }
}

/// The first sixteen bytes of a text as a number of the same order, zeros behind its end.
pub fn head_of(text: &[u8]) -> u128 {
    let mut head = [0; 16];
    for (place, byte) in head.iter_mut().zip(text) {
        *place = *byte;
    }
    u128::from_be_bytes(head)
}

impl PartialEq for CustomerId {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for CustomerId {}

impl PartialOrd for CustomerId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CustomerId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for CustomerId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a trigger, as written in its file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TriggerId(Arc<str>);

impl TriggerId {
    /// Wraps a name that `declare` has checked.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TriggerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TriggerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hash of a text that is the same on every machine and in every release, for what is kept in
/// state instead of the text: message ids, objects, values. Never 0.
pub fn stable_hash(text: &str) -> u64 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    // The length keeps "a" apart from "a\0", whose last words are the same.
    let mut hash = (text.len() as u64).wrapping_mul(MIX);
    for word in words {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(MIX);
        hash ^= hash >> 32;
    }
    let tail = rest.iter().rev().fold(0, |tail: u64, byte| (tail << 8) | u64::from(*byte));
    hash = (hash ^ tail).wrapping_mul(MIX);
    hash = (hash ^ (hash >> 29)).wrapping_mul(MIX);
    (hash ^ (hash >> 32)).max(1)
}

/// What makes a decision the only one of its cause: hash(trigger, customer, occurrence).
///
/// It is the idempotency key of every call that follows from the decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId([u8; 16]);

impl DecisionId {
    /// Derives the id. `occurrence` is the causing event's id, the instant an absence began, the
    /// scheduled instant, or the transition's number. Versions are recorded, not hashed, so that a
    /// reload cannot mint a second id for one cause.
    pub fn derive(trigger: &TriggerId, customer: &CustomerId, occurrence: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [trigger.as_str(), customer.as_str(), occurrence] {
            // The length in front keeps ("a", "bc") apart from ("ab", "c").
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        Self(bytes)
    }

    /// From the sixteen bytes that [`Self::as_bytes`] gave.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The first eight bytes, as the ledger keeps them.
    pub fn head(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        if text.len() != 32 || !text.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            let digit = |half: u8| DIGITS.get(usize::from(half)).copied().unwrap_or_default();
            *pair = [digit(byte >> 4), digit(byte & 15)];
        }
        // They are digits all.
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customers_are_the_texts_they_were_made_of() {
        let [just, long, longer] =
            [IN_PLACE / 2, IN_PLACE - 1, IN_PLACE].map(|count| "ü".repeat(count));
        let mut texts = ["", "a", "a\0", "b", "u00000001", &just, &longer, &long];
        let mut ids = texts.map(CustomerId::new);
        assert_eq!(ids.each_ref().map(CustomerId::as_str), texts);
        texts.sort_unstable();
        ids.sort_unstable();
        assert_eq!(ids.each_ref().map(CustomerId::as_str), texts, "ordered as texts are");
        assert_ne!(CustomerId::new("a"), CustomerId::new("a\0"));
        assert_eq!(size_of::<CustomerId>(), 40);
    }

    #[test]
    fn the_stable_hash_never_changes_between_releases() {
        // Kept in stores on disk: a change of these numbers forgets every message id.
        let seen = ["", "a", "a\0", "12345678", "123456789"].map(stable_hash);
        let written = [
            1,
            12_546_441_318_553_209_307,
            14_465_394_824_128_902_456,
            2_570_114_956_236_549_115,
            3_846_104_939_172_531_226,
        ];
        assert_eq!(seen, written);
    }
}
