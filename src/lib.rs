//! Heedful decides, per customer, whether to reach out now, later or never, and says why.
//!
//! shell from the bottom up.

pub mod api;
pub mod app;
pub mod catalog;
pub mod clock;
pub mod commands;
pub mod config;
pub mod declare;
pub mod decode;
pub mod demo;
pub mod dispatch;
pub mod engine;
pub mod ingest;
pub mod log;
pub mod rehearse;
pub mod store;
pub mod telemetry;
pub mod worker;
