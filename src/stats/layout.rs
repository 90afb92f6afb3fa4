//! From the columns of a table to the columns of a regression, and from its weights to curves.

use super::design::Design;
use super::fault::Fault;
use super::penalty::{Penalty, Tie};
use super::spline::Spline;
use super::table::{Column, Table, Values, number, pick, position};
use crate::engine::model::{Direction, FEATURES_MAX, KNOTS_MAX, Scale};

/// What a person declares about a feature.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Treatment {
    /// What a missing value is.
    pub missing: Missing,
    /// The direction in which it may move the logit; numbers only.
    pub direction: Option<Direction>,
}

/// What a missing value is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Missing {
    /// A sign of its own.
    Flag,
    /// As good as the average: it moves nothing.
    Mean,
    /// This number.
    Value(f64),
}

/// How flexible a model is; chosen by [`select`](super::select).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Knots per number, at even quantiles; below 3 a straight line.
    pub knots: usize,
    /// The charge on squared weights of standardised columns (1/C in other programs).
    pub ridge: f64,
    /// The axis for numbers that are never negative; others stay plain.
    pub scale: Scale,
    /// What curves do beyond what was seen.
    pub tail: Tail,
}

/// What a curve does beyond its outer knots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// It stays as it is at the knot.
    Flat,
    /// It goes straight on.
    Straight,
}

/// Levels that occur less often than this are pooled.
const RARE_ROWS: usize = 10;

impl Default for Treatment {
    fn default() -> Self {
        Self { missing: Missing::Flag, direction: None }
    }
}

/// How the columns of a table become columns of a regression: fitted on rows, used on any.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(super) parts: Vec<Part>,
    /// Columns that come first, one per straight number.
    dense: usize,
    /// All columns without the intercept.
    columns: usize,
}

/// One feature's columns.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: Box<str>,
    pub(super) treatment: Treatment,
    pub(super) kind: PartKind,
    /// Its first column among those that are not dense, without the intercept.
    pub(super) start: usize,
    /// The column of its flag, if rows without it were seen and it has one.
    pub(super) flag: Option<usize>,
    /// What a row without a value has in the feature's columns, when missing is average.
    fill: Vec<f64>,
}

#[derive(Clone, Debug)]
pub(super) enum PartKind {
    /// (place - mean) / deviation, in a dense column.
    Line { scale: Scale, column: usize, mean: f64, deviation: f64 },
    /// The functions of a basis.
    Bent { scale: Scale, spline: Spline, step: Step },
    /// A column per level but the most frequent; `column` of each level by code, `None` = that one.
    Levels { names: Vec<Box<str>>, seats: Vec<Seat>, other: Seat, columns: usize },
}

/// What the columns of a basis are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Its functions.
    Functions,
    /// Sums of all functions from one on: weights of one sign make the curve monotone.
    Sums,
}

/// Where a level sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// It is the most frequent: no column.
    Reference,
    /// So many columns behind the feature's first.
    Column(usize),
    /// It was not seen: it moves nothing.
    Unseen,
}

impl Layout {
    /// Learns knots, levels, means and deviations from some rows.
    ///
    /// # Errors
    /// When there are too many features, or a direction is declared for a category.
    pub fn fit(
        table: &Table,
        treatments: &[Treatment],
        plan: &Plan,
        rows: &[usize],
    ) -> Result<Self, Fault> {
        if FEATURES_MAX < table.columns.len() {
            let (name, why) = ("features".to_owned(), "there are more than 512");
            return Err(Fault::Unusable { name, why });
        }
        let mut layout = Self { parts: Vec::new(), dense: 0, columns: 0 };
        let defaults = std::iter::repeat(&Treatment { missing: Missing::Flag, direction: None });
        for (column, treatment) in table.columns.iter().zip(treatments.iter().chain(defaults)) {
            let values = pick(column.values(), rows);
            layout.add(column, *treatment, plan, &values)?;
        }
        // Dense columns stand before all others: what was counted from 0 moves behind them.
        for part in &mut layout.parts {
            part.start += layout.dense;
            part.flag = part.flag.map(|flag| flag + layout.dense);
        }
        layout.columns += layout.dense;
        let mut filled = Vec::new();
        for (part, column) in layout.parts.iter().zip(&table.columns) {
            filled.push(part.average(&pick(column.values(), rows)));
        }
        for (part, fill) in layout.parts.iter_mut().zip(filled) {
            part.fill = fill;
        }
        Ok(layout)
    }

