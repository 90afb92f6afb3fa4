//! Scenarios for every kind of trigger and every way an outreach can go.

mod fixture;
mod harness;
mod lifecycle;
mod waiting;
mod behavior;
mod status;
mod determinism;
