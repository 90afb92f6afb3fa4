//! Health by scorecard: measures on scales, weighted, every point explained.

mod daily;

use std::sync::Arc;

pub use self::daily::{days_ago, note, trend};
use super::catalog::Score;
use super::condition::Expr;
use super::evaluate::Scope;
use super::time::Span;

/// A scorecard: 0 (leaving) to 100 (thriving).
#[derive(Debug)]
pub struct Scorecard {
    /// How often it is computed again although nothing happened.
    pub every: Span,
    /// Its measures, in the order of the file.
    pub measures: Box<[Measure]>,
    /// The events that feed any measure, sorted: only they make it be computed at once.
    pub inputs: Box<[super::slot::EventSlot]>,
}

/// One measure.
#[derive(Debug)]
pub struct Measure {
    /// Its name.
    pub name: Arc<str>,
    /// Its weight, above 0.
    pub weight: f64,
    /// What is measured.
    pub value: Expr,
    /// The text in the file.
    pub text: Box<str>,
    /// From value to points by straight lines between these corners, sorted by value; flat outside.
    pub scale: Box<[(f64, f64)]>,
    /// What happens when the value is missing.
    pub missing: Missing,
}

/// What happens when a measure has no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// It is left out and the other weights fill its place.
    Skip,
    /// It counts as 0 points.
    Bad,
    /// It counts as 50 points.
    Neutral,
    /// It counts as so many points.
    Points(f64),
}

/// A score and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// 0 to 100, rounded to 4 decimals; `None` when every measure was skipped.
    pub score: Option<f64>,
    /// One entry per measure, in the order of the file.
    pub contributions: Vec<Contribution>,
}

/// What one measure gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// The measure's name.
    pub measure: Arc<str>,
    /// The value measured; `None` when missing.
    pub value: Option<f64>,
    /// Its points on the scale; `None` when skipped.
    pub points: Option<f64>,
    /// Its part of the total weight of the measures that count, 0 to 1.
    pub weight: f64,
    /// `weight * points`: these sum to the score.
    pub contribution: f64,
    /// `weight * (100 - points)`: what it costs; the largest come first among the reasons.
    pub lost: f64,
    /// A plain sentence: "logged in 40 % less than in the 14 days before".
    pub plain: Box<str>,
}

/// Computes a scorecard for one customer at one instant.
pub fn assess(_card: &Scorecard, _scope: &Scope<'_>) -> Assessment {
    unimplemented!()
}

/// Only the score, without allocation: what a step needs.
pub fn score(_card: &Scorecard, _scope: &Scope<'_>) -> Option<f64> {
    unimplemented!()
}

/// The band of a value: the first whose lower edge it reaches. A value below every edge belongs
/// to the lowest. `None` for a score without bands.
pub fn find_band(score: &Score, value: f64) -> Option<&Arc<str>> {
    let reached = score.bands.iter().find(|(_, edge)| *edge <= value);
    reached.or(score.bands.last()).map(|(name, _)| name)
}

/// A score rounded to the four decimals in which scores are kept and compared.
pub fn rounded(score: f64) -> f64 {
    (score * 1e4).round() / 1e4
}
