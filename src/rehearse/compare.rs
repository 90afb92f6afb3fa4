//! Compares what happened in a test with what it expects.
//!
//! Sends and tasks must match one to one. Other lines (`not_sent`, `postponed`, `allowed`) must
//! each be found; what happened besides is nobody's business. A test that expects nothing at all
//! also fails when something would have been sent: a ghost of a holdout, or one that still waits.

use super::play::Played;
use super::times::Times;
use super::{Difference, Happening, Outcome, What};
use crate::declare::tests::{
    Expectation, Expected, ExpectedOffer, ExpectedTime, TestCase, TestTime,
};
use crate::engine::decision::{Reason, VerdictKind};
use crate::engine::time::Timestamp;

/// Compares; what differs is listed in the order of the file.
pub(super) fn compare(case: &TestCase, played: &Played) -> Outcome {
    let mut free: Vec<&Happening> = played.happened.iter().collect();
    let mut differences = Vec::new();
    // Lines that name an instant choose first: `within` takes what they leave.
    let (exact, loose): (Vec<_>, Vec<_>) =
        case.expect.iter().partition(|line| matches!(line.time, ExpectedTime::At(_)));
    let mut unmet = Vec::new();
    for line in exact.into_iter().chain(loose) {
        match free.iter().position(|happening| meets(line, happening, &played.times)) {
            Some(index) => drop(free.remove(index)),
            None => unmet.push(line),
        }
    }
    differences.extend(unmet.iter().map(|line| missed(line, case, played, &free)));
    differences.sort_by_key(|difference: &Difference| difference.extent);
    // What stands beside a line that was not met has been told with it.
    free.retain(|happening| !unmet.iter().any(|line| concerns(line, happening, &played.times)));
    let silence = case.expect.is_empty();
    for happening in free {
        let unexpected = match &happening.what {
            What::Sent { .. } | What::Tasked { .. } => true,
            What::StillWaiting { .. } => silence,
            What::NotSent { kind, .. } => silence && *kind == VerdictKind::HoldOut,
            What::Postponed { .. } | What::Allowed { .. } => false,
        };
        if unexpected {
            let expected = if silence { "nothing at all" } else { "nothing else" };
            differences.push(Difference {
                extent: case.expect_extent,
                expected: expected.to_owned(),
                found: describe(happening, case),
                stood: None,
            });
        }
    }
    match differences.is_empty() {
        true => Outcome::Passed,
        false => Outcome::Failed { differences, happened: played.happened.clone() },
    }
}

fn meets(line: &Expectation, happening: &Happening, times: &Times) -> bool {
    concerns(line, happening, times) && matches(&line.what, &happening.what, times)
}

/// Whether something happened to the customer and at the time that a line names.
fn concerns(line: &Expectation, happening: &Happening, times: &Times) -> bool {
    let (from, to) = times.expected(line.time);
    let named = line.to.as_ref().is_none_or(|to| to.value == happening.customer);
    named && from <= happening.at && happening.at <= to
}

fn matches(expected: &Expected, what: &What, times: &Times) -> bool {
    match (expected, what) {
        (Expected::Send { channel, offer }, What::Sent { channel: on, offer: with }) => {
            let offered = match offer {
                None => true,
                Some(ExpectedOffer::Code(code)) => with.as_ref() == Some(code),
                Some(ExpectedOffer::Nothing) => with.is_none(),
            };
            **channel == **on && offered
        }
        (Expected::Task { channel, assign_to }, What::Tasked { channel: on, assign_to: by }) => {
            **channel == **on && (assign_to.is_none() || assign_to == by)
        }
        (Expected::NotSent(expected), What::NotSent { reason, .. }) => expected == reason,
        (
            Expected::Postponed { reason: expected, until: end },
            What::Postponed { reason, until, .. },
        ) => expected == reason && end.is_none_or(|end| times.instant(end) == *until),
        (Expected::Allowed(expected), What::Allowed { purpose }) => expected == purpose,
        _ => false,
    }
}

