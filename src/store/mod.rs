//! The durable cache of the log: states, decisions, outbox, tasks, in one atomic batch.

pub mod record;
pub mod view;
