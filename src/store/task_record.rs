//! What is kept of a task: what it said when it was decided, and what became of it since.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::{ConditionRecord, ContactEntry, Seen, TimelineEntry};
use crate::engine::task::{TaskState, TaskTurn, What};
use crate::engine::time::Timestamp;

/// Changes kept of a task; past it those after the first are forgotten.
pub(super) const TURNS_MAX: usize = 50;

/// Work for a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskRecord {
    /// The decision id.
    pub id: String,
    /// The customer.
    pub customer: String,
    /// The customer's name, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The trigger.
    pub trigger: String,
    /// The list or system it goes to.
    pub list: String,
    /// Who gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// When it was decided (RFC 3339).
    pub created_at: String,
    /// Until when somebody must acknowledge it (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_by: Option<String>,
    /// When it is due (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    /// When it is given up (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// `low`, `normal`, `high`, `urgent`.
    pub priority: String,
    /// `open`, `acked`, `done`, `expired`.
    pub state: String,
    /// How often it has changed: each change has its number.
    #[serde(default)]
    pub turn: u32,
    /// When somebody acknowledged it, the first time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acked_at: Option<String>,
    /// When it was done or given up (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
    /// How often time had it go on to somebody else.
    #[serde(default)]
    pub escalations: u32,
    /// The team whose desk decides who gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// What its desk said last: why this person, or why it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desk: Option<String>,
    /// What to do.
    pub title: String,
    /// How to begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggest: Option<String>,
    /// Why now, in plain words.
    pub reasons: Vec<String>,
    /// The last events, newest first.
    pub timeline: Vec<TimelineEntry>,
    /// Earlier outreach, newest first.
    pub contacts: Vec<ContactEntry>,
    /// Other things asked for.
    #[schema(value_type = Vec<Object>)]
    pub include: Vec<Seen>,
    /// What came of it, when done: `resolved`, `reached`, `no_answer`, `declined`, `not_needed`,
    /// `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What the person needs to know, as it was when the task was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<TaskContext>,
    /// What became of it, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<TaskEntry>,
    /// The last wish that could not be fulfilled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<TaskRefused>,
}

/// What the person who gets a task needs to know. It does not change afterwards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskContext {
    /// Why now, in a sentence.
    pub why: String,
    /// What the trigger is for.
    pub about: String,
    /// Its conditions, with the values they saw.
    pub conditions: Vec<ConditionRecord>,
    /// What is known of the customer in numbers, with reasons and trend.
    pub scores: Vec<ScoreRecord>,
    /// Earlier tasks about the customer, newest first, and what came of them.
    pub tasks: Vec<EarlierTask>,
    /// What the customer waits for an answer to, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub open_tickets: Option<serde_json::Value>,
    /// The company the customer belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The customer's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The customer's time zone, the policy's when it is unknown.
    pub zone: String,
    /// Whether it is the policy's.
    pub zone_is_assumed: bool,
    /// The customer's wall clock when it was decided: `Mon 2 Mar 09:12`.
    pub local_time: String,
    /// Where there is more.
    pub links: TaskLinks,
}

/// Where there is more to read, as paths of this service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskLinks {
    /// The customer as they stand now.
    pub customer: String,
    /// The decision behind the task.
    pub decision: String,
    /// Why each trigger did or did not act.
    pub explain: String,
}

/// A score when a task was decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScoreRecord {
    /// The model's name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// The value before the latest change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<f64>,
    /// Its band, where the model has bands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    /// By how much it changed in 7 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend_7d: Option<f64>,
    /// And in 28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend_28d: Option<f64>,
    /// What costs it the most, in plain words, worst first.
    pub reasons: Vec<String>,
}

/// A task before this one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EarlierTask {
    /// Its id.
    pub id: String,
    /// The trigger.
    pub trigger: String,
    /// Where it stood.
    pub state: String,
    /// When it changed last (RFC 3339).
    pub at: String,
    /// Who had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
}

/// A change of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskEntry {
    /// Its number.
    pub turn: u32,
    /// When (RFC 3339).
    pub at: String,
    /// `acked`, `claimed`, `done`, `reopened`, `reassigned`, `noted`, `escalated`, `expired`, `given`, `waits`.
    pub what: String,
    /// Who did it; absent when time did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Who had it from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// What came of it, or why it went on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// In their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The name of the wish: the same wish counts once.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
}

/// A wish that could not be fulfilled, because something else came first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskRefused {
    /// When (RFC 3339).
    pub at: String,
    /// Whose.
    pub by: String,
    /// Why not.
    pub why: String,
    /// The name of the wish.
    pub id: String,
}

/// Whether a change was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It was.
    Now,
    /// It had been taken in before.
    Before,
}

impl TaskRecord {
    /// Takes in a change. One that was taken in before changes nothing.
    pub(super) fn take(&mut self, turn: &TaskTurn) -> Taken {
        if let What::Refused(refusal) = turn.what {
            let by = turn.by.as_deref().unwrap_or_default().to_owned();
            let (at, id) = (turn.at.to_string(), turn.id.to_string());
            self.refused = Some(TaskRefused { at, by, why: refusal.sentence().to_owned(), id });
            return Taken::Now;
        }
        let Some(after) = turn.after.as_deref().filter(|after| self.turn < after.turn) else {
            return Taken::Before;
        };
        self.stand(after);
        let at = turn.at.to_string();
        match turn.what {
            What::Acked | What::Claimed => {
                self.acked_at.get_or_insert_with(|| at.clone());
            }
            What::Done(_) | What::Expired => self.closed_at = Some(at.clone()),
            What::Reopened => self.closed_at = None,
            What::Escalated(_) => self.escalations = self.escalations.saturating_add(1),
            What::Reassigned
            | What::Noted
            | What::Given
            | What::Waits
            | What::Passed
            | What::Refused(_) => {}
        }
        if TURNS_MAX <= self.history.len() {
            self.history.remove(1);
        }
        self.history.push(entry(turn, after, at));
        Taken::Now
    }

    fn stand(&mut self, after: &TaskState) {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        self.turn = after.turn;
        after.stage.as_str().clone_into(&mut self.state);
        self.assigned_to = after.assigned_to.as_deref().map(str::to_owned);
        self.ack_by = text(after.ack_by);
        self.due_at = text(after.due_at);
        self.expires_at = text(after.expires_at);
        self.desk = after.desk.as_ref().and_then(|desk| desk.why.as_deref()).map(str::to_owned);
        self.outcome = after.outcome.map(|outcome| outcome.as_str().to_owned());
    }
}

fn entry(turn: &TaskTurn, after: &TaskState, at: String) -> TaskEntry {
    let text = |text: Option<&str>| text.map(str::to_owned);
    TaskEntry {
        turn: after.turn,
        at,
        what: turn.what.as_str().to_owned(),
        by: text(turn.by.as_deref()),
        assigned_to: text(after.assigned_to.as_deref()),
        because: match turn.what {
            What::Done(outcome) => Some(outcome.as_str().to_owned()),
            What::Escalated(because) => Some(because.as_str().to_owned()),
            _ => None,
        },
        note: text(turn.note.as_deref()),
        id: turn.id.to_string(),
    }
}
