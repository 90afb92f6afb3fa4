//! Heedful decides, per customer, whether to reach out now, later or never, and says why.
//!
//! Reading order: [`engine`] (the pure decision), [`declare`] (the files people write), [`decode`] (what
//! senders send), [`stats`] (fitting models), then the shell from the bottom up: [`clock`],
//! [`config`], [`telemetry`], [`log`], [`store`], [`worker`].

pub mod api;
pub mod app;
pub mod catalog;
pub mod clock;
#[cfg(feature = "kafka")]
pub mod cluster;
pub mod commands;
pub mod config;
pub mod declare;
pub mod decode;
pub mod demo;
pub mod dispatch;
pub mod engine;
pub mod hooks;
pub mod ingest;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod learn;
pub mod links;
pub mod log;
pub mod rehearse;
pub mod sheet;
pub mod signing;
pub mod stats;
pub mod store;
pub mod telemetry;
pub mod worker;