    fn add(
        &mut self,
        column: &Column,
        treatment: Treatment,
        plan: &Plan,
        values: &[f64],
    ) -> Result<(), Fault> {
        let kind = match &column.values {
            Values::Numbers(_) => self.line_or_bent(treatment, plan, values),
            Values::Categories { .. } if treatment.direction.is_some() => {
                let why = "a category has no direction";
                return Err(Fault::Unusable { name: column.name.to_string(), why });
            }
            Values::Categories { names, .. } => levels(names, values),
        };
        let start = self.columns;
        self.columns += kind.columns();
        let gaps = values.iter().any(|value| !value.is_finite());
        let flag = (gaps && treatment.missing == Missing::Flag).then_some(self.columns);
        self.columns += usize::from(flag.is_some());
        let name = column.name.clone();
        self.parts.push(Part { name, treatment, kind, start, flag, fill: Vec::new() });
        Ok(())
    }

    fn line_or_bent(&mut self, treatment: Treatment, plan: &Plan, values: &[f64]) -> PartKind {
        let known = || values.iter().copied().filter(|value| value.is_finite());
        let scale = if known().any(|value| value < 0.0) { Scale::Plain } else { plan.scale };
        let places: Vec<f64> = known().map(|value| scale.place(value)).collect();
        let step = treatment.direction.map_or(Step::Functions, |_| Step::Sums);
        if (3..=KNOTS_MAX).contains(&plan.knots)
            && let Some(spline) = Spline::at_quantiles(&places, plan.knots)
            && 3 <= spline.knots().len()
        {
            return PartKind::Bent { scale, spline, step };
        }
        let count = number(places.len().max(1));
        let mean = places.iter().sum::<f64>() / count;
        let variance =
            places.iter().map(|place| (place - mean) * (place - mean)).sum::<f64>() / count;
        let deviation = if 1e-24 * mean * mean < variance { variance.sqrt() } else { 0.0 };
        let column = self.dense;
        self.dense += 1;
        PartKind::Line { scale, column, mean, deviation }
    }

    /// How many columns the regression has, without the intercept.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The regression's rows for rows of the table.
    pub fn design(&self, table: &Table, rows: &[usize]) -> Design {
        let mut design = Design::new(self.dense, self.columns);
        let mut dense = vec![0.0; self.dense];
        let mut rest = Vec::new();
        for row in rows {
            dense.fill(0.0);
            rest.clear();
            for (part, column) in self.parts.iter().zip(&table.columns) {
                let value = column.values().get(*row).copied().unwrap_or(f64::NAN);
                part.write(value, &mut dense, &mut rest);
            }
            design.push(&dense, &rest);
        }
        design
    }

    /// The charge on every column: `ridge` on the weights that standardised columns would have.
    pub fn penalty(&self, moments: &[(f64, f64)], ridge: f64) -> Penalty {
        // A column that never changes gets a charge too, or its weight would be undetermined.
        let charge = |(_, deviation): &(f64, f64)| {
            ridge * if *deviation == 0.0 { 1.0 } else { deviation * deviation }
        };
        let ridges: Vec<f64> = moments.iter().map(charge).collect();
        let tie = |part: &Part| {
            let columns = part.start..part.flag.map_or(part.start + part.kind.columns(), |f| f + 1);
            let is_levels = matches!(part.kind, PartKind::Levels { .. });
            let means = moments.get(columns.clone())?;
            let own: f64 = ridges.get(columns.clone())?.iter().sum();
            let reference = (1.0 - means.iter().map(|(mean, _)| mean).sum::<f64>()).clamp(0.0, 1.0);
            let total = own + ridge * reference * (1.0 - reference);
            (is_levels && !columns.is_empty() && 0.0 < total).then_some(Tie { columns, total })
        };
        Penalty { ties: self.parts.iter().filter_map(tie).collect(), ridge: ridges }
    }

    /// The least and the largest weight of each column, without the intercept; `None` when no
    /// direction is declared.
    pub fn bounds(&self) -> Option<Vec<(f64, f64)>> {
        let mut bounds = vec![(f64::NEG_INFINITY, f64::INFINITY); self.columns];
        let mut declared = None;
        for part in &self.parts {
            let bound = match part.treatment.direction {
                None => continue,
                Some(Direction::Rising) => (0.0, f64::INFINITY),
                Some(Direction::Falling) => (f64::NEG_INFINITY, 0.0),
            };
            declared = Some(());
            let (start, count) = match &part.kind {
                PartKind::Line { column, .. } => (*column, 1),
                PartKind::Bent { .. } | PartKind::Levels { .. } => {
                    (part.start, part.kind.columns())
                }
            };
            bounds.iter_mut().skip(start).take(count).for_each(|slot| *slot = bound);
        }
        declared.map(|()| bounds)
    }
}

