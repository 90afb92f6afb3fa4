//! From bytes to inputs, without IO and without a clock.
//!
//! On arrival [`Body::read`] scans a request's body once and judges each event; [`Body::encode`]
//! makes the log's [`Record`]s of them. The owner of a shard reads a record back with
//! [`Record::parse`] and turns it into the engine's input with its [`Decoder`]. A replay does both
//! at once with [`Decoder::decode_line`], or for some events together with
//! [`Decoder::decode_lines`]. Shapes: Segment and RudderStack, PostHog, CloudEvents, and
//! our own for curl. What is refused is refused with one of the closed reasons of [`Refused`].
#![deny(clippy::disallowed_types)]

mod batch;
mod cloudevent;
mod content;
mod decoder;
mod group;
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
pub use group::Group;
pub use judge::{Arrival, EVENT_BYTES_MAX, FUTURE_MAX, NAME_BYTES_MAX, Received};
pub use partition::{Partition, shard_of};
pub use record::{
    Call, EventRecord, Freshness, KnownAs, ListingRecord, PreferenceRecord, ReceiptRecord, Record,
    ScoreRecord, Shape, Subject,
};
pub use refusal::{Refusal, Refused};

#[cfg(test)]
mod tests;
