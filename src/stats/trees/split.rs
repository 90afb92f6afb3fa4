//! The best way to part the rows of a leaf by one feature.

use super::Settings;
use super::bins::{BINS, Binned, Gaps, rows};
use crate::engine::model::{Direction, Kind};

/// What the rows of a bin or a leaf add up to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// First derivatives of the loss.
    pub(super) gradient: f64,
    /// Second derivatives.
    pub(super) hessian: f64,
    /// Rows.
    pub(super) rows: u32,
}

/// The least and the largest value a leaf may have, so that no declared direction is broken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// A split worth making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Best {
    pub(super) gain: f64,
    pub(super) feature: usize,
    pub(super) test: Test,
    pub(super) missing: Side,
    pub(super) left: Sums,
    pub(super) right: Sums,
    /// Between the values of both sides; where their bounds part under a declared direction.
    pub(super) middle: f64,
}

/// Which bins go left.
#[derive(Clone, Copy, Debug)]
pub(super) enum Test {
    /// This bin and all below.
    UpTo(u8),
    /// Those with their bit set.
    Within(u64),
}

/// Where missing values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Categories in smaller groups than this are not looked at.
const CATEGORY_ROWS_MIN: u32 = 10;
/// Pulls the ranking of rare categories to 0.
const CATEGORY_SMOOTH: f64 = 10.0;
/// Charge on the values of leaves made by category, on top of the other.
const CATEGORY_L2: f64 = 10.0;

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.gradient += other.gradient;
        self.hessian += other.hessian;
        self.rows += other.rows;
    }

    pub(super) fn less(&self, other: &Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            hessian: self.hessian - other.hessian,
            rows: self.rows.saturating_sub(other.rows),
        }
    }

    /// The value that lowers the loss most, within bounds.
    pub(super) fn value(&self, l2: f64, bounds: Bounds) -> f64 {
        (-self.gradient / (self.hessian + l2)).max(bounds.low).min(bounds.high)
    }

    /// How much the loss falls, doubled, when these rows have a value.
    fn worth(&self, value: f64, l2: f64) -> f64 {
        -(2.0 * self.gradient + (self.hessian + l2) * value) * value
    }
}

/// Finds the best split of a leaf by one feature.
pub(super) struct Finder<'a> {
    pub(super) settings: &'a Settings,
    pub(super) total: Sums,
    pub(super) bounds: Bounds,
    pub(super) feature: usize,
    pub(super) binned: &'a Binned,
    pub(super) cells: &'a [Sums],
    pub(super) direction: Option<Direction>,
}

impl Finder<'_> {
    pub(super) fn best(&self) -> Option<Best> {
        match self.binned.feature.kind {
            Kind::Number => self.by_number(),
            Kind::Category(_) => self.by_category(),
        }
    }

    fn by_number(&self) -> Option<Best> {
        let missing = self.cells.get(BINS - 1).copied().unwrap_or_default();
        let own = |test| move |left, side| (left, test, side);
        let mut best: Option<Best> = None;
        let mut below = Sums::default();
        let last = self.binned.count.saturating_sub(1);
        for (bin, cell) in (0_u8..).zip(self.cells.iter().take(last)) {
            below.add(cell);
            if cell.rows == 0 {
                continue;
            }
            let candidate = own(Test::UpTo(bin));
            // Without gaps in training, a missing value goes the way of the many.
            let side = if self.total.rows < 2 * below.rows { Side::Left } else { Side::Right };
            if self.binned.gaps == Gaps::None || missing.rows == 0 {
                self.consider(candidate(below, side), self.settings.l2, &mut best);
                continue;
            }
            self.consider(candidate(below, Side::Right), self.settings.l2, &mut best);
            let mut with = below;
            with.add(&missing);
            self.consider(candidate(with, Side::Left), self.settings.l2, &mut best);
        }
        best
    }

    /// Levels ranked by their own value, then as numbers (Fisher 1958): from either end, so that the
    /// smaller group goes left.
    fn by_category(&self) -> Option<Best> {
        let mut ranked: Vec<(f64, u32, Sums)> = (0_u32..)
            .zip(self.cells.iter().take(self.binned.count.min(64)))
            .filter(|(_, cell)| CATEGORY_ROWS_MIN <= cell.rows)
            .map(|(bin, cell)| (cell.gradient / (cell.hessian + CATEGORY_SMOOTH), bin, *cell))
            .collect();
        ranked.sort_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        let l2 = self.settings.l2 + CATEGORY_L2;
        let mut best = None;
        let groups = ranked.len().saturating_sub(1);
        let mut run = |levels: &mut dyn Iterator<Item = &(f64, u32, Sums)>| {
            let (mut left, mut set) = (Sums::default(), 0_u64);
            for (_, bin, cell) in levels.take(groups) {
                left.add(cell);
                set |= 1 << bin;
                self.consider((left, Test::Within(set), Side::Right), l2, &mut best);
            }
        };
        run(&mut ranked.iter());
        run(&mut ranked.iter().rev());
        best
    }

    /// Keeps a split if it may be made and is the best so far.
    fn consider(
        &self,
        (left, test, missing): (Sums, Test, Side),
        l2: f64,
        best: &mut Option<Best>,
    ) {
        let right = self.total.less(&left);
        let Settings { rows_min, hessian_min, gain_min, .. } = *self.settings;
        let small = |side: &Sums| side.rows < rows_min.max(1) || side.hessian < hessian_min;
        if small(&left) || small(&right) {
            return;
        }
        let (low, high) = (left.value(l2, self.bounds), right.value(l2, self.bounds));
        let against = match self.direction {
            None => false,
            Some(Direction::Rising) => high < low,
            Some(Direction::Falling) => low < high,
        };
        let whole =
            self.total.worth(self.total.value(self.settings.l2, self.bounds), self.settings.l2);
        let gain = left.worth(low, l2) + right.worth(high, l2) - whole;
        if against || gain <= gain_min || best.is_some_and(|best| gain <= best.gain) {
            return;
        }
        let middle = 0.5 * (low + high);
        let feature = self.feature;
        *best = Some(Best { gain, feature, test, missing, left, right, middle });
    }
}

impl Test {
    /// Whether a bin goes left.
    pub(super) fn side(self, bin: u8, missing: Side) -> Side {
        if bin == super::bins::MISSING {
            return missing;
        }
        let left = match self {
            Self::UpTo(last) => bin <= last,
            Self::Within(set) => (set >> bin.min(63)) & 1 == 1,
        };
        if left { Side::Left } else { Side::Right }
    }
}

/// The share of rows that went one way, as a number of rows that is above 0.
pub(super) fn cover(sums: &Sums) -> f64 {
    rows(sums.rows)
}
