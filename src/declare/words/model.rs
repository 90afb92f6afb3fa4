//! The words of a model file: scorecards, scores computed elsewhere, classifiers, readers of texts.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::cases::ScoreCase;
use super::text::{Characters, Classes, Columns};
use crate::declare::fault::Located;
use crate::declare::node::{Node, NodeKind};
use crate::declare::read::{Entries, Faults, Need, OneOrMany, Read, Sound, choice, record};
use crate::declare::scalar::{Line, Name, Whole, Words};
use crate::engine::time::Span;

record! {
    /// A model: something that gives each customer a score, or tells what texts mean.
    Model {
        /// Its name. Conditions use it as `score.<name>`; the one called `health` as
        /// `health.score`, `health.band`, `health.trend_7d` and `health.trend_28d` too. One that
        /// reads texts gives events `event.<name>` and `event.<name>.<class>`.
        model: Need<Name>,
        /// `scorecard` (weights that people agree on), `pushed` (computed elsewhere, arriving as
        /// `Score Updated` events with `model` and `score`), `classifier` (learned) or `text`
        /// (learned from labelled texts; tells what texts of events mean).
        r#type: Need<Located<TypeWord>>,
        /// What it says, in a sentence.
        about: Need<Words>,
        /// Who answers for it.
        owner: Option<Words>,
        /// What is scored: `customer` or `account`. Default `customer`.
        of: Option<OfWord>,
        /// How often it is computed anew although nothing happened.
        every: Option<Located<Span>>,
        /// Which end is bad: `low` for health, `high` for a risk.
        risk: Option<RiskWord>,
        /// How many days of the score are kept, at least: the value at the end of each day. 28
        /// days, or what conditions ask about, if it does not say; at most 365.
        history: Option<Located<Span>>,
        /// Ranges of the score by their lower edge: `{healthy: 70, watch: 45, at_risk: 0}`.
        bands: Option<Entries<Located<f64>>>,
        /// What a scorecard measures.
        measures: Option<Entries<MeasureWords>>,
        /// What a classifier predicts, and for whom.
        label: Option<Label>,
        /// What a classifier looks at, up to the moment of scoring.
        features: Option<Entries<Feature>>,
        /// Where the texts of a `text` model lie: properties by event, several are read one after
        /// the other: `{Ticket Created: [subject, body]}`.
        reads: Option<Entries<OneOrMany<Words>>>,
        /// What a text may be: `[content, upset]`; or with what labelled rows say for it:
        /// `{content: [1, good], upset: 0}`.
        classes: Option<Classes>,
        /// How likely a class must be for `event.<name>` to name it. Default 0.5.
        sure: Option<Located<f64>>,
        /// Which texts are read, and how much of them.
        characters: Option<Characters>,
        /// How a model learns.
        learn: Option<Learn>,
        /// What is shown with a score.
        explain: Option<Explain>,
        /// What raises an alarm.
        watch: Option<Watch>,
        /// Its own tests, run by `heedful test`. Scorecards only.
        tests: Option<Vec<ScoreCase>>,
    }

    /// One measure of a scorecard: becomes 0 to 100 by its scale, then counts by its weight.
    MeasureWords {
        /// How much it counts against the others.
        weight: Need<Located<f64>>,
        /// What is measured: an expression that gives a number.
        value: Need<Line>,
        /// Points by value, straight lines between: `{0: 0, 3: 40, 8: 100}`.
        scale: Need<Entries<Located<f64>>>,
        /// When there is no value: `skip` (the others fill its place), `bad` (0), `neutral` (50),
        /// or so many points. Default `skip`.
        missing: Option<Located<MissingWords>>,
    }

