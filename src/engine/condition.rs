//! Conditions after loading: typed trees over slots, no names left to look up, no loops.

use super::health::Over;
use super::slot::{PropertySlot, ScoreSlot, SeriesSlot, TraitSlot};
use super::time::Span;
use super::value::Value;

/// A condition as written, and its compiled form.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What is evaluated.
    pub expr: Expr,
    /// The text in the file, for `explain`.
    pub text: Box<str>,
    /// Where it stands.
    pub place: Place,
}

/// A place in a file that people wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Path as given to the loader.
    pub file: std::sync::Arc<str>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl std::fmt::Display for Place {
    /// `file:line:column`, as editors and terminals make it a link.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// An expression. Evaluation is three-valued: what depends on a missing value is missing, `&&` and
/// `||` absorb it where the other side decides, and a condition that ends up missing does not hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Value),
    /// `event.<path>`.
    Property(PropertySlot),
    /// `customer.id`.
    CustomerId,
    /// `customer.<name>.<path>`.
    Trait {
        /// The top-level name.
        slot: TraitSlot,
        /// Members below it.
        path: Box<[Box<str>]>,
    },
    /// A property or trait standing where a truth value is wanted: missing counts as `false`,
    /// so that `!customer.open_ticket` holds for someone who never had a ticket.
    Flag(Box<Self>),
    /// `score.<model>`, `health.score`.
    Score(ScoreSlot),
    /// `score.<model>_was`: the value before the latest change.
    ScoreWas(ScoreSlot),
    /// `health.band`.
    Band(ScoreSlot),
    /// `health.trend_7d`, `health.trend_28d`: now minus then.
    Trend {
        /// Which score.
        score: ScoreSlot,
        /// How many days back, from 1 on.
        days: u16,
    },
    /// `min(score.churn, "7d")` and its kin: of the value now and at the end of each of the days
    /// before; missing when it was not known all that time.
    ScoreOver {
        /// Which score.
        score: ScoreSlot,
        /// How many days back, from 1 on.
        days: u16,
        /// What of them.
        over: Over,
    },
    /// `session.<field>`.
    Session(SessionField),
    /// A number computed from a history series.
    History(History),
    /// `last("Event", "property")`.
    Last(SeriesSlot),
    /// `days_until(x)` and its kin: whole and part units from now until a date or time value.
    Until {
        /// The date or time.
        of: Box<Self>,
        /// The unit.
        unit: Span,
    },
    /// `days_since(x)` of a date or time value.
    SinceValue {
        /// The date or time.
        of: Box<Self>,
        /// The unit.
        unit: Span,
    },
    /// `has(x)`: whether a value is known.
    Has(Box<Self>),
    /// `!x`.
    Not(Box<Self>),
    /// `a && b && ...`, flattened.
    All(Box<[Self]>),
    /// `a || b || ...`, flattened.
    Any(Box<[Self]>),
    /// `a == b`, `a < b`, ...
    Compare {
        /// Which comparison.
        op: Comparison,
        /// Left side.
        left: Box<Self>,
        /// Right side.
        right: Box<Self>,
    },
    /// `x in list`.
    In {
        /// What is looked for.
        needle: Box<Self>,
        /// The list.
        haystack: Box<Self>,
    },
    /// `a + b`, ...; numbers only.
    Arithmetic {
        /// Which operation.
        op: Arithmetic,
        /// Left side.
        left: Box<Self>,
        /// Right side.
        right: Box<Self>,
    },
    /// `-x`.
    Negate(Box<Self>),
    /// `c ? a : b`.
    If {
        /// What decides.
        condition: Box<Self>,
        /// When it holds.
        then: Box<Self>,
        /// When it does not.
        otherwise: Box<Self>,
    },
    /// `x.startsWith("a")`, ...
    Text {
        /// Which test.
        op: TextTest,
        /// The text looked at.
        of: Box<Self>,
        /// The text looked for.
        with: Box<Self>,
    },
    /// `lower(x)`.
    Lower(Box<Self>),
    /// `size(x)` of a text (characters), list or object.
    Size(Box<Self>),
    /// `floor(x)`: the whole number below.
    Floor(Box<Self>),
}

/// A number computed from one series of a customer's history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum History {
    /// `count("E", "24h")`: occurrences in `(now - window, now]`.
    Count(SeriesSlot, Span),
    /// `sum("E", "p", "28d")`.
    Sum(SeriesSlot, Span),
    /// `avg("E", "p", "28d")`; missing when there is none.
    Average(SeriesSlot, Span),
    /// `min("E", "p", "28d")`.
    Min(SeriesSlot, Span),
    /// `max("E", "p", "28d")`.
    Max(SeriesSlot, Span),
    /// `distinct("E", "p", "28d")`.
    Distinct(SeriesSlot, Span),
    /// `change("E", "14d")`: (last window - window before) / window before; with nothing in the
    /// window before: missing when the last is empty too, else 1.
    Change(SeriesSlot, Span),
    /// `days_since("E")` and its kin, in units; missing when it never happened.
    Since(SeriesSlot, Span),
    /// A number of the whole history.
    Ever(SeriesSlot, Ever),
}

/// A number of the whole history of an event. Gaps are in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ever {
    /// `count("E", "ever")`.
    Count,
    /// `sum("E", "p", "ever")`.
    Sum,
    /// `avg("E", "p", "ever")`; missing when there is none.
    Average,
    /// `min("E", "p", "ever")`.
    Min,
    /// `max("E", "p", "ever")`.
    Max,
    /// `days_since_first("E")`; missing when it never happened.
    SinceFirst,
    /// `calendar_days_since("E")`: dates from the last time until now, in the customer's zone.
    CalendarSince,
    /// `calendar_days_since_first("E")`.
    CalendarSinceFirst,
    /// `active_days("E")`: on how many days (in UTC) it happened.
    ActiveDays,
    /// `gap_mean("E")`: the mean time from one to the next; missing before the second.
    GapMean,
    /// `gap_sd("E")`: standard deviation of a sample of gaps; missing before the third.
    GapDeviation,
    /// `gap_max("E")`: the longest; missing before the second.
    GapMax,
}

impl Ever {
    /// The function that is written for it.
    pub const fn function(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Average => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::SinceFirst => "days_since_first",
            Self::CalendarSince => "calendar_days_since",
            Self::CalendarSinceFirst => "calendar_days_since_first",
            Self::ActiveDays => "active_days",
            Self::GapMean => "gap_mean",
            Self::GapDeviation => "gap_sd",
            Self::GapMax => "gap_max",
        }
    }

    /// Whether it is one that a window may be given for instead of `"ever"`.
    pub const fn has_window(self) -> bool {
        matches!(self, Self::Count | Self::Sum | Self::Average | Self::Min | Self::Max)
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The comparison with its sides exchanged.
    pub const fn mirrored(self) -> Self {
        match self {
            Self::Equal => Self::Equal,
            Self::NotEqual => Self::NotEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
        }
    }
}

/// An operation on two numbers. Division by zero is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `%`
    Remainder,
}

/// A test of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// `startsWith`
    StartsWith,
    /// `endsWith`
    EndsWith,
    /// `contains`
    Contains,
}

/// What is known of the running (or just ended) session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionField {
    /// Events in it.
    Events,
    /// Minutes from its first to its last event.
    Minutes,
}
