//! What the benches share: the workload's events, generated triggers, processor time, one table.
#![expect(dead_code, reason = "each bench uses its part")]

pub(crate) mod baseline;
pub(crate) mod load;
pub(crate) mod meter;
pub(crate) mod people;
pub(crate) mod process;
pub(crate) mod table;
pub(crate) mod triggers;
pub(crate) mod workload;

/// The one that the program has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a bench ends with when it could not measure.
pub(crate) type Fallible<T> = Result<T, Box<dyn std::error::Error>>;
