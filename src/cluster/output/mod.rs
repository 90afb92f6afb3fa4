//! What others read of us: records as messages of our topics, JSON in an envelope of `CloudEvents`.
//!
//! Nothing here writes: the commit puts messages into its transaction, and knows the partition.

mod dead_letter;
mod envelope;
mod record;

pub use dead_letter::{DeadLetter, Origin, Verdict};
pub use record::Writer;

use crate::kafka::transaction::Outgoing;

/// Most headers of a message that is passed on.
pub const HEADERS_MAX: usize = 100;

/// A message that says what, and leaves the topic and its partition to whoever writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Whose it is; an empty key belongs to nobody.
    pub key: Vec<u8>,
    /// What it says; none deletes the key from a compacted topic.
    pub value: Option<Vec<u8>>,
    /// Names and values, in order.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Message {
    /// Deletes a key from a compacted topic.
    pub fn tombstone(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), value: None, headers: Vec::new() }
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value).ok()
    }

    /// Lends it to a writer, addressed to a partition.
    pub fn lend<T>(&self, topic: &str, partition: u16, write: impl FnOnce(Outgoing<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let (key, value) = (&*self.key, self.value.as_deref());
        write(Outgoing { topic, partition, key, value, headers: &headers })
    }
}
