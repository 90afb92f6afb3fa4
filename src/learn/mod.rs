//! Learning: rows taken from the history of customers by the code that serves them.

pub mod harvest;
pub mod rows;

pub use harvest::Harvest;
pub use rows::Rows;
