//! Labelled texts: what a text is, and which texts are the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::reading::Reader;

/// Texts that were not understood: labels shown at most.
const STRANGE_MAX: usize = 8;

/// Labelled texts, in an order that does not depend on that of the files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    /// The part of each text that is read.
    pub texts: Vec<Box<str>>,
    /// What each is: the place of its class.
    pub classes: Vec<usize>,
    /// Texts that say the same share a number: they learn together or judge together.
    pub groups: Vec<u32>,
    /// What was not taken, and what is odd.
    pub passed: Passed,
}

/// What was not taken, and what is odd about what was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Rows without a text, or with one that is too short.
    pub short: usize,
    /// Rows without a label.
    pub unlabelled: usize,
    /// Rows whose text stands in another row too.
    pub repeated: usize,
    /// Texts with several labels.
    pub contradicted: usize,
}

/// Labelled texts on their way in.
#[derive(Debug)]
pub struct Gathering<'r> {
    reader: &'r Reader,
    class_of: BTreeMap<&'r str, usize>,
    rows: Vec<(String, usize, Box<str>)>,
    passed: Passed,
    strange: BTreeSet<Box<str>>,
}

impl<'r> Gathering<'r> {
    /// None yet, for a model.
    pub fn new(reader: &'r Reader) -> Self {
        let said = reader.lesson.said.iter().enumerate();
        let class_of = said.flat_map(|(class, said)| said.iter().map(move |own| (&**own, class)));
        let (rows, passed, strange) = (Vec::new(), Passed::default(), BTreeSet::new());
        Self { reader, class_of: class_of.collect(), rows, passed, strange }
    }

    /// Takes a row.
    pub fn add(&mut self, text: &str, label: &str) {
        let label = label.trim();
        if label.is_empty() {
            self.passed.unlabelled += 1;
            return;
        }
        let Some(class) = self.class_of.get(label) else {
            if self.strange.len() < STRANGE_MAX {
                self.strange.insert(label.into());
            }
            return;
        };
        match self.reader.length.cut(text) {
            Some(text) => self.rows.push((key(text), *class, text.into())),
            None => self.passed.short += 1,
        }
    }

    /// How many rows were taken.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none was taken.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows; or labels that are none of the model's.
    ///
    /// # Errors
    /// Some of those labels.
    pub fn settle(mut self) -> Result<Labelled, Vec<Box<str>>> {
        if !self.strange.is_empty() {
            return Err(self.strange.into_iter().collect());
        }
        self.rows.sort_unstable();
        let mut labelled = Labelled { passed: self.passed, ..Labelled::default() };
        for (group, same) in (0_u32..).zip(self.rows.chunk_by(|left, right| left.0 == right.0)) {
            let classes: BTreeSet<usize> = same.iter().map(|row| row.1).collect();
            labelled.passed.repeated += same.len() - 1;
            labelled.passed.contradicted += usize::from(1 < classes.len());
            for (_, class, text) in same {
                labelled.texts.push(text.clone());
                labelled.classes.push(*class);
                labelled.groups.push(group);
            }
        }
        Ok(labelled)
    }
}

impl Labelled {
    /// How many different texts each class has.
    pub fn different(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        let own: BTreeSet<(usize, u32)> =
            self.classes.iter().copied().zip(self.groups.iter().copied()).collect();
        for (class, _) in own {
            if let Some(count) = counts.get_mut(class) {
                *count += 1;
            }
        }
        counts
    }

    /// How many rows each class has.
    pub fn rows(&self, classes: usize) -> Vec<usize> {
        let count = |class| self.classes.iter().filter(|own| **own == class).count();
        (0..classes).map(count).collect()
    }
}

/// What two texts that say the same have in common: letters and digits as they are, whatever their
/// case, width, spaces and stops; all numbers alike, because templates differ in nothing else.
fn key(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for char in text.chars().flat_map(char::to_lowercase) {
        let char = match u32::from(char) {
            code @ 0xff01..=0xff5e => char::from_u32(code - 0xfee0).unwrap_or(char),
            _ => char,
        };
        if char.is_numeric() {
            if !key.ends_with('0') {
                key.push('0');
            }
        } else if char.is_alphabetic() {
            key.push(char);
        }
    }
    // What consists of nothing but signs is told apart by them.
    if key.is_empty() { text.to_owned() } else { key }
}
