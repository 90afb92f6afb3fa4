//! The envelope: attributes of `CloudEvents` 1.0 as headers, in the binary mode of its Kafka binding.

use crate::store::Error;

use super::Message;

/// The version of the envelope.
const SPEC_VERSION: &str = "1.0";

/// What stands around a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope<'a> {
    /// The only one of its source: whoever sees it twice drops the second.
    pub(super) id: &'a str,
    /// `heedful.decision`, ...
    pub(super) kind: &'static str,
    /// Who says so.
    pub(super) source: &'a str,
    /// When it became true (RFC 3339).
    pub(super) time: &'a str,
    /// Whom it is about: the key too, so that it lies beside everything else about them.
    pub(super) subject: &'a str,
}

impl Envelope<'_> {
    /// A record in it.
    pub(super) fn around(self, record: &impl serde::Serialize) -> Result<Message, Error> {
        let value = serde_json::to_vec(record);
        let value = value.map_err(|error| Error::Storage(format!("not JSON: {error}")))?;
        let headers = [
            ("ce_specversion", SPEC_VERSION),
            ("ce_id", self.id),
            ("ce_type", self.kind),
            ("ce_source", self.source),
            ("ce_time", self.time),
            ("ce_subject", self.subject),
            ("content-type", "application/json"),
        ];
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
        Ok(Message {
            key: self.subject.as_bytes().to_vec(),
            value: Some(value),
            headers: headers.into_iter().map(text).collect(),
        })
    }
}