    /// What a classifier predicts: `event` or `without`.
    Label {
        /// For whom: a condition.
        population: Option<Line>,
        /// The event whose coming is predicted: `Subscription Cancelled`.
        event: Option<Words>,
        /// The event whose failing to come is predicted: `Order Completed`.
        without: Option<Words>,
        /// Which of these events count: a condition about the event.
        r#where: Option<Line>,
        /// How far ahead.
        within: Need<Located<Span>>,
        /// Too new to judge before this.
        ignore_first: Option<Located<Span>>,
    }

    /// A feature with words of its own.
    FeatureWords {
        /// The expression.
        value: Need<Line>,
        /// What stands for a value that is missing: `flag` (a weight of its own), `mean`, or a
        /// number. Default `flag`.
        missing: Option<MissingFeatureWords>,
        /// `category` for a text with few values.
        r#as: Option<AsWord>,
        /// Which way the prediction may move when it rises: `rising` or `falling`.
        monotone: Option<MonotoneWord>,
    }

    /// How a classifier or a model of texts learns.
    Learn {
        /// The method: `logistic` (default), or `trees` for strong interactions.
        with: Option<LearnWord>,
        /// One row per customer and `weekly` (default), `daily` or `monthly`.
        snapshots: Option<SnapshotWord>,
        /// How it is validated: by time.
        validate: Option<Validate>,
        /// How it is calibrated. Default: by a line through the logits.
        calibrate: Option<CalibrateWord>,
        /// The columns of the labelled rows of a `text` model.
        columns: Option<Columns>,
        /// Below this quality it may not speak.
        refuse_below: Option<RefuseBelow>,
        /// The scorecard that speaks while the model may not.
        until_then: Option<Words>,
    }

    /// How a classifier is validated.
    Validate {
        /// How much of the newest time judges. Default `56d`.
        last: Option<Located<Span>>,
        /// The gap before it, which stops leakage; never less than `within` of the label.
        gap: Option<Located<Span>>,
    }

    /// The least quality of a model.
    RefuseBelow {
        /// Part of the texts whose class is found, from 0 to 1. Models of texts only.
        accuracy: Option<f64>,
        /// Area under the ROC curve, from 0.5 to 1. Classifiers only.
        auc: Option<f64>,
        /// Number of customers of the rarer case, or of different texts of the rarest class. Default 50.
        labels: Option<Whole>,
        /// Largest calibration error, up to 1.
        calibration_error_at_most: Option<f64>,
    }

    /// What is shown with a score.
    Explain {
        /// How many reasons; of a text, how many of its pieces. Default 5.
        reasons: Option<Whole>,
    }

    /// What raises an alarm.
    Watch {
        /// Features that drift.
        drift: Option<Drift>,
        /// How often it should be learned anew: `daily`, `weekly` or `monthly`. When what it knows
        /// is older, there is a warning, and a `Model Due` that a trigger can make a task of.
        retrain: Option<SnapshotWord>,
        /// What becomes of a challenger that is clearly better on what came since: `by_hand`
        /// (default: it waits for `heedful train --promote`) or `when_better` (on one machine it
        /// takes over).
        promote: Option<PromoteWord>,
        /// Traits that may never become features.
        never_use: Option<OneOrMany<Words>>,
    }

    /// When features drift.
    Drift {
        /// Largest population stability index of a feature.
        feature_psi: Option<f64>,
    }
}

