//! Choosing how flexible a model is, on rows that judge nothing else.

use super::additive;
use super::fault::Fault;
use super::folds::Fold;
use super::layout::{Plan, Tail, Treatment};
use super::quality;
use super::table::{Column, Table, Values};
use crate::engine::model::{Additive, Scale};

/// A plan and how it did.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What was tried.
    pub plan: Plan,
    /// Its loss per row on the judging rows, averaged over folds.
    pub loss: f64,
}

/// The usual plans for a table: straight lines and curves, on either axis, with weak to strong
/// charges. Many numbers get few knots: all curves together have at most [`KNOTS_TOGETHER`].
pub fn usual_plans(table: &Table) -> Vec<Plan> {
    let is_number = |column: &&Column| matches!(column.values, Values::Numbers(_));
    let numbers = table.columns.iter().filter(is_number).count();
    let mut plans = Vec::new();
    for (scale, tail) in [(Scale::Plain, Tail::Flat), (Scale::Log, Tail::Straight)] {
        for knots in [0, 6, 10, 14, 20] {
            if KNOTS_TOGETHER < knots * numbers {
                continue;
            }
            let ridges = [1.0, 10.0, 30.0, 100.0, 300.0, 1_000.0];
            plans.extend(ridges.map(|ridge| Plan { knots, ridge, scale, tail }));
        }
    }
    plans
}

/// Knots of all curves of a model together, at most.
pub const KNOTS_TOGETHER: usize = 150;

/// Tries every plan on every fold; best first, of equals the one that came first.
///
/// # Errors
/// When a fold cannot be learned from.
pub fn trials(
    table: &Table,
    treatments: &[Treatment],
    plans: &[Plan],
    folds: &[Fold],
) -> Result<Vec<Trial>, Fault> {
    let mut trials = Vec::with_capacity(plans.len());
    for plan in plans {
        let mut losses = Vec::with_capacity(folds.len());
        for fold in folds {
            let fit = additive::fit(table, treatments, plan, &fold.learn)?;
            let judged = chances(&fit.model, table, &fold.judge);
            let labels = super::table::pick(&table.labels, &fold.judge);
            losses.push(quality::log_loss(&judged, &labels));
        }
        trials.push(Trial { plan: *plan, loss: quality::mean(losses.into_iter()) });
    }
    trials.sort_by(|left, right| left.loss.total_cmp(&right.loss));
    Ok(trials)
}

/// The chances of some rows of a table, whose columns stand in the order of the model's features.
pub fn chances(model: &Additive, table: &Table, rows: &[usize]) -> Vec<f64> {
    let mut values = Vec::with_capacity(table.columns.len());
    let mut chance = |row: &usize| {
        table.row(*row, &mut values);
        model.chance(&values)
    };
    rows.iter().map(&mut chance).collect()
}
