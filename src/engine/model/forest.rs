//! Boosted trees: the logit is a base plus one leaf of every tree.

use serde::{Deserialize, Serialize};

use super::levels::position;
use super::refused::{Refused, at_most, exactly, finite, name, rising, senseless};
use super::{Calibration, DEPTH_MAX, FEATURES_MAX, NODES_MAX, TREES_MAX};

/// Levels that a split by category can tell apart; the last bit means "any other".
pub(crate) const SET_LEVELS_MAX: usize = 63;

/// Trees that are added up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forest {
    /// Its features; rows have one number for each, in this order.
    pub features: Box<[ForestFeature]>,
    /// The logit before any tree.
    pub base: f64,
    /// Its trees.
    pub trees: Box<[Tree]>,
    /// What is done to the sum.
    pub calibration: Calibration,
}

/// One original feature of a forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestFeature {
    /// Its name in the definition.
    pub name: Box<str>,
    /// Number or category.
    pub kind: Kind,
}

/// What the numbers of a feature mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Numbers as they are.
    Number,
    /// Codes: places in these sorted names; their number for a rare or unknown one.
    Category(Box<[Box<str>]>),
}

/// A tree: its root is its first node, and children stand behind their parents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree {
    /// Its nodes.
    pub nodes: Box<[Node]>,
}

/// A split or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// An end: what it adds to the logit, and the training weight that arrived there.
    Leaf {
        /// Added to the logit.
        value: f64,
        /// Training weight, above 0.
        cover: f64,
    },
    /// Goes left when `number <= limit`; a missing number goes to the side `missing`.
    Below {
        /// The limit.
        limit: f64,
        /// The rest of the split.
        split: Split,
    },
    /// Goes left when the bit of the category's code is set.
    Within {
        /// One bit per code; the highest for every code from 63 on.
        set: u64,
        /// The rest of the split.
        split: Split,
    },
}

/// What every split has.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Its feature's place.
    pub feature: u16,
    /// Place of the left child.
    pub left: u16,
    /// Place of the right child.
    pub right: u16,
    /// Place of the child for missing values: the left or the right one.
    pub missing: u16,
    /// Training weight that arrived here, above 0.
    pub cover: f64,
}

impl Node {
    /// Training weight that arrived here.
    pub fn cover(&self) -> f64 {
        match self {
            Self::Leaf { cover, .. } => *cover,
            Self::Below { split, .. } | Self::Within { split, .. } => split.cover,
        }
    }

    /// Where a row goes from here; `Err` with the value at a leaf.
    pub(super) fn next(&self, row: &[f64]) -> Result<u16, f64> {
        let value_of = |split: &Split| row.get(usize::from(split.feature)).copied();
        match self {
            Self::Leaf { value, .. } => Err(*value),
            Self::Below { limit, split } => Ok(match value_of(split) {
                Some(value) if value.is_finite() => {
                    if value <= *limit {
                        split.left
                    } else {
                        split.right
                    }
                }
                _ => split.missing,
            }),
            Self::Within { set, split } => Ok(match value_of(split) {
                Some(value) if value.is_finite() => {
                    let bit = position(value).map_or(SET_LEVELS_MAX, |at| at.min(SET_LEVELS_MAX));
                    if (set >> bit) & 1 == 1 { split.left } else { split.right }
                }
                _ => split.missing,
            }),
        }
    }

    fn split(&self) -> Option<&Split> {
        match self {
            Self::Leaf { .. } => None,
            Self::Below { split, .. } | Self::Within { split, .. } => Some(split),
        }
    }
}

impl Tree {
    /// What it adds to the logit of a row.
    pub fn value(&self, row: &[f64]) -> f64 {
        let mut at = 0;
        // Children stand behind their parents (see `check`): the loop ends.
        while let Some(node) = self.nodes.get(usize::from(at)) {
            match node.next(row) {
                Ok(next) if at < next => at = next,
                Ok(_) => break,
                Err(value) => return value,
            }
        }
        0.0
    }

    /// Its average value over the training rows.
    pub fn average(&self) -> f64 {
        let total = self.nodes.first().map_or(1.0, Node::cover);
        let weighed = self.nodes.iter().map(|node| match node {
            Node::Leaf { value, cover } => value * cover,
            Node::Below { .. } | Node::Within { .. } => 0.0,
        });
        weighed.sum::<f64>() / total
    }

