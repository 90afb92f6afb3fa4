//! What a number gives to the logit: polynomials between knots, found by one look-up.

use serde::{Deserialize, Serialize};

use super::refused::{Refused, at_most, exactly, finite};
use super::{KNOTS_MAX, SIZE_MAX};

/// The axis on which a curve is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The number as it is.
    Plain,
    /// sign(x) ln(1 + |x|): for counts, amounts and days, whose ratios matter.
    Log,
}

/// The direction in which a feature may move the logit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// More never lowers it.
    Rising,
    /// More never raises it.
    Falling,
}

/// One piece of a curve: `c0 + c1 u + c2 u^2 + c3 u^3` with `u = x - from`, on the curve's scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Where `u` is 0.
    pub from: f64,
    /// `c0`, `c1`, `c2`, `c3`, in logits.
    pub c: [f64; 4],
}

/// The part of the logit that one number gives, minus its average over the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Its axis.
    pub scale: Scale,
    /// Where one piece ends and the next begins, rising, on its scale.
    pub knots: Box<[f64]>,
    /// One more than knots: below the first, between, from the last on. The outer two are straight
    /// or flat, never curved: nothing may run away where nothing was seen.
    pub pieces: Box<[Piece]>,
    /// What a missing number gives.
    pub missing: f64,
    /// The direction declared for it; `check` proves that the curve keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

impl Scale {
    /// The place of a number on the axis.
    pub fn place(self, number: f64) -> f64 {
        match self {
            Self::Plain => number,
            Self::Log => number.abs().ln_1p().copysign(number),
        }
    }
}

impl Piece {
    /// Its value at a place.
    pub fn at(&self, place: f64) -> f64 {
        let [c0, c1, c2, c3] = self.c;
        let u = place - self.from;
        c0 + u * (c1 + u * (c2 + u * c3))
    }

    /// Its slope at a place.
    pub fn slope(&self, place: f64) -> f64 {
        let [_, c1, c2, c3] = self.c;
        let u = place - self.from;
        c1 + u * (2.0 * c2 + u * 3.0 * c3)
    }

    /// The place between its ends where its slope bends back, if there is one.
    fn bend(&self) -> f64 {
        let [_, _, c2, c3] = self.c;
        if c3 == 0.0 { f64::NAN } else { self.from - c2 / (3.0 * c3) }
    }
}

impl Curve {
    /// What a number gives to the logit; not finite = missing.
    pub fn part(&self, number: f64) -> f64 {
        if !number.is_finite() {
            return self.missing;
        }
        let place = self.scale.place(number);
        // Counting has no branch to mispredict: faster than bisection for so few knots.
        let above = self.knots.iter().map(|knot| usize::from(*knot <= place)).sum::<usize>();
        self.pieces.get(above).map_or(self.missing, |piece| piece.at(place))
    }

    /// Whether it can be served.
    ///
    /// # Errors
    /// Says which number, length or order is wrong.
    pub fn check(&self, feature: &str) -> Result<(), Refused> {
        let place = || format!("knots of `{feature}`");
        at_most(self.knots.len(), KNOTS_MAX, place)?;
        exactly(self.pieces.len(), self.knots.len() + 1, || format!("pieces of `{feature}`"))?;
        finite(self.missing, || format!("missing value of `{feature}`"))?;
        for knot in &self.knots {
            finite(*knot, place)?;
        }
        let pairs = self.knots.iter().zip(self.knots.iter().skip(1));
        if !pairs.clone().all(|(left, right)| left < right) {
            return Err(Refused::Unsorted { what: place() });
        }
        for piece in &self.pieces {
            for number in piece.c.iter().chain([&piece.from]) {
                finite(*number, || format!("a coefficient of `{feature}`"))?;
            }
        }
        for piece in self.pieces.first().into_iter().chain(self.pieces.last()) {
            let [_, _, c2, c3] = piece.c;
            if c2 != 0.0 || c3 != 0.0 {
                let what = format!("outer pieces of `{feature}`");
                return Err(Refused::Senseless { what, why: "must be straight" });
            }
        }
        if self.keeps_direction() {
            Ok(())
        } else {
            Err(Refused::Direction { feature: feature.to_owned() })
        }
    }

    /// Whether no piece and no joint goes against the declared direction, up to rounding.
    fn keeps_direction(&self) -> bool {
        let sign = match self.direction {
            None => return true,
            Some(Direction::Rising) => 1.0,
            Some(Direction::Falling) => -1.0,
        };
        let starts = [-SIZE_MAX].into_iter().chain(self.knots.iter().copied());
        let ends = self.knots.iter().copied().chain([SIZE_MAX]);
        let largest = self
            .pieces
            .iter()
            .flat_map(|piece| piece.c)
            .fold(0.0, |most: f64, c| most.max(c.abs()));
        let slack = 1e-9 * (1.0 + largest);
        let slopes = self.pieces.iter().zip(starts.zip(ends)).all(|(piece, (start, end))| {
            let bend = piece.bend();
            let inside = start < bend && bend < end;
            let places = [start, end, if inside { bend } else { start }];
            places.iter().all(|place| -slack <= sign * piece.slope(*place))
        });
        let mut joints = self.knots.iter().zip(self.pieces.iter().zip(self.pieces.iter().skip(1)));
        slopes && joints.all(|(knot, (l, r))| -slack <= sign * (r.at(*knot) - l.at(*knot)))
    }
}
