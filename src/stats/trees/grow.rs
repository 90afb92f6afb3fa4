//! One tree: the leaf whose split gains most is split next, until there are enough leaves.
//!
//! Each leaf has a histogram of gradients per bin; only the smaller child of a split is counted, the
//! larger one is what remains of the parent.

use super::Settings;
use super::bins::{BINS, Binned};
use super::split::{Best, Bounds, Finder, Side, Sums, Test, cover};
use crate::engine::model::{DEPTH_MAX, Direction, Node, Split, Tree};

/// What one tree is grown from.
pub(super) struct Ground<'a> {
    pub(super) settings: &'a Settings,
    pub(super) features: &'a [Binned],
    pub(super) directions: &'a [Option<Direction>],
    /// The features this tree may use.
    pub(super) allowed: &'a [usize],
    /// First and second derivative of the loss, one pair per row of the table.
    pub(super) slopes: &'a [(f64, f64)],
}

/// A grown tree, as it is served and on bins.
pub(super) struct Grown {
    pub(super) tree: Tree,
    tests: Vec<Option<Fork>>,
    /// The rows it was grown from, by the node they ended in.
    seats: Vec<(usize, Vec<u32>)>,
}

/// A split on bins.
#[derive(Clone, Copy)]
struct Fork {
    feature: usize,
    test: Test,
    missing: Side,
    left: u16,
    right: u16,
}

/// Whether any leaf will be split after this.
#[derive(Clone, Copy, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

struct Leaf {
    node: usize,
    depth: usize,
    rows: Vec<u32>,
    sums: Sums,
    bounds: Bounds,
    histogram: Vec<Sums>,
    best: Option<Best>,
}

/// Grows a tree on some rows.
pub(super) fn grow(ground: &Ground<'_>, rows: Vec<u32>) -> Grown {
    let free = Bounds { low: f64::NEG_INFINITY, high: f64::INFINITY };
    let histogram = ground.histogram(&rows);
    let sums = ground.total(&rows);
    let mut root = Leaf { node: 0, depth: 0, rows, sums, bounds: free, histogram, best: None };
    root.best = ground.best(&root);
    let mut grown =
        Grown { tree: Tree { nodes: Box::default() }, tests: vec![None], seats: Vec::new() };
    let mut nodes = vec![ground.end(&root.sums, free)];
    let mut leaves = vec![root];
    while leaves.len() < ground.settings.leaves {
        let gains = leaves.iter().enumerate().filter_map(|(at, leaf)| Some((at, leaf.best?.gain)));
        let most = gains.fold(None, |most: Option<(usize, f64)>, (at, gain)| match most {
            Some((_, before)) if gain <= before => most,
            _ => Some((at, gain)),
        });
        let Some((at, _)) = most else { break };
        let leaf = leaves.swap_remove(at);
        let Some(best) = leaf.best else { break };
        let (parent, count) = (leaf.node, nodes.len());
        let more = if leaves.len() + 2 < ground.settings.leaves { More::Yes } else { More::No };
        let [left, right] = ground.part(leaf, &best, count, more);
        let (Ok(left_place), Ok(right_place)) = (u16::try_from(count), u16::try_from(count + 1))
        else {
            break;
        };
        nodes.push(ground.end(&left.sums, left.bounds));
        nodes.push(ground.end(&right.sums, right.bounds));
        if let (Some(node), Some(test)) = (nodes.get_mut(parent), grown.tests.get_mut(parent)) {
            *node = ground.fork(&best, left_place, right_place, node.cover());
            let Best { feature, test: bins, missing, .. } = best;
            *test =
                Some(Fork { feature, test: bins, missing, left: left_place, right: right_place });
        }
        grown.tests.extend([None, None]);
        leaves.extend([left, right]);
    }
    grown.tree.nodes = nodes.into();
    grown.seats = leaves.into_iter().map(|leaf| (leaf.node, leaf.rows)).collect();
    grown
}

impl Grown {
    /// Adds the tree to the logits of the rows it was grown from: no way has to be found again.
    pub(super) fn add_to(&self, logits: &mut [f64]) {
        for (node, rows) in &self.seats {
            let Some(Node::Leaf { value, .. }) = self.tree.nodes.get(*node) else { continue };
            for row in rows {
                if let Some(logit) = usize::try_from(*row).ok().and_then(|row| logits.get_mut(row))
                {
                    *logit += value;
                }
            }
        }
    }

    /// What the tree adds to the logit of a row of the table.
    pub(super) fn value(&self, features: &[Binned], row: usize) -> f64 {
        let mut at = 0;
        while let Some(Some(fork)) = self.tests.get(at) {
            let bin = features.get(fork.feature).and_then(|binned| binned.bins.get(row));
            let side = fork.test.side(bin.copied().unwrap_or(super::bins::MISSING), fork.missing);
            at = usize::from(if side == Side::Left { fork.left } else { fork.right });
        }
        match self.tree.nodes.get(at) {
            Some(Node::Leaf { value, .. }) => *value,
            Some(Node::Below { .. } | Node::Within { .. }) | None => 0.0,
        }
    }
}