impl PartKind {
    /// Columns that are not dense, without the flag.
    pub(super) fn columns(&self) -> usize {
        match self {
            Self::Line { .. } => 0,
            Self::Bent { spline, step: Step::Functions, .. } => spline.functions(),
            Self::Bent { spline, step: Step::Sums, .. } => spline.functions() - 1,
            Self::Levels { columns, .. } => *columns,
        }
    }
}

impl Part {
    /// Writes a value's columns.
    fn write(&self, value: f64, dense: &mut [f64], rest: &mut Vec<(usize, f64)>) {
        let value = match self.treatment.missing {
            Missing::Value(instead) if !value.is_finite() => instead,
            Missing::Value(_) | Missing::Flag | Missing::Mean => value,
        };
        if !value.is_finite() {
            if let Some(flag) = self.flag {
                rest.push((flag, 1.0));
            } else {
                let filled = self.fill.iter().enumerate().filter(|(_, mean)| **mean != 0.0);
                rest.extend(filled.map(|(at, mean)| (self.start + at, *mean)));
            }
            return;
        }
        match &self.kind {
            PartKind::Line { scale, column, mean, deviation } => {
                if let Some(cell) = dense.get_mut(*column)
                    && *deviation != 0.0
                {
                    *cell = (scale.place(value) - mean) / deviation;
                }
            }
            PartKind::Bent { scale, spline, step } => {
                let (first, values) = spline.at(scale.place(value));
                match step {
                    Step::Functions => {
                        let cells = values.into_iter().enumerate();
                        rest.extend(cells.map(|(at, value)| (self.start + first + at, value)));
                    }
                    Step::Sums => sums(self.start, first, values, rest),
                }
            }
            PartKind::Levels { seats, other, .. } => {
                let seat = position(value).and_then(|at| seats.get(at)).unwrap_or(other);
                match seat {
                    Seat::Reference => {}
                    Seat::Column(at) => rest.push((self.start + at, 1.0)),
                    Seat::Unseen => {
                        let cells = self.fill.iter().enumerate();
                        rest.extend(cells.map(|(at, mean)| (self.start + at, *mean)));
                    }
                }
            }
        }
    }

    /// The average of its columns over the rows that have a value.
    fn average(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.kind.columns()];
        let mut cells = Vec::new();
        let known = values.iter().filter(|value| value.is_finite());
        let count = number(known.clone().count().max(1));
        for value in known {
            cells.clear();
            self.write(*value, &mut [], &mut cells);
            for (column, cell) in &cells {
                if let Some(sum) = column.checked_sub(self.start).and_then(|at| sums.get_mut(at)) {
                    *sum += cell / count;
                }
            }
        }
        sums
    }
}

/// The sums of all functions from the second, third, ... on at a place.
fn sums(start: usize, first: usize, values: [f64; 4], rest: &mut Vec<(usize, f64)>) {
    // Column k is the sum from function k + 1 on: 1 for all functions before the four at the place.
    rest.extend((0..first).map(|column| (start + column, 1.0)));
    let [_, b, c, d] = values;
    let later = [b + c + d, c + d, d].into_iter().enumerate();
    rest.extend(later.map(|(at, sum)| (start + first + at, sum)));
}

/// Gives each level its seat: the most frequent none, the rare a common one.
fn levels(names: &[Box<str>], codes: &[f64]) -> PartKind {
    let mut counts = vec![0_usize; names.len()];
    let mut others = 0;
    for code in codes.iter().filter(|code| code.is_finite()) {
        match position(*code).and_then(|at| counts.get_mut(at)) {
            Some(count) => *count += 1,
            None => others += 1,
        }
    }
    let rare = |count: &usize| (1..RARE_ROWS).contains(count);
    let pooled: usize = counts.iter().filter(|count| rare(count)).sum::<usize>() + others;
    let most = counts.iter().copied().max().unwrap_or(0);
    let mut next = 0;
    let mut seat = || {
        next += 1;
        Seat::Column(next - 1)
    };
    let mut reference = None;
    let own: Vec<Option<Seat>> = counts
        .iter()
        .map(|count| match count {
            0 => Some(Seat::Unseen),
            count if rare(count) => None,
            count if *count == most && reference.is_none() => {
                reference = Some(());
                Some(Seat::Reference)
            }
            _ => Some(seat()),
        })
        .collect();
    let other = match (pooled, reference) {
        (0, _) => Seat::Unseen,
        // All are rare: their common seat is the only one.
        (_, None) => Seat::Reference,
        (_, Some(())) => seat(),
    };
    let seats = own.into_iter().map(|seat| seat.unwrap_or(other)).collect();
    PartKind::Levels { names: names.to_vec(), seats, other, columns: next }
}