fn missed(line: &Expectation, case: &TestCase, played: &Played, free: &[&Happening]) -> Difference {
    let whose =
        |happening: &&&Happening| line.to.as_ref().is_none_or(|to| to.value == happening.customer);
    let then: Vec<String> = free
        .iter()
        .filter(|happening| concerns(line, happening, &played.times))
        .map(|happening| describe(happening, case))
        .collect();
    let to = played.times.expected(line.time).1;
    let found = if !then.is_empty() {
        then.join("; ")
    } else if let Some(nearest) = nearest(line, to, free.iter().filter(whose)) {
        format!("nothing then, but {}", describe(nearest, case))
    } else {
        "nothing".to_owned()
    };
    Difference { extent: line.extent, expected: phrase(line, case), found, stood: None }
}

/// The same kind of thing at another time says most about what went wrong.
fn nearest<'h>(
    line: &Expectation,
    at: Timestamp,
    free: impl Iterator<Item = &'h &'h Happening>,
) -> Option<&'h Happening> {
    free.copied().min_by_key(|happening| {
        let alike = matches!(
            (&line.what, &happening.what),
            (Expected::Send { .. }, What::Sent { .. })
                | (Expected::Task { .. }, What::Tasked { .. })
                | (Expected::NotSent(_), What::NotSent { .. })
                | (Expected::Postponed { .. }, What::Postponed { .. })
                | (Expected::Allowed(_), What::Allowed { .. })
        );
        (!alike, (happening.at - at).as_millis().abs())
    })
}

fn phrase(line: &Expectation, case: &TestCase) -> String {
    let what = match &line.what {
        Expected::Send { channel, offer } => match offer {
            None => format!("sent on {channel}"),
            Some(ExpectedOffer::Code(code)) => format!("sent on {channel}, offer {code}"),
            Some(ExpectedOffer::Nothing) => format!("sent on {channel}, no offer"),
        },
        Expected::Task { channel, assign_to: None } => format!("a task in {channel}"),
        Expected::Task { channel, assign_to: Some(person) } => {
            format!("a task in {channel} for {person}")
        }
        Expected::NotSent(reason) => format!("not sent: {}", reason.as_str()),
        Expected::Postponed { reason, until: None } => format!("postponed: {}", reason.as_str()),
        Expected::Postponed { reason, until: Some(until) } => {
            format!("postponed: {} until {}", reason.as_str(), written(*until))
        }
        Expected::Allowed(purpose) => format!("{purpose} allowed"),
    };
    let when = match line.time {
        ExpectedTime::At(time) => format!("at {}", written(time)),
        ExpectedTime::Within(span) => format!("within {span}"),
    };
    match &line.to {
        Some(to) if 1 < case.customers.len() => format!("{} {when}: {what}", to.value),
        _ => format!("{when}: {what}"),
    }
}

fn written(time: TestTime) -> String {
    match time {
        TestTime::After(span) => span.to_string(),
        TestTime::Local(local) => local.strftime("%Y-%m-%d %H:%M").to_string(),
        TestTime::Exact(at) => at.to_string(),
    }
}

/// What happened, with its time, for one line.
fn describe(happening: &Happening, case: &TestCase) -> String {
    let whom =
        if 1 < case.customers.len() { format!("{} ", happening.customer) } else { String::new() };
    format!("{whom}at {}: {}", happening.after, happening.what)
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sent { channel, offer: Some(offer) } => {
                write!(f, "sent on {channel}, offer {offer}")
            }
            Self::Sent { channel, offer: None } => write!(f, "sent on {channel}"),
            Self::Tasked { channel, assign_to: Some(person) } => {
                write!(f, "a task in {channel} for {person}")
            }
            Self::Tasked { channel, assign_to: None } => write!(f, "a task in {channel}"),
            Self::Postponed { reason, local, .. } => {
                let until = local.strftime("%Y-%m-%d %H:%M");
                write!(f, "postponed: {} until {until}", reason.as_str())
            }
            Self::NotSent { kind, reason } => {
                let kind = match kind {
                    // The word of the file for it, whichever of the kinds it is.
                    VerdictKind::Suppress | VerdictKind::HoldOut => "not sent",
                    other => other.as_str(),
                };
                write!(f, "{kind}: {}", Reason::as_str(*reason))
            }
            Self::Allowed { purpose } => write!(f, "{purpose} allowed"),
            Self::StillWaiting { reason } => {
                write!(f, "still waiting at the end: {}", reason.as_str())
            }
        }
    }
}
