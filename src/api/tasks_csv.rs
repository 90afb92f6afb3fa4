//! The task list as a table, for whoever works with spreadsheets.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::sheet::cell;
use crate::store::record::TaskRecord;

use super::Shared;
use super::customers::asked;
use super::error::Problem;
use super::query;
use super::source::{Failure, PAGE_MAX};

/// Most tasks in one table.
const TASKS_MAX: usize = 10_000;
/// The columns.
const HEAD: &str = "id,customer,name,trigger,list,team,assigned_to,state,priority,title,created_at,ack_by,due_at,\
                    acked_at,closed_at,escalations,outcome,desk\r\n";

/// Tasks as CSV, newest first, at most 10,000. A text that a spreadsheet would take for a formula
/// has an apostrophe before it.
#[utoipa::path(
    get, path = "/api/v1/tasks.csv", tag = "tasks", params(query::Tasks),
    responses(
        (status = 200, description = "A table", body = String, content_type = "text/csv"),
        (status = 400, description = "The query is wrong", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn table(
    State(source): State<Shared>,
    query: Result<Query<query::Tasks>, QueryRejection>,
) -> Result<Response, Failure> {
    let (filter, mut after, _) = asked(query)?.read()?;
    let mut text = HEAD.to_owned();
    let mut count = 0;
    while count < TASKS_MAX {
        let page = source.tasks(filter.clone(), after, PAGE_MAX).await?;
        count += page.items.len();
        page.items.iter().for_each(|task| push(&mut text, task));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response())
}

fn push(text: &mut String, task: &TaskRecord) {
    let or_nothing = |value: &Option<String>| value.clone().unwrap_or_default();
    let cells = [
        task.id.clone(),
        task.customer.clone(),
        or_nothing(&task.name),
        task.trigger.clone(),
        task.list.clone(),
        or_nothing(&task.team),
        or_nothing(&task.assigned_to),
        task.state.clone(),
        task.priority.clone(),
        task.title.clone(),
        task.created_at.clone(),
        or_nothing(&task.ack_by),
        or_nothing(&task.due_at),
        or_nothing(&task.acked_at),
        or_nothing(&task.closed_at),
        task.escalations.to_string(),
        or_nothing(&task.outcome),
        or_nothing(&task.desk),
    ];
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_its_cell() {
        let mut text = String::new();
        push(&mut text, &TaskRecord { name: Some("=1+1".into()), ..TaskRecord::default() });
        assert_eq!(text.matches(',').count(), HEAD.matches(',').count());
    }
}
