//! Rows to learn from: what was known of a customer at an instant, and what came of it.

use std::collections::BTreeMap;

use crate::engine::classifier::Case;
use crate::engine::time::Timestamp;

/// Texts of one category that are told apart; further ones count as missing.
pub const LEVELS_MAX: usize = 4_096;

/// Rows of one model, in the order of their instants and, in each, of customers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Values row after row: a number, the code of a level, or NaN for what is missing.
    values: Vec<f64>,
    /// Of each feature the texts that stand behind its codes, sorted; none for numbers.
    levels: Vec<Vec<Box<str>>>,
    /// Whose row it is: rows of one customer share a number.
    groups: Vec<u32>,
    /// Ids of the customers by that number.
    customers: Vec<Box<str>>,
    /// When it was taken.
    at: Vec<Timestamp>,
    /// Whether the case was positive.
    positive: Vec<bool>,
}

impl Rows {
    /// None yet, of so many features.
    pub fn new(features: usize) -> Self {
        Self { levels: vec![Vec::new(); features], ..Self::default() }
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.positive.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.positive.is_empty()
    }

    /// How many features.
    pub fn features(&self) -> usize {
        self.levels.len()
    }

    /// The values of each row.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.features().max(1))
    }

    /// The texts behind the codes of a feature; none for numbers.
    pub fn levels(&self, feature: usize) -> &[Box<str>] {
        self.levels.get(feature).map_or(&[], Vec::as_slice)
    }

    /// Whose each row is.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    /// The id of a customer by their number.
    pub fn customer(&self, group: u32) -> Option<&str> {
        self.customers.get(group as usize).map(|id| &**id)
    }

    /// When each row was taken.
    pub fn at(&self) -> &[Timestamp] {
        &self.at
    }

    /// Whether the case of each row was positive.
    pub fn positive(&self) -> &[bool] {
        &self.positive
    }

    /// How many cases were positive.
    pub fn positives(&self) -> usize {
        self.positive.iter().filter(|positive| **positive).count()
    }

    /// Adds a row.
    pub(super) fn add(&mut self, values: &[f64], group: u32, at: Timestamp, case: Case) {
        self.values.extend_from_slice(values);
        self.groups.push(group);
        self.at.push(at);
        self.positive.push(case == Case::Positive);
    }

    /// Replaces the codes that were given in the order of arrival by places among the sorted texts,
    /// so that the order in which customers are looked at shows nowhere.
    pub(super) fn settle(&mut self, given: &[Codes], customers: Vec<Box<str>>) {
        self.customers = customers;
        let features = self.features().max(1);
        for (feature, codes) in given.iter().enumerate() {
            let Some(levels) = self.levels.get_mut(feature) else { continue };
            let mut place_of = vec![f64::NAN; codes.0.len()];
            *levels = Vec::with_capacity(codes.0.len());
            // The map is sorted by text.
            for (place, (text, code)) in (0_u32..).zip(&codes.0) {
                if let Some(slot) = place_of.get_mut(*code as usize) {
                    *slot = f64::from(place);
                }
                levels.push(text.clone());
            }
            if codes.0.is_empty() {
                continue;
            }
            for value in self.values.iter_mut().skip(feature).step_by(features) {
                *value =
                    code_of(*value).and_then(|code| place_of.get(code)).map_or(f64::NAN, |it| *it);
            }
        }
    }
}

/// The code that stands in a cell.
fn code_of(value: f64) -> Option<usize> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "codes are small")]
    (0.0 <= value).then_some(value as usize)
}

/// Codes given to texts in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub(super) struct Codes(BTreeMap<Box<str>, u32>);

impl Codes {
    /// The code of a text; `None` when there are too many texts.
    pub(super) fn code(&mut self, text: &str) -> Option<f64> {
        if let Some(code) = self.0.get(text) {
            return Some(f64::from(*code));
        }
        let code = u32::try_from(self.0.len()).ok().filter(|_| self.0.len() < LEVELS_MAX)?;
        self.0.insert(text.into(), code);
        Some(f64::from(code))
    }
}
