//! Chooses how flexible a model is, on parts of the rows that it is learned from.

use super::judge::share;
use crate::stats::folds::{self, Fold};
use crate::stats::layout::{Plan, Treatment};
use crate::stats::select::{self, Trial};
use crate::stats::table::Table;
use crate::stats::{Fault, additive};

/// Parts into which customers are dealt.
pub const PARTS: usize = 4;
/// Rows that a choice is made on, about: more would choose the same.
const ROWS_MAX: usize = 20_000;
/// The charge with which the number of knots is chosen.
const MIDDLE_RIDGE: f64 = 30.0;

/// The rows of some customers, all of each, so that there are about [`ROWS_MAX`].
pub(super) fn some(table: &Table, seed: u64) -> Table {
    if table.len() <= ROWS_MAX {
        return table.clone();
    }
    let mut customers: Vec<u32> = table.groups.clone();
    customers.sort_unstable();
    customers.dedup();
    let mut random = fastrand::Rng::with_seed(seed);
    random.shuffle(&mut customers);
    let kept = share(ROWS_MAX, table.len()) * share(customers.len(), 1);
    let kept = customers.len() - customers.len().saturating_sub(whole(kept));
    customers.truncate(kept);
    customers.sort_unstable();
    let rows: Vec<usize> = (0..table.len())
        .filter(|row| {
            table.groups.get(*row).is_some_and(|own| customers.binary_search(own).is_ok())
        })
        .collect();
    table.pick(&rows)
}

fn whole(number: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count above 0")]
    let whole = number.max(1.0) as u32;
    whole as usize
}

/// Deals the customers of a table into parts.
///
/// # Errors
/// When there are too few.
pub fn parts(table: &Table, seed: u64) -> Result<Vec<Fold>, Fault> {
    folds::stratified(table, PARTS, seed)
}

/// The best plan for a table: first how bent and on which axis, then how strongly held back.
///
/// # Errors
/// When its rows cannot be learned from.
pub fn plan(
    table: &Table,
    treatments: &[Treatment],
    seed: u64,
    progress: &mut dyn FnMut(f64),
) -> Result<Trial, Fault> {
    let table = some(table, seed);
    let folds = parts(&table, seed)?;
    let usual = select::usual_plans(&table);
    let is_middle = |plan: &&Plan| plan.ridge.total_cmp(&MIDDLE_RIDGE).is_eq();
    let shapes: Vec<Plan> = usual.iter().filter(is_middle).copied().collect();
    let shape = best(&table, treatments, &shapes, &folds, &mut |part| progress(0.6 * part))?;
    let same = |plan: &&Plan| plan.knots == shape.plan.knots && plan.scale == shape.plan.scale;
    let charges: Vec<Plan> =
        usual.iter().filter(same).filter(|plan| !is_middle(plan)).copied().collect();
    let charge =
        best(&table, treatments, &charges, &folds, &mut |part| progress(0.6 + 0.4 * part))?;
    Ok(if charge.loss < shape.loss { charge } else { shape })
}

fn best(
    table: &Table,
    treatments: &[Treatment],
    plans: &[Plan],
    folds: &[Fold],
    progress: &mut dyn FnMut(f64),
) -> Result<Trial, Fault> {
    let mut best: Option<Trial> = None;
    for (done, plan) in plans.iter().enumerate() {
        progress(share(done, plans.len()));
        let trials = select::trials(table, treatments, &[*plan], folds)?;
        for trial in trials {
            if best.as_ref().is_none_or(|best| trial.loss < best.loss) {
                best = Some(trial);
            }
        }
    }
    best.ok_or(Fault::TooFew { what: "plans", have: 0, need: 1 })
}

/// The logit of every row by a model that learned from other customers only.
///
/// # Errors
/// When a part cannot be learned from.
pub fn out_of_part(
    table: &Table,
    treatments: &[Treatment],
    plan: &Plan,
    seed: u64,
) -> Result<Vec<f64>, Fault> {
    let mut logits = vec![f64::NAN; table.len()];
    let mut values = Vec::new();
    for fold in parts(table, seed)? {
        let model = additive::fit(table, treatments, plan, &fold.learn)?.model;
        for row in fold.judge {
            table.row(row, &mut values);
            if let Some(slot) = logits.get_mut(row) {
                *slot = model.logit(&values);
            }
        }
    }
    Ok(logits)
}
