//! Query strings of the lists: read, bounded, refused with the offending word.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::engine::decision::{Reason, VerdictKind};
use crate::engine::task::Stage;
use crate::store::view::{CustomerFilter, CustomerSort};

use super::source::{DecisionFilter, Failure, PAGE_DEFAULT, PAGE_MAX, TaskFilter, TaskOnly};

/// Query of the customer list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Customers {
    /// Only this band of the health score.
    band: Option<String>,
    /// Only this owner.
    owner: Option<String>,
    /// Only customers this trigger wrote to, waits for or has a timer for.
    trigger: Option<String>,
    /// Only ids and names that contain this text.
    search: Option<String>,
    /// `risk` (default: most at risk first), `id` or `last_seen`.
    sort: Option<String>,
    /// The cursor that the page before gave as `next`.
    after: Option<String>,
    /// Lines per page, 1 to 500; 50 when absent.
    limit: Option<usize>,
}

/// Query of the decision list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Decisions {
    /// Of this customer.
    customer: Option<String>,
    /// Of this trigger.
    trigger: Option<String>,
    /// With this verdict: `sent`, `task`, `held_out`, `suppressed`, `deferred`, `expired`,
    /// `cancelled` or `unknown`.
    verdict: Option<String>,
    /// With this reason.
    reason: Option<String>,
    /// The cursor that the page before gave as `next`.
    after: Option<String>,
    /// Lines per page, 1 to 500; 50 when absent.
    limit: Option<usize>,
}

/// Query of the task list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Tasks {
    /// `open`, `acked`, `done` or `expired`.
    state: Option<String>,
    /// `overdue` (not done although they should be) or `unassigned` (nobody has them).
    only: Option<String>,
    /// Assigned to this person.
    assigned_to: Option<String>,
    /// About this customer.
    customer: Option<String>,
    /// Of this team.
    team: Option<String>,
    /// The cursor that the page before gave as `next`.
    after: Option<String>,
    /// Lines per page, 1 to 500; 50 when absent.
    limit: Option<usize>,
}

/// Query of an inbox.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Inbox {
    /// The cursor that the page before gave as `next`.
    after: Option<String>,
    /// Lines per page, 1 to 500; 50 when absent.
    limit: Option<usize>,
}

/// Query of the dead letters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadLetters {
    /// How many, 1 to 500; 50 when absent.
    limit: Option<usize>,
}

/// Query of an explanation.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Explain {
    /// Only this trigger; all when absent.
    pub(super) trigger: Option<String>,
}

/// What a list is asked for: filter, cursor, size.
pub(super) type Asked<F> = (F, Option<String>, usize);

impl Customers {
    pub(super) fn read(self) -> Result<(CustomerSort, Asked<CustomerFilter>), Failure> {
        let sort = match self.sort.as_deref() {
            None | Some("risk") => CustomerSort::Risk,
            Some("id") => CustomerSort::Id,
            Some("last_seen") => CustomerSort::LastSeen,
            Some(other) => {
                return Err(unknown("sort", other, "risk, id, last_seen"));
            }
        };
        let filter = CustomerFilter {
            band: self.band,
            owner: self.owner,
            trigger: self.trigger,
            search: self.search,
        };
        Ok((sort, (filter, self.after, size(self.limit)?)))
    }
}

impl Decisions {
    pub(super) fn read(self) -> Result<Asked<DecisionFilter>, Failure> {
        if let Some(word) =
            self.verdict.as_deref().filter(|word| VerdictKind::parse(word).is_none())
        {
            let known: Vec<_> = VerdictKind::ALL.iter().map(|kind| kind.as_str()).collect();
            return Err(unknown("verdict", word, &known.join(", ")));
        }
        if let Some(word) = self.reason.as_deref().filter(|word| Reason::parse(word).is_none()) {
            let known: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
            return Err(unknown("reason", word, &known.join(", ")));
        }
        let filter = DecisionFilter {
            customer: self.customer,
            trigger: self.trigger,
            verdict: self.verdict,
            reason: self.reason,
        };
        Ok((filter, self.after, size(self.limit)?))
    }
}

impl Tasks {
    pub(super) fn read(self) -> Result<Asked<TaskFilter>, Failure> {
        let states: Vec<_> = Stage::ALL.iter().map(|stage| stage.as_str()).collect();
        if let Some(word) = self.state.as_deref().filter(|word| !states.contains(word)) {
            return Err(unknown("state", word, &states.join(", ")));
        }
        let only = match self.only.as_deref() {
            None => None,
            Some("overdue") => Some(TaskOnly::Overdue),
            Some("unassigned") => Some(TaskOnly::Unassigned),
            Some(other) => return Err(unknown("only", other, "overdue, unassigned")),
        };
        let filter = TaskFilter {
            state: self.state,
            assigned_to: self.assigned_to,
            customer: self.customer,
            team: self.team,
            only,
        };
        Ok((filter, self.after, size(self.limit)?))
    }
}

impl Inbox {
    pub(super) fn read(self) -> Result<(Option<String>, usize), Failure> {
        Ok((self.after, size(self.limit)?))
    }
}

impl DeadLetters {
    pub(super) fn read(&self) -> Result<usize, Failure> {
        size(self.limit)
    }
}

fn size(limit: Option<usize>) -> Result<usize, Failure> {
    match limit {
        None => Ok(PAGE_DEFAULT),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(limit) => {
            Err(Failure::Invalid(format!("`limit` is {limit}: give a number from 1 to {PAGE_MAX}")))
        }
    }
}

fn unknown(name: &str, word: &str, known: &str) -> Failure {
    Failure::Invalid(format!("`{name}` is `{word}`: give one of {known}"))
}
