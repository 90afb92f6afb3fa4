//! The durable cache of the log: states, decisions, outbox, tasks, in one atomic batch.

pub mod format;
pub mod record;
pub mod view;
