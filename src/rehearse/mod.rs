//! Runs the `tests:` blocks of files in virtual time, through the very step that serves customers.
//!
//! Each test has the stage to itself: the other triggers are switched off, nobody is in a holdout
//! unless the test says so, and a score that the test gives is not computed besides.
#![deny(clippy::disallowed_types)]

mod assess;
mod compare;
mod past;
mod play;
mod stage;
mod times;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::civil;

use crate::declare::fault::Extent;
use crate::declare::tests::{Subject, TestCase, TestFile};
use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Reason, Ruling, VerdictKind};
use crate::engine::slot::TriggerSlot;
use crate::engine::time::{Span, Timestamp, Zone};

use play::Played;
use stage::Stage;

/// What became of one test.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file, as given to the loader.
    pub path: Arc<str>,
    /// The trigger or model tested.
    pub subject: Arc<str>,
    /// The test's name.
    pub case: Box<str>,
    /// Where its name stands.
    pub extent: Extent,
    /// Whether it passed.
    pub outcome: Outcome,
}

/// Whether a test passed.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It did.
    Passed,
    /// Something else happened than was expected.
    Failed {
        /// Each line that was not met, and each send that no line names.
        differences: Vec<Difference>,
        /// Everything that happened, in order.
        happened: Vec<Happening>,
    },
    /// What it says cannot be.
    Broken {
        /// Where.
        extent: Extent,
        /// Why not.
        why: String,
    },
}

/// One way in which what happened differs from what was expected.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The line of the test.
    pub extent: Extent,
    /// What it expects.
    pub expected: String,
    /// What there was instead.
    pub found: String,
    /// Where nothing at all was decided for a customer: how they stood then, so that it can be
    /// explained.
    pub stood: Option<Box<Stood>>,
}

/// A customer at an instant of a test.
#[derive(Clone, Debug)]
pub struct Stood {
    /// The trigger that was to act.
    pub trigger: TriggerSlot,
    /// The customer.
    pub state: CustomerState,
    /// When.
    pub at: Timestamp,
}

/// Something that happened in a test.
#[derive(Clone, Debug)]
pub struct Happening {
    /// To whom.
    pub customer: Box<str>,
    /// When.
    pub at: Timestamp,
    /// So long after the start.
    pub after: Span,
    /// The customer's wall clock then.
    pub local: civil::DateTime,
    /// What.
    pub what: What,
    /// The zone of that clock.
    pub zone: Zone,
    /// What the engine ruled, with each rule and what it found.
    pub ruling: Option<Box<Ruling>>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It was sent.
    Sent {
        /// On this channel.
        channel: Arc<str>,
        /// With this offer.
        offer: Option<Box<str>>,
    },
    /// It became a task.
    Tasked {
        /// On this list.
        channel: Arc<str>,
        /// For this person.
        assign_to: Option<Box<str>>,
    },
    /// It waits.
    Postponed {
        /// Why.
        reason: Reason,
        /// Until then.
        until: Timestamp,
        /// The same on the customer's wall clock.
        local: civil::DateTime,
    },
    /// It was held out, suppressed, expired, cancelled, or its fate is unknown.
    NotSent {
        /// Which of them.
        kind: VerdictKind,
        /// Why.
        reason: Reason,
    },
    /// The governor was asked and would allow it.
    Allowed {
        /// The purpose asked for.
        purpose: Box<str>,
    },
    /// Time is up and it still waits.
    StillWaiting {
        /// Why.
        reason: Reason,
    },
}

/// Runs the tests of all files, in their order. The catalog is as before when it is done.
pub fn rehearse(catalog: &mut Catalog, files: &[TestFile]) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut stage = Stage::new(catalog);
    for file in files {
        let mut report = |subject: &Arc<str>, name: &Located, outcome| {
            reports.push(Report {
                path: file.path.clone(),
                subject: subject.clone(),
                case: name.value.clone(),
                extent: name.extent,
                outcome,
            });
        };
        match &file.subject {
            Subject::Trigger { trigger, cases } => {
                for case in cases {
                    report(trigger, &case.name, run(&mut stage, trigger, case));
                }
            }
            Subject::Model { model, cases } => {
                for case in cases {
                    report(model, &case.name, assess::run(&mut stage, model, case));
                }
            }
        }
    }
    reports
}

type Located = crate::declare::fault::Located<Box<str>>;

fn run(stage: &mut Stage<'_>, trigger: &str, case: &TestCase) -> Outcome {
    let outcome = stage.set_for_trigger(trigger, case).and_then(|slot| {
        let played = play::play(stage.catalog(), slot, case)?;
        let outcome = compare::compare(case, &played);
        let Outcome::Failed { mut differences, happened } = outcome else { return Ok(outcome) };
        for difference in &mut differences {
            stand(stage.catalog(), slot, (case, &played), difference)?;
        }
        Ok(Outcome::Failed { differences, happened })
    });
    outcome.unwrap_or_else(Outcome::from)
}

/// Where an outreach was expected and nothing was decided for the customer, keeps how they stood.
fn stand(
    catalog: &Catalog,
    trigger: TriggerSlot,
    (case, played): (&TestCase, &Played),
    difference: &mut Difference,
) -> Result<(), Broken> {
    let line = case.expect.iter().find(|line| line.extent == difference.extent);
    let Some(line) = line else { return Ok(()) };
    let only = case.customers.first().map(|customer| &customer.name);
    let Some(customer) = line.to.as_ref().map(|to| &to.value).or(only) else { return Ok(()) };
    if played.happened.iter().any(|happening| happening.customer == *customer) {
        return Ok(());
    }
    let at = played.times.expected(line.time).1;
    let mut states = play::play_until(catalog, trigger, case, at)?;
    let state = states.remove(customer);
    difference.stood = state.map(|state| Box::new(Stood { trigger, state, at }));
    Ok(())
}

/// Why a test cannot be run.
#[derive(Clone, Debug)]
struct Broken {
    extent: Extent,
    why: String,
}

impl Broken {
    fn new(extent: Extent, why: impl Into<String>) -> Self {
        Self { extent, why: why.into() }
    }
}

impl From<Broken> for Outcome {
    fn from(broken: Broken) -> Self {
        Self::Broken { extent: broken.extent, why: broken.why }
    }
}
