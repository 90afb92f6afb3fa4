//! Learning what texts mean from labelled ones: rows gathered, a model fitted and judged on texts
//! that it did not learn from, and its card.

pub mod card;
pub mod judge;
pub mod labelled;
pub mod lesson;
pub mod refusal;

#[cfg(test)]
mod tests;

pub use judge::TextJudgement;
pub use labelled::{Gathering, Labelled};
pub use lesson::{TextLesson, TextWish, learn};
pub use refusal::TextRefusal;