impl Ground<'_> {
    fn total(&self, rows: &[u32]) -> Sums {
        let mut total = Sums::default();
        for row in rows {
            if let Some((gradient, hessian)) = self.slope(*row) {
                total.add(&Sums { gradient, hessian, rows: 1 });
            }
        }
        total
    }

    fn slope(&self, row: u32) -> Option<(f64, f64)> {
        usize::try_from(row).ok().and_then(|row| self.slopes.get(row)).copied()
    }

    /// Sums per bin, for the allowed features one after the other.
    fn histogram(&self, rows: &[u32]) -> Vec<Sums> {
        let mut cells = vec![Sums::default(); BINS * self.allowed.len()];
        // Gathered once, read once per feature.
        let places: Vec<(usize, f64, f64)> = rows
            .iter()
            .filter_map(|row| {
                let (gradient, hessian) = self.slope(*row)?;
                Some((usize::try_from(*row).ok()?, gradient, hessian))
            })
            .collect();
        for (own, feature) in cells.chunks_exact_mut(BINS).zip(self.allowed) {
            let Ok(own) = <&mut [Sums; BINS]>::try_from(own) else { continue };
            let Some(binned) = self.features.get(*feature) else { continue };
            let bins = &*binned.bins;
            for (row, gradient, hessian) in &places {
                if let Some(cell) = bins.get(*row).and_then(|bin| own.get_mut(usize::from(*bin))) {
                    cell.gradient += gradient;
                    cell.hessian += hessian;
                    cell.rows += 1;
                }
            }
        }
        cells
    }

    fn best(&self, leaf: &Leaf) -> Option<Best> {
        if DEPTH_MAX.min(self.settings.depth_max) <= leaf.depth {
            return None;
        }
        let mut best: Option<Best> = None;
        for (cells, feature) in leaf.histogram.chunks_exact(BINS).zip(self.allowed) {
            let Some(binned) = self.features.get(*feature) else { continue };
            let finder = Finder {
                settings: self.settings,
                total: leaf.sums,
                bounds: leaf.bounds,
                feature: *feature,
                binned,
                cells,
                direction: self.directions.get(*feature).copied().flatten(),
            };
            let found = finder.best();
            if found.is_some_and(|found| best.is_none_or(|best| best.gain < found.gain)) {
                best = found;
            }
        }
        best
    }

    /// Parts a leaf in two, which become nodes `place` and the one after it.
    fn part(&self, leaf: Leaf, best: &Best, place: usize, more: More) -> [Leaf; 2] {
        let bins = self.features.get(best.feature).map(|binned| &*binned.bins).unwrap_or_default();
        let goes_left = |row: &u32| {
            let bin = usize::try_from(*row).ok().and_then(|row| bins.get(row)).copied();
            best.test.side(bin.unwrap_or(super::bins::MISSING), best.missing) == Side::Left
        };
        let (lefts, rights): (Vec<u32>, Vec<u32>) =
            leaf.rows.iter().partition(|row| goes_left(row));
        let mut rest = leaf.histogram;
        let small = if lefts.len() <= rights.len() { &lefts } else { &rights };
        // Leaves that are never split need no histogram.
        let counted = if more == More::No { Vec::new() } else { self.histogram(small) };
        for (cell, counted) in rest.iter_mut().zip(&counted) {
            *cell = cell.less(counted);
        }
        let (left_cells, right_cells) =
            if lefts.len() <= rights.len() { (counted, rest) } else { (rest, counted) };
        let (mut low, mut high) = (leaf.bounds, leaf.bounds);
        match self.directions.get(best.feature).copied().flatten() {
            None => {}
            Some(Direction::Rising) => (low.high, high.low) = (best.middle, best.middle),
            Some(Direction::Falling) => (low.low, high.high) = (best.middle, best.middle),
        }
        let depth = leaf.depth + 1;
        let child = |node, rows, sums, bounds, histogram| {
            let mut child = Leaf { node, depth, rows, sums, bounds, histogram, best: None };
            child.best = if more == More::No { None } else { self.best(&child) };
            child
        };
        [
            child(place, lefts, best.left, low, left_cells),
            child(place + 1, rights, best.right, high, right_cells),
        ]
    }

    fn end(&self, sums: &Sums, bounds: Bounds) -> Node {
        let value = self.settings.rate * sums.value(self.settings.l2, bounds);
        Node::Leaf { value, cover: cover(sums) }
    }

    fn fork(&self, best: &Best, left: u16, right: u16, cover: f64) -> Node {
        let missing = if best.missing == Side::Left { left } else { right };
        let feature = u16::try_from(best.feature).unwrap_or(u16::MAX);
        let split = Split { feature, left, right, missing, cover };
        match best.test {
            Test::Within(set) => Node::Within { set, split },
            Test::UpTo(bin) => {
                let edges = self.features.get(best.feature).map(|binned| &*binned.edges);
                let limit = edges.and_then(|edges| edges.get(usize::from(bin)));
                Node::Below { limit: limit.copied().unwrap_or(f64::MAX), split }
            }
        }
    }
}
