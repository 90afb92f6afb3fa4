//! Fitting and judging models: pure functions of rows, a plan and a seed.
//!
//! The way of a model: [`table`] holds the rows, [`folds`] says who judges, [`select`] chooses how
//! flexible it is, [`additive`] fits it ([`logistic`], [`bounded`]) and hands it to linfa
//! ([`handover`]), [`calibrate`] makes it honest on newer rows, [`quality`], [`interval`] and
//! [`drift`] judge it.

pub mod additive;
pub mod bounded;
pub mod calibrate;
mod design;
pub mod drift;
mod fault;
pub mod folds;
pub mod handover;
pub mod interval;
pub mod layout;
mod lbfgs;
mod linalg;
pub mod logistic;
mod penalty;
pub mod quality;
pub mod select;
mod spline;
pub mod table;
pub mod text;
pub mod trees;

pub use self::design::Design;
pub use self::fault::Fault;
pub use self::linalg::{Factor, Symmetric};
pub use self::penalty::{Penalty, Tie};
pub use self::spline::Spline;

#[cfg(test)]
mod tests;
