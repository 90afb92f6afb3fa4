//! The pure engine: one input in, one decision out. No clock, no IO, no threads, no randomness.
//!
//! Reading order: [`input`] (what can happen), [`customer`] (what is known), [`catalog`] (what
//! people declared), [`step`] (one application), [`govern`] (the list of rules every outreach
//! passes), [`decision`] (what comes out).
#![deny(clippy::disallowed_types)]

pub mod catalog;
pub mod classifier;
pub mod condition;
pub mod customer;
pub mod decision;
pub mod desk;
pub mod drift;
pub mod evaluate;
pub mod experiment;
pub mod explain;
pub mod fetch;
mod finding;
pub mod fitted;
pub mod fitted_text;
pub mod govern;
pub mod health;
pub mod id;
pub mod index;
pub mod input;
pub mod learned;
pub mod message;
pub mod model;
pub mod names;
pub mod operation;
pub(crate) mod planted;
pub mod policy;
pub mod pool;
pub mod queue;
pub mod ramp;
pub mod reading;
pub mod recent;
pub mod rival;
#[cfg(test)]
pub(crate) mod sample;
pub mod schedule;
mod scoring;
pub mod series;
pub mod slot;
pub mod stand_in;
pub mod step;
pub mod task;
pub mod task_terms;
pub mod team;
pub mod terms;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;
pub mod time;
pub mod timer;
pub mod value;
