//! From bytes to inputs, without IO and without a clock.
//!
//! On arrival [`Body::read`] scans a request's body once and judges each event; [`Body::encode`]
//! makes the log's [`Record`]s of them. The owner of a shard reads a record back with
//! [`Record::parse`] and turns it into the engine's input with its [`Decoder`]. A replay does both
//! at once with [`Decoder::decode_line`]. Shapes: Segment and RudderStack, PostHog, CloudEvents, and
//! our own for curl. What is refused is refused with one of the closed reasons of [`Refused`].
#![deny(clippy::disallowed_types)]

mod batch;
mod cloudevent;
mod content;
mod decoder;
mod instant;
mod item;
pub mod json;
mod judge;
mod own;
mod partition;
mod posthog;
mod record;
mod refusal;
mod segment;
mod table;
mod traits;

pub use batch::{Accepted, Body, EVENTS_MAX, Encoded, Home, Lines, RefusedEvent, line, structured};
pub use cloudevent::Attributes;
pub use content::{SCORE_UPDATED, TRAIT_BYTES_MAX, TRAITS_MAX};
pub use decoder::{Decoded, Decoder};
pub use judge::{Arrival, EVENT_BYTES_MAX, FUTURE_MAX, NAME_BYTES_MAX, Received};
pub use partition::shard_of;
pub use record::{
    Call, EventRecord, Freshness, PreferenceRecord, Record, ScoreRecord, Shape, Subject,
};
pub use refusal::{Refusal, Refused};

/// Whose an event most probably is, found without reading it: good enough to look somebody up in
/// advance, and for nothing else. `place` is where it stood in the line before: one sender's lines
/// are mostly alike.
pub fn likely_customer<'a>(line: &'a [u8], place: &mut usize) -> Option<&'a str> {
    const KEY: &[u8] = b"userId\"";
    let is_there = |at: usize| line.get(at..).is_some_and(|rest| rest.starts_with(KEY));
    if !is_there(*place) {
        // Keys begin behind a quote, and nearly all lines have this one early.
        let mut behind_quotes = memchr::memchr_iter(b'"', line).map(|quote| quote + 1);
        *place = behind_quotes.find(|at| is_there(*at))?;
    }
    let value = line.get(*place + KEY.len()..)?;
    let start = value.iter().position(|byte| *byte == b'"')?;
    let text = value.get(start + 1..)?;
    let end = text.iter().position(|byte| *byte == b'"')?;
    std::str::from_utf8(text.get(..end)?).ok()
}

#[cfg(test)]
mod tests;
