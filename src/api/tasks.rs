//! Tasks: the list, and what people do with them.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::engine::task::{TaskOutcome, Wish};
use crate::store::record::TaskRecord;

use super::Shared;
use super::customers::asked;
use super::error::Problem;
use super::query;
use super::source::{Failure, Page, TaskWish};

/// Longest note.
const NOTE_BYTES_MAX: usize = 4_096;
/// Longest name of a person.
const NAME_BYTES_MAX: usize = 256;
/// What can be wished.
const WISHES: &str = "ack, claim, done, reopen, reassign, note";

/// Tasks, newest first.
#[utoipa::path(
    get, path = "/api/v1/tasks", tag = "tasks", params(query::Tasks),
    responses(
        (status = 200, description = "A page of tasks", body = Page<TaskRecord>),
        (status = 400, description = "The query is wrong", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn list(
    State(source): State<Shared>,
    query: Result<Query<query::Tasks>, QueryRejection>,
) -> Result<Json<Page<TaskRecord>>, Failure> {
    let (filter, after, limit) = asked(query)?.read()?;
    source.tasks(filter, after, limit).await.map(Json)
}

/// A change of a task.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskChange {
    /// `ack` (I am at it), `claim` (it is mine), `done`, `reopen`, `reassign` or `note`.
    #[serde(rename = "do")]
    action: Option<String>,
    /// `acked` or `done`: the same as `ack` and `done`.
    state: Option<String>,
    /// Who says so.
    by: Option<String>,
    /// What came of it, for `done`: `resolved`, `reached`, `no_answer`, `declined`, `not_needed` or
    /// `other`.
    outcome: Option<String>,
    /// Who gets it, for `reassign`.
    to: Option<String>,
    /// In their own words.
    note: Option<String>,
}

/// Changes a task: acknowledges, claims, closes, reopens or reassigns it, or adds a note. Each change
/// goes through the log; the answer is the task once its owner has taken it in. Closing it is also an
/// event `Task Closed` of the customer.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}", tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    request_body = TaskChange,
    responses(
        (status = 200, description = "The task as it stands now", body = TaskRecord),
        (status = 400, description = "The change is wrong", body = Problem),
        (status = 404, description = "There is none of this id", body = Problem),
        (status = 409, description = "The task does not stand so that this could be", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn change(
    State(source): State<Shared>,
    Path(id): Path<String>,
    change: Result<Json<TaskChange>, JsonRejection>,
) -> Result<Json<TaskRecord>, Failure> {
    let Json(change) = change.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    source.change_task(id, change.read()?).await.map(Json)
}

impl TaskChange {
    fn read(self) -> Result<TaskWish, Failure> {
        let word = match (self.action.as_deref(), self.state.as_deref()) {
            (Some(word), None) => word,
            (None, Some("acked")) => "ack",
            (None, Some("done")) => "done",
            (None, Some(other)) => return Err(no_such("state", other, "acked, done")),
            (_, _) => {
                return Err(Failure::Invalid(format!("say what: give one of {WISHES} as `do`")));
            }
        };
        let what = match word {
            "ack" => Wish::Ack,
            "claim" => Wish::Claim,
            "reopen" => Wish::Reopen,
            "note" => Wish::Note,
            "done" => Wish::Done(outcome(self.outcome.as_deref())?),
            "reassign" => {
                let to = line("to", self.to.as_deref())?;
                Wish::Reassign(
                    to.ok_or_else(|| Failure::Invalid("say to whom: `to`".to_owned()))?.into(),
                )
            }
            other => return Err(no_such("do", other, WISHES)),
        };
        let by = line("by", self.by.as_deref())?;
        let by = by.ok_or_else(|| Failure::Invalid("say who: `by`".to_owned()))?.to_owned();
        let note = self.note.filter(|note| !note.trim().is_empty());
        if note.as_ref().is_some_and(|note| NOTE_BYTES_MAX < note.len()) {
            return Err(Failure::Invalid(format!("`note` is longer than {NOTE_BYTES_MAX} bytes")));
        }
        if what == Wish::Note && note.is_none() {
            return Err(Failure::Invalid("say what: `note`".to_owned()));
        }
        Ok(TaskWish { by, note, what })
    }
}

fn outcome(word: Option<&str>) -> Result<TaskOutcome, Failure> {
    let known: Vec<_> = TaskOutcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
    let known = known.join(", ");
    let Some(word) = word else {
        return Err(Failure::Invalid(format!(
            "say what came of it: give one of {known} as `outcome`"
        )));
    };
    TaskOutcome::parse(word).ok_or_else(|| no_such("outcome", word, &known))
}

/// A name: one line, and not a long one.
fn line<'a>(field: &str, text: Option<&'a str>) -> Result<Option<&'a str>, Failure> {
    let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if NAME_BYTES_MAX < text.len() || text.contains(char::is_control) {
        let what = format!("`{field}` is no name: one line of at most {NAME_BYTES_MAX} bytes");
        return Err(Failure::Invalid(what));
    }
    Ok(Some(text))
}

fn no_such(field: &str, word: &str, known: &str) -> Failure {
    Failure::Invalid(format!("`{field}` is `{word}`: give one of {known}"))
}
