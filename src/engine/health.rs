//! Health by scorecard: measures on scales, weighted, every point explained.

mod daily;
mod plain;

use std::sync::Arc;

pub use self::daily::{DAYS, DAYS_MAX, Over, by_day, days_ago, note, over, trend};
pub(super) use self::plain::sentence;
use super::catalog::Score;
use super::condition::Expr;
use super::evaluate::{self, Scope};
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
    /// Of a scorecard `weight * points`: these sum to the score. Of a learned model its part of the
    /// logit.
    pub contribution: f64,
    /// Of a scorecard `weight * (100 - points)`, of a learned model its part of the logit: what it
    /// costs; the largest come first among the reasons.
    pub lost: f64,
    /// A plain sentence: "logged in 40 % less than in the 14 days before".
    pub plain: Box<str>,
}

/// Computes a scorecard for one customer at one instant.
pub fn assess(card: &Scorecard, scope: &Scope<'_>) -> Assessment {
    let results: Vec<(Option<f64>, Option<f64>)> =
        card.measures.iter().map(|measure| measure.result(scope)).collect();
    let mut tally = Tally::default();
    for (measure, (_, points)) in card.measures.iter().zip(&results) {
        tally.add(measure.weight, *points);
    }
    let score = tally.score();
    let mut contributions: Vec<Contribution> = card
        .measures
        .iter()
        .zip(results)
        .map(|(measure, (value, points))| {
            let weight = if points.is_some() { measure.weight / tally.weight } else { 0.0 };
            let contribution = weight * points.unwrap_or(0.0);
            Contribution {
                measure: measure.name.clone(),
                value,
                points,
                weight,
                contribution,
                lost: weight * 100.0 - contribution,
                plain: plain::of_measure(measure, value, points, scope),
            }
        })
        .collect();
    if let Some(score) = score {
        settle(&mut contributions, score);
    }
    Assessment { score, contributions }
}

/// Only the score, without allocation: what a step needs.
pub fn score(card: &Scorecard, scope: &Scope<'_>) -> Option<f64> {
    let mut tally = Tally::default();
    for measure in &card.measures {
        tally.add(measure.weight, measure.result(scope).1);
    }
    tally.score()
}

/// The measures that cost the most, dearest first, at most so many. One that costs nothing is no
/// reason.
pub fn reasons(assessment: &Assessment, most: usize) -> Vec<&Contribution> {
    let mut reasons: Vec<&Contribution> =
        assessment.contributions.iter().filter(|part| 0.0 < part.lost).collect();
    // Stable: of equals the one that stands first in the file.
    reasons.sort_by(|left, right| right.lost.total_cmp(&left.lost));
    reasons.truncate(most);
    reasons
}

/// The band of a value: the first whose lower edge it reaches. A value below every edge belongs
/// to the lowest. `None` for a score without bands.
pub fn band(score: &Score, value: f64) -> Option<&Arc<str>> {
    let reached = score.bands.iter().find(|(_, edge)| *edge <= value);
    reached.or(score.bands.last()).map(|(name, _)| name)
}

/// A score rounded to the four decimals in which scores are kept and compared.
pub fn rounded(score: f64) -> f64 {
    (score * 1e4).round() / 1e4
}

impl Measure {
    /// The value measured and its points; no points when the measure is skipped.
    fn result(&self, scope: &Scope<'_>) -> (Option<f64>, Option<f64>) {
        let value = evaluate::number(&self.value, scope);
        let points = match (value, self.missing) {
            (Some(value), _) => points_on(&self.scale, value),
            (None, Missing::Skip) => None,
            (None, Missing::Bad) => Some(0.0),
            (None, Missing::Neutral) => Some(50.0),
            (None, Missing::Points(points)) => Some(points),
        };
        (value, points)
    }
}

/// The points of a value on a scale; `None` only for a scale without corners.
fn points_on(scale: &[(f64, f64)], value: f64) -> Option<f64> {
    let after = scale.partition_point(|(corner, _)| *corner < value);
    let (right, left) = (scale.get(after), after.checked_sub(1).and_then(|at| scale.get(at)));
    Some(match (left, right) {
        (None, None) => return None,
        (Some((_, points)), None) | (None, Some((_, points))) => *points,
        (Some((from, low)), Some((to, high))) => {
            low + (high - low) * ((value - from) / (to - from))
        }
    })
}

/// The sums behind a score, always added in the order of the file: the same bits on both ways.
#[derive(Default)]
struct Tally {
    weight: f64,
    weighted: f64,
}

impl Tally {
    fn add(&mut self, weight: f64, points: Option<f64>) {
        if let Some(points) = points {
            self.weight += weight;
            self.weighted += weight * points;
        }
    }

    fn score(&self) -> Option<f64> {
        (0.0 < self.weight).then(|| rounded(self.weighted / self.weight))
    }
}

/// Gives what rounding the score took or added (at most 0.00005 points) to the largest
/// contribution, so that the parts on the screen add up to the score on the screen.
fn settle(contributions: &mut [Contribution], score: f64) {
    let rest = score - contributions.iter().map(|part| part.contribution).sum::<f64>();
    let largest =
        contributions.iter_mut().max_by(|left, right| left.weight.total_cmp(&right.weight));
    if let Some(largest) = largest {
        largest.contribution += rest;
        largest.lost -= rest;
    }
}

#[cfg(test)]
mod tests;
