//! Applying a fitted model to one customer: pure arithmetic, no allocation, reasons that add up.
//!
//! Three kinds of model are served. An [`Additive`] model (a logistic regression on a spline
//! basis) is a sum of one curve or level per feature, so its reasons are exact. A [`Forest`]
//! (boosted trees) gets its reasons from `TreeSHAP`. A [`TextModel`] turns a text into chances.
//!
//! A row is a slice of numbers, one per feature in the order of the model: a number as it is, a
//! category as the code that [`Levels::code`] gives, anything not finite when it is missing.
//!
//! Models come from files, and files are not trusted: serve only what `check` has accepted.

mod additive;
mod calibration;
mod curve;
mod forest;
mod grams;
mod levels;
mod packed;
mod refused;
mod shap;
mod text;

pub use self::additive::{Additive, Feature, Shape};
pub use self::calibration::Calibration;
pub use self::curve::{Curve, Direction, Piece, Scale};
pub use self::forest::{Forest, ForestFeature, Kind, Node, Split, Tree};
pub use self::grams::{Grams, Scheme};
pub use self::levels::{Levels, position};
pub use self::refused::Refused;
pub use self::shap::ShapScratch;
pub use self::text::{Class, TextModel};

/// Features a model may have.
pub const FEATURES_MAX: usize = 512;
/// Knots a curve may have.
pub const KNOTS_MAX: usize = 256;
/// Levels a category may have.
pub const LEVELS_MAX: usize = 4_096;
/// Corners an isotonic table may have.
pub const CORNERS_MAX: usize = 4_096;
/// Trees a forest may have.
pub const TREES_MAX: usize = 20_000;
/// Nodes a tree may have.
pub const NODES_MAX: usize = 1_023;
/// Splits on the longest way from a root to a leaf.
pub const DEPTH_MAX: usize = 48;
/// Bytes that the name of a feature, level or class may have.
pub const NAME_BYTES_MAX: usize = 256;
/// Weights a text model may have: classes times buckets.
pub const TEXT_WEIGHTS_MAX: usize = 1 << 23;
/// The largest weight, threshold or logit in a file: far beyond sense, far below overflow.
pub const SIZE_MAX: f64 = 1e15;

/// The logistic function, 1 / (1 + e^-x), without overflow on either side.
///
/// ```
/// assert_eq!(heedful::engine::model::logistic(0.0), 0.5);
/// ```
pub fn logistic(logit: f64) -> f64 {
    if 0.0 <= logit {
        1.0 / (1.0 + (-logit).exp())
    } else {
        let power = logit.exp();
        power / (1.0 + power)
    }
}

#[cfg(test)]
mod tests;