    fn check(&self, at: usize, features: &[ForestFeature]) -> Result<(), Refused> {
        let place = || format!("tree {at}");
        at_most(self.nodes.len(), NODES_MAX, || format!("nodes of tree {at}"))?;
        let mut parents = [0_u8; NODES_MAX];
        let mut depths = [0_usize; NODES_MAX];
        for node in &self.nodes {
            finite(node.cover(), place)?;
            if node.cover() <= 0.0 {
                return senseless(place(), "the weight of a node must be above 0");
            }
        }
        for (own, node) in self.nodes.iter().enumerate() {
            let depth = depths.get(own).copied().unwrap_or(0);
            at_most(depth, DEPTH_MAX, || format!("depth of tree {at}"))?;
            let Some(split) = node.split() else { continue };
            self.check_split(at, own, split, features)?;
            for child in [split.left, split.right].map(usize::from) {
                if let (Some(times), Some(deep)) = (parents.get_mut(child), depths.get_mut(child)) {
                    *times = times.saturating_add(1);
                    *deep = depth + 1;
                }
            }
        }
        let orphans = self.nodes.iter().zip(&parents).skip(1).filter(|(_, times)| **times != 1);
        if self.nodes.is_empty() || 0 < orphans.count() {
            return senseless(place(), "every node but the root must have exactly one parent");
        }
        self.nodes.iter().try_for_each(|node| match node {
            Node::Leaf { value, .. } => finite(*value, place),
            Node::Below { limit, .. } => finite(*limit, place),
            Node::Within { .. } => Ok(()),
        })
    }

    fn check_split(
        &self,
        at: usize,
        own: usize,
        split: &Split,
        features: &[ForestFeature],
    ) -> Result<(), Refused> {
        let place = || format!("tree {at}");
        if features.len() <= usize::from(split.feature) {
            return senseless(place(), "a split names a feature that is not there");
        }
        let children = [split.left, split.right].map(usize::from);
        if children.iter().any(|child| *child <= own) || split.left == split.right {
            return senseless(place(), "children must be two and stand behind their parent");
        }
        if split.missing != split.left && split.missing != split.right {
            return senseless(place(), "missing values must go left or right");
        }
        let below = children.map(|child| self.nodes.get(child).map(Node::cover));
        let [Some(left), Some(right)] = below else {
            return senseless(place(), "a child is not there");
        };
        if (left + right - split.cover).abs() <= 1e-6 * split.cover {
            Ok(())
        } else {
            senseless(place(), "the weights of two children must add up to their parent's")
        }
    }
}

impl Forest {
    /// The logit of a row, with calibration.
    pub fn logit(&self, row: &[f64]) -> f64 {
        let sum = self.trees.iter().fold(self.base, |sum, tree| sum + tree.value(row));
        self.calibration.slope * sum + self.calibration.intercept
    }

    /// The chance for a row, 0 to 1.
    pub fn chance(&self, row: &[f64]) -> f64 {
        self.calibration.chance(self.logit(row))
    }

    /// The average calibrated logit over the training rows: what reasons are measured from.
    pub fn base(&self) -> f64 {
        let sum = self.trees.iter().fold(self.base, |sum, tree| sum + tree.average());
        self.calibration.slope * sum + self.calibration.intercept
    }

    /// The number that stands for a level of a category feature in a row; missing for a number.
    pub fn code(&self, feature: usize, level: &str) -> f64 {
        match self.features.get(feature).map(|feature| &feature.kind) {
            Some(Kind::Category(names)) => {
                let at = names.binary_search_by(|known| (**known).cmp(level));
                u32::try_from(at.unwrap_or(names.len())).map_or(f64::MAX, f64::from)
            }
            Some(Kind::Number) | None => f64::NAN,
        }
    }

    /// Whether it can be served.
    ///
    /// # Errors
    /// Says what in which feature or tree is wrong.
    pub fn check(&self) -> Result<(), Refused> {
        at_most(self.features.len(), FEATURES_MAX, || "features".to_owned())?;
        if self.features.is_empty() {
            exactly(0, 1, || "features".to_owned())?;
        }
        at_most(self.trees.len(), TREES_MAX, || "trees".to_owned())?;
        finite(self.base, || "base".to_owned())?;
        for feature in &self.features {
            name(&feature.name, || "bytes in a feature's name".to_owned())?;
            if let Kind::Category(names) = &feature.kind {
                at_most(names.len(), SET_LEVELS_MAX, || format!("levels of `{}`", feature.name))?;
                rising(names, || format!("levels of `{}`", feature.name))?;
            }
        }
        for (at, tree) in self.trees.iter().enumerate() {
            tree.check(at, &self.features)?;
        }
        self.calibration.check()
    }
}
