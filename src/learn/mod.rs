//! Learning: rows taken from the history of customers by the code that serves them, a model fitted
//! to them, judged on newer ones, and described.
//!
//! [`harvest`] takes the [`rows`], [`looks`] says when; [`lesson`] makes a model of them and says
//! how good it is, or refuses with [`refusal`]; [`card`] tells people about it.

pub mod ageing;
pub mod card;
pub mod choice;
pub mod duel;
pub mod fit;
pub mod harvest;
pub mod judge;
pub mod lesson;
pub mod looks;
pub mod refusal;
pub mod rows;
pub mod suspicion;
pub mod table;
pub mod texts;

pub use harvest::Harvest;
pub use lesson::{Lesson, Wish};
pub use refusal::Refusal;
pub use rows::Rows;