choice! {
    /// Where the score comes from.
    TypeWord {
        /// Weights.
        Scorecard = "scorecard",
        /// Elsewhere.
        Pushed = "pushed",
        /// Learned.
        Classifier = "classifier",
        /// Learned from labelled texts.
        Text = "text",
    }

    /// What is scored.
    OfWord {
        /// Each customer.
        Customer = "customer",
        /// Each account.
        Account = "account",
    }

    /// Which end is bad.
    RiskWord {
        /// Low.
        Low = "low",
        /// High.
        High = "high",
    }

    /// The method.
    LearnWord {
        /// Logistic regression.
        Logistic = "logistic",
        /// Boosted trees.
        Trees = "trees" | "gradient_boosting",
    }

    /// What the values of a feature are.
    AsWord {
        /// Numbers.
        Number = "number",
        /// Few texts.
        Category = "category",
    }

    /// Which way a prediction may move.
    MonotoneWord {
        /// Never down.
        Rising = "rising",
        /// Never up.
        Falling = "falling",
    }

    /// How often.
    SnapshotWord {
        /// Each day.
        Daily = "daily",
        /// Each week.
        Weekly = "weekly",
        /// Each month.
        Monthly = "monthly",
    }

    /// Who puts a better challenger in force.
    PromoteWord {
        /// A person.
        ByHand = "by_hand",
        /// The service.
        WhenBetter = "when_better",
    }

    /// How it is calibrated.
    CalibrateWord {
        /// By a rising table, where there are 5,000 rows for it; else by a line.
        Isotonic = "isotonic",
        /// By a sigmoid.
        Platt = "platt",
        /// Not at all.
        Uncalibrated = "none",
    }
}

/// What happens when a measure has no value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MissingWords {
    /// `skip`
    Skip,
    /// `bad`
    Bad,
    /// `neutral`
    Neutral,
    /// Points.
    Points(f64),
}

impl Read for MissingWords {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        match node.to_value() {
            Some(crate::engine::value::Value::Num(points)) if (0.0..=100.0).contains(&points) => {
                return Some(Self::Points(points));
            }
            Some(crate::engine::value::Value::Str(text)) => match &*text {
                "skip" => return Some(Self::Skip),
                "bad" => return Some(Self::Bad),
                "neutral" => return Some(Self::Neutral),
                _ => {}
            },
            _ => {}
        }
        faults.error(
            "E006",
            node.extent,
            format!("{} does not say what to do without a value", node.describe()),
            "one of `skip`, `bad`, `neutral`, or points from 0 to 100".to_owned(),
        );
        None
    }
}

impl JsonSchema for MissingWords {
    fn schema_name() -> Cow<'static, str> {
        "Missing".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "string", "enum": ["skip", "bad", "neutral"]},
            {"type": "number", "minimum": 0, "maximum": 100}
        ]})
    }
}

/// What stands for a value of a feature that is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum MissingFeatureWords {
    /// `flag`
    Flag,
    /// `mean`
    Mean,
    /// A number.
    Value(f64),
}

impl Read for MissingFeatureWords {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        match node.to_value() {
            Some(crate::engine::value::Value::Num(value)) if value.is_finite() => {
                return Some(Self::Value(value));
            }
            Some(crate::engine::value::Value::Str(text)) => match &*text {
                "flag" => return Some(Self::Flag),
                "mean" => return Some(Self::Mean),
                _ => {}
            },
            _ => {}
        }
        faults.error(
            "E006",
            node.extent,
            format!("{} does not say what stands for a missing value", node.describe()),
            "one of `flag`, `mean`, or a number".to_owned(),
        );
        None
    }
}

impl JsonSchema for MissingFeatureWords {
    fn schema_name() -> Cow<'static, str> {
        "MissingFeature".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "string", "enum": ["flag", "mean"]},
            {"type": "number"}
        ]})
    }
}

/// A feature: an expression, or one with words of its own.
#[derive(Clone, Debug)]
pub(crate) struct Feature(pub(crate) FeatureWords);

impl Read for Feature {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        if matches!(node.kind, NodeKind::Map(_)) {
            return FeatureWords::read(node, faults).map(Self);
        }
        let value = Line::read(node, faults)?;
        let extent = node.extent;
        Some(Self(FeatureWords {
            value: Need(Some(value)),
            missing: None,
            r#as: None,
            monotone: None,
            extent,
            sound: Sound::Whole,
        }))
    }
}

impl JsonSchema for Feature {
    fn schema_name() -> Cow<'static, str> {
        "Feature".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let plain = generator.subschema_for::<Line>();
        let words = generator.subschema_for::<FeatureWords>();
        json_schema!({"anyOf": [plain, words]})
    }
}
