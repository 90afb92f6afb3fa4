//! What the benches share: the workload's events, generated triggers, processor time, one table.
#![expect(dead_code, reason = "each bench uses its part")]

pub mod baseline;
pub mod meter;
pub mod table;
pub mod triggers;
pub mod workload;

/// What a bench ends with when it could not measure.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error>>;
