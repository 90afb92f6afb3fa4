//! Exact reasons for trees: path-dependent `TreeSHAP`.
//!
//! Lundberg, Erion, Lee, "Consistent individualized feature attribution for tree ensembles"
//! (2018), algorithm 2: Shapley values of the game in which the worth of a set of features is the
//! tree's value when the others are averaged out by the training weights of its branches. Per tree
//! it takes O(leaves * depth^2).

use super::DEPTH_MAX;
use super::forest::{Forest, Node, Tree};

/// Room for the paths of one walk; made once, used for every row.
#[derive(Clone, Debug)]
pub struct ShapScratch {
    path: Box<[Element]>,
}

/// One feature on the way from the root: how much of the weight goes on when it is unknown
/// (`zero`) and when it is known (`one`), and the share of permutations so far.
#[derive(Clone, Copy, Debug, Default)]
struct Element {
    feature: Option<u16>,
    zero: f64,
    one: f64,
    share: f64,
}

impl Default for ShapScratch {
    fn default() -> Self {
        // Each of the at most DEPTH_MAX + 1 nodes on a way copies the path of its parent and adds
        // one element: 1 + 2 + ... + (DEPTH_MAX + 2).
        let room = (DEPTH_MAX + 2) * (DEPTH_MAX + 3) / 2;
        Self { path: vec![Element::default(); room].into() }
    }
}

impl Forest {
    /// The logit of a row and the part of each feature in it, written to `parts` (one per feature):
    /// `base()` plus all parts is the logit up to rounding. Does not allocate.
    pub fn reasons(&self, row: &[f64], parts: &mut [f64], scratch: &mut ShapScratch) -> f64 {
        parts.fill(0.0);
        let mut sum = self.base;
        for tree in &self.trees {
            sum += tree.value(row);
            let mut walk = Walk { tree, row, parts: &mut *parts };
            walk.visit(
                0,
                &mut scratch.path,
                0,
                Element { feature: None, zero: 1.0, one: 1.0, share: 0.0 },
            );
        }
        for part in parts {
            *part *= self.calibration.slope;
        }
        self.calibration.slope * sum + self.calibration.intercept
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    row: &'a [f64],
    parts: &'a mut [f64],
}

impl Walk<'_> {
    /// Visits a node. `room` begins with the parent's path of `length` elements.
    fn visit(&mut self, at: u16, room: &mut [Element], length: usize, new: Element) {
        let Some(node) = self.tree.nodes.get(usize::from(at)) else { return };
        let Some((above, room)) = room.split_at_mut_checked(length) else { return };
        let Some(path) = room.get_mut(..=length) else { return };
        for (to, from) in path.iter_mut().zip(above.iter()) {
            *to = *from;
        }
        extend(path, new);
        let split = match node {
            Node::Leaf { value, .. } => return self.leaf(path, *value),
            Node::Below { split, .. } | Node::Within { split, .. } => split,
        };
        let Ok(hot) = node.next(self.row) else { return };
        let cold = if hot == split.left { split.right } else { split.left };
        let mut length = length + 1;
        let (mut zero, mut one) = (1.0, 1.0);
        let met = path.iter().position(|element| element.feature == Some(split.feature));
        if let Some(earlier) = met.and_then(|met| unwind(path, met)) {
            (zero, one) = (earlier.zero, earlier.one);
            length -= 1;
        }
        let share = |child: u16| {
            self.tree.nodes.get(usize::from(child)).map_or(0.0, Node::cover) / split.cover
        };
        let known =
            Element { feature: Some(split.feature), zero: share(hot) * zero, one, share: 0.0 };
        let unknown = Element { zero: share(cold) * zero, one: 0.0, ..known };
        self.visit(hot, room, length, known);
        self.visit(cold, room, length, unknown);
    }

    fn leaf(&mut self, path: &[Element], value: f64) {
        for element in path.iter().skip(1) {
            let Some(feature) = element.feature else { continue };
            let weight = unwound(path, element);
            if let Some(part) = self.parts.get_mut(usize::from(feature)) {
                *part += weight * (element.one - element.zero) * value;
            }
        }
    }
}

/// A place in a path as a number: paths have at most `DEPTH_MAX` + 2 elements.
fn number(place: usize) -> f64 {
    u32::try_from(place).map_or(0.0, f64::from)
}

/// Puts an element on the last place of a path and spreads the shares of permutations.
fn extend(path: &mut [Element], new: Element) {
    let depth = path.len().saturating_sub(1);
    let first = if depth == 0 { 1.0 } else { 0.0 };
    if let Some(last) = path.last_mut() {
        *last = Element { share: first, ..new };
    }
    let whole = number(depth) + 1.0;
    let mut carried = 0.0;
    // What SHAP's recursion does from the back, done from the front: each share keeps its part and
    // hands the rest to the next.
    for (place, element) in path.iter_mut().enumerate() {
        let own = element.share;
        let kept =
            if place == depth { own } else { new.zero * own * (number(depth - place) / whole) };
        element.share = kept + carried;
        carried = new.one * own * ((number(place) + 1.0) / whole);
    }
}

/// Takes an element out of a path again and says what it was.
fn unwind(path: &mut [Element], at: usize) -> Option<Element> {
    let gone = *path.get(at)?;
    let depth = path.len().checked_sub(1)?;
    let whole = number(depth) + 1.0;
    let mut next = path.last()?.share;
    for (place, element) in path.iter_mut().enumerate().rev().skip(1) {
        let behind = number(depth - place);
        if gone.one == 0.0 {
            element.share *= whole / (gone.zero * behind);
        } else {
            let own = element.share;
            element.share = next * whole / ((number(place) + 1.0) * gone.one);
            next = own - element.share * gone.zero * behind / whole;
        }
    }
    for place in at..depth {
        let follower = *path.get(place + 1)?;
        let element = path.get_mut(place)?;
        *element = Element { share: element.share, ..follower };
    }
    Some(gone)
}

/// The sum of the shares that a path would have without one of its elements.
fn unwound(path: &[Element], gone: &Element) -> f64 {
    let depth = path.len().saturating_sub(1);
    let whole = number(depth) + 1.0;
    let mut next = path.last().map_or(0.0, |last| last.share);
    let mut total = 0.0;
    for (place, element) in path.iter().enumerate().rev().skip(1) {
        let behind = number(depth - place);
        if gone.one == 0.0 {
            total += element.share * whole / (gone.zero * behind);
        } else {
            let share = next * whole / ((number(place) + 1.0) * gone.one);
            total += share;
            next = element.share - share * gone.zero * behind / whole;
        }
    }
    total
}
