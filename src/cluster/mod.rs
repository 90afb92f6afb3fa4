//! A node among others: it owns the shards that Kafka gives it, and keeps what they decide where the
//! next owner finds it.

pub mod door;
pub mod output;
pub mod sources;
