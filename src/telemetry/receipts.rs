//! What is noteworthy about what providers tell.

use metrics::counter;

use super::metric;

/// Something that a provider told of a send was taken in, or refused.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptTaken<'a> {
    /// The channel; empty when there is none of that name.
    pub channel: &'a str,
    /// What was told, or `forged`, `stale`, `oversized`, `malformed`, `not_now`, `no_door`,
    /// `unknown`, `program`.
    pub result: &'static str,
}

impl ReceiptTaken<'_> {
    /// Counts it.
    pub fn emit(self) {
        let channel = self.channel.to_owned();
        counter!(metric::RECEIPTS, "channel" => channel, "result" => self.result).increment(1);
    }
}
