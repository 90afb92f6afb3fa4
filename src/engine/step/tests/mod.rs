//! Scenarios for every kind of trigger and every way an outreach can go.

mod behavior;
mod cost;
mod determinism;
mod fixture;
mod harness;
mod lifecycle;
mod status;
mod waiting;
