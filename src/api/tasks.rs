//! Tasks: the list, and what people do with them.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};

use crate::store::record::TaskRecord;

use super::Shared;
use super::customers::asked;
use super::error::Problem;
use super::query;
use super::source::{Failure, Page, TaskChange};

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

/// Acknowledges or closes a task. Closing it is also an event `Task Closed` of the customer.
#[utoipa::path(
    post, path = "/api/v1/tasks/{id}", tag = "tasks",
    params(("id" = String, Path, description = "The task's id")),
    request_body = TaskChange,
    responses(
        (status = 200, description = "The task as it stands now", body = TaskRecord),
        (status = 400, description = "The change is wrong", body = Problem),
        (status = 404, description = "There is none of this id", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn change(
    State(source): State<Shared>,
    Path(id): Path<String>,
    change: Result<Json<TaskChange>, JsonRejection>,
) -> Result<Json<TaskRecord>, Failure> {
    let Json(change) = change.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    if !["acked", "done"].contains(&change.state.as_str()) {
        let state = &change.state;
        return Err(Failure::Invalid(format!("`state` is `{state}`: give one of acked, done")));
    }
    source.change_task(id, change).await.map(Json)
}
