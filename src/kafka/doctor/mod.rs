//! Looks at everything that Heedful needs of Kafka, and says what is wrong and what mends it.
//!
//! Each check is one line. What cannot be asked is a line too: a check that was left out silently
//! would look like one that passed.

mod lag;
mod layout;
mod sample;

use serde::Serialize;

use super::admin::Admin;
use super::reading::Reader;
use super::settings::Settings;
use super::topics::Names;
use super::transaction::Transactions;
use super::{Error, topics};
use crate::engine::time::Timestamp;

pub use lag::{Backlog, Lag};
pub use sample::{Refusals, Sample};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// It is as it must be.
    Good,
    /// It works, and may not for long, or not as well as it could.
    Warning,
    /// It does not work.
    Fault,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What: `brokers`, `topic heedful.events`, `group`, ...
    pub what: String,
    /// How it ended.
    pub grade: Grade,
    /// What was found.
    pub found: String,
    /// What to do about it; empty when there is nothing to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mend: String,
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of looking.
    pub checks: Vec<Check>,
    /// How far the group is behind, by partition.
    pub lag: Vec<Lag>,
    /// What the newest messages of the events topic are like.
    pub sample: Option<Sample>,
}

impl Check {
    fn good(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(Grade::Good, what, found, "")
    }

    fn warning(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(Grade::Warning, what, found, mend)
    }

    fn fault(what: impl Into<String>, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::new(Grade::Fault, what, found, mend)
    }

    fn new(
        grade: Grade,
        what: impl Into<String>,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), grade, found: found.into(), mend: mend.into() }
    }
}

impl Report {
    /// The worst of its grades.
    pub fn grade(&self) -> Grade {
        self.checks.iter().map(|check| check.grade).max().unwrap_or(Grade::Good)
    }

    /// Checks of a grade.
    pub fn count(&self, grade: Grade) -> usize {
        self.checks.iter().filter(|check| check.grade == grade).count()
    }

    fn add(&mut self, check: Check) {
        self.checks.push(check);
    }
}

/// Looks at everything. `sample` is how many of the newest messages are looked at.
///
/// # Errors
/// When a property is wrong: what the brokers refuse is part of the report.
pub async fn examine(settings: &Settings, now: Timestamp, sample: usize) -> Result<Report, Error> {
    let names = Names::new(settings.config());
    let admin = Admin::new(settings)?;
    let mut report = Report::default();
    let layout = match admin.layout(&names.all()) {
        Ok(layout) => layout,
        Err(error) => {
            report.add(Check::fault("brokers", bare(&error), layout::REACH));
            return Ok(report);
        }
    };
    layout::brokers(&layout, settings.config(), &mut report);
    let described = admin.describe(layout.topics.keys().map(String::as_str)).await;
    let found = layout::topics(&layout, described, &names, settings, &mut report);
    report.add(transactions(settings));
    let Some(events) = found.get(&names.events).filter(|events| events.partitions != 0) else {
        return Ok(report);
    };
    let reader = Reader::new(settings)?;
    let behind = lag::examine(&reader, settings, &names.events, events.partitions, now);
    let kept = events.settings.get("retention.ms").and_then(|text| text.parse().ok());
    lag::judge(behind, settings, kept, &mut report);
    let seen = sample::examine(&reader, &names.events, events.partitions, (now, sample));
    sample::judge(seen, &names.events, events, &mut report);
    Ok(report)
}

/// Whether this node may write in transactions. It takes up a name of its own and writes nothing, so
/// that no node at work is disturbed.
fn transactions(settings: &Settings) -> Check {
    let mut config = settings.config().clone();
    config.node = Some(format!("{}-doctor", config.node.as_deref().unwrap_or("node")));
    let probe = Settings::new(&config, "doctor");
    match Transactions::begin_with(&probe) {
        Ok(_) => Check::good("transactions", "the brokers take them"),
        Err(error) => Check::fault(
            "transactions",
            bare(&error),
            format!(
                "allow Write and Describe on transactional ids that begin with `{}-`, and \
                 IdempotentWrite on the cluster",
                config.group
            ),
        ),
    }
}

/// An error without the word before it that every error of ours has.
fn bare(error: &Error) -> String {
    let text = error.to_string();
    text.strip_prefix("kafka: ").unwrap_or(&text).to_owned()
}

/// Steps that mend topics, as the command that does them.
const INIT: &str = "heedful kafka init --apply";

fn step_line(step: &topics::Step) -> String {
    match step {
        topics::Step::Create(_) => "it does not exist".to_owned(),
        topics::Step::Alter { changes, .. } => {
            let tell = |(name, now, value): &(&str, Option<String>, String)| {
                let now = now.as_deref().unwrap_or("unset");
                format!("{name} is {now} and must be {value}")
            };
            changes.iter().map(tell).collect::<Vec<_>>().join(", ")
        }
        topics::Step::Partitions { found, wanted, .. } => {
            format!("it has {found} partitions and must have {wanted}, as many as the events")
        }
    }
}
