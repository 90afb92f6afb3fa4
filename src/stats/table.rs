//! Training rows, column by column: what the features were, and what happened.

use crate::engine::model::LEVELS_MAX;
pub(super) use crate::engine::model::position;

/// Rows to learn from.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// One column per feature, all of the same length.
    pub columns: Vec<Column>,
    /// 1 where it happened, 0 where not; one per row.
    pub labels: Vec<f64>,
    /// How much each row counts; empty = 1 each.
    pub weights: Vec<f64>,
    /// Whose row it is: rows of one customer never stand on both sides of a fold. Empty = all
    /// different.
    pub groups: Vec<u32>,
    /// The day of each row's snapshot, any origin; empty when there is no time.
    pub days: Vec<i32>,
}

/// One feature of all rows.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name in the definition.
    pub name: Box<str>,
    /// Its values.
    pub values: Values,
}

/// The values of a feature.
#[derive(Clone, Debug)]
pub enum Values {
    /// Numbers; not finite = missing.
    Numbers(Vec<f64>),
    /// Categories.
    Categories {
        /// The levels, sorted.
        names: Vec<Box<str>>,
        /// The place of each row's level in `names`; their number for one left out; NaN = missing.
        codes: Vec<f64>,
    },
}

impl Column {
    /// A column of numbers; not finite = missing.
    pub fn numbers(name: &str, values: Vec<f64>) -> Self {
        Self { name: name.into(), values: Values::Numbers(values) }
    }

    /// A column of categories. Beyond [`LEVELS_MAX`] levels the rarest are left out.
    pub fn categories<'a>(
        name: &str,
        texts: impl Iterator<Item = Option<&'a str>> + Clone,
    ) -> Self {
        let mut sorted: Vec<&str> = texts.clone().flatten().collect();
        sorted.sort_unstable();
        let mut levels: Vec<(usize, &str)> = sorted
            .chunk_by(|left, right| left == right)
            .filter_map(|run| run.first().map(|level| (run.len(), *level)))
            .collect();
        levels.sort_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(right.1)));
        levels.truncate(LEVELS_MAX);
        let mut names: Vec<Box<str>> = levels.iter().map(|(_, level)| (*level).into()).collect();
        names.sort_unstable();
        let codes = texts.map(|text| text.map_or(f64::NAN, |text| code(&names, text))).collect();
        Self { name: name.into(), values: Values::Categories { names, codes } }
    }

    /// The numbers or codes.
    pub fn values(&self) -> &[f64] {
        match &self.values {
            Values::Numbers(values) | Values::Categories { codes: values, .. } => values,
        }
    }

    /// The numbers, or the codes in another list of sorted names.
    pub fn values_in(&self, others: &[Box<str>]) -> Vec<f64> {
        match &self.values {
            Values::Numbers(values) => values.clone(),
            Values::Categories { names, codes } => {
                let map: Vec<f64> = names.iter().map(|name| code(others, name)).collect();
                let other = number(others.len());
                let known = |code: &f64| position(*code).and_then(|at| map.get(at)).copied();
                let moved =
                    |code: &f64| if code.is_nan() { *code } else { known(code).unwrap_or(other) };
                codes.iter().map(moved).collect()
            }
        }
    }
}

impl Table {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// A row as the engine takes it, written over `row`.
    pub fn row(&self, at: usize, row: &mut Vec<f64>) {
        row.clear();
        let value = |column: &Column| column.values().get(at).copied().unwrap_or(f64::NAN);
        row.extend(self.columns.iter().map(value));
    }

    /// Some of the rows, in the order of `rows`.
    #[must_use]
    pub fn pick(&self, rows: &[usize]) -> Self {
        let columns = self.columns.iter().map(|column| Column {
            name: column.name.clone(),
            values: match &column.values {
                Values::Numbers(values) => Values::Numbers(pick(values, rows)),
                Values::Categories { names, codes } => {
                    Values::Categories { names: names.clone(), codes: pick(codes, rows) }
                }
            },
        });
        Self {
            columns: columns.collect(),
            labels: pick(&self.labels, rows),
            weights: pick(&self.weights, rows),
            groups: pick(&self.groups, rows),
            days: pick(&self.days, rows),
        }
    }

    /// The weights, when there are any.
    pub fn weights(&self) -> Option<&[f64]> {
        (!self.weights.is_empty()).then_some(&*self.weights)
    }
}

/// The values at some places; empty stays empty.
pub(crate) fn pick<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().filter_map(|row| values.get(*row)).cloned().collect()
}

/// A count as a number.
pub(crate) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

fn code(names: &[Box<str>], text: &str) -> f64 {
    let at = names.binary_search_by(|known| (**known).cmp(text));
    number(at.unwrap_or(names.len()))
}
