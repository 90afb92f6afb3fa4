//! The owner of a shard: one thread that takes inputs from the log, steps the engine, hands what
//! came out to the committer, lets timers fire, and answers questions about its customers.
//!
//! Reading order: [`shard`] (the customers and one input), [`thread`] (the loop around it),
//! [`committer`] (how its batches become durable), [`workers`] (how others ask), [`replay`] (the
//! same shard without log, store and clock).

pub mod calendar;
pub mod committer;
pub mod customers;
pub mod gate;
mod hearing;
mod listing;
pub mod message;
mod open_batch;
pub mod page;
pub mod query;
pub mod replay;
pub mod shard;
#[cfg(test)]
pub(crate) mod testing;
pub mod thread;
mod unwritten;
pub mod workers;

pub use customers::CustomerNumber;
pub use message::{Mailbox, Message, Status, Unanswered};
pub use shard::{Shard, Stepped};
pub use workers::Workers;
