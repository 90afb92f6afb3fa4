//! Scenarios for every kind of trigger and every way an outreach can go.

mod answers;
mod behavior;
mod bounds;
mod content;
mod cost;
mod determinism;
mod explaining;
mod fixture;
mod harness;
mod ladder;
mod lifecycle;
mod pools;
mod receipts;
mod seen;
mod status;
mod tasks;
mod waiting;
