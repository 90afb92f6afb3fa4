//! Addresses that are not written to, whoever has them.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};

use super::Shared;
use super::customers::asked;
use super::error::Problem;
use super::query;
use super::source::{Failure, Page, SuppressionAnswer, SuppressionChange, SuppressionView};

/// The list: hashed addresses, with why and since when.
#[utoipa::path(
    get, path = "/api/v1/suppressions", tag = "suppressions", params(query::Inbox),
    responses(
        (status = 200, description = "A page of entries", body = Page<SuppressionView>),
        (status = 409, description = "The list is not kept here", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn list(
    State(source): State<Shared>,
    query: Result<Query<query::Inbox>, QueryRejection>,
) -> Result<Json<Page<SuppressionView>>, Failure> {
    let (after, limit) = asked(query)?.read()?;
    source.suppressions(after, limit).await.map(Json)
}

/// Puts addresses on the list, takes them off, or says which are on it. It is in the log when this
/// answers.
#[utoipa::path(
    post, path = "/api/v1/suppressions", tag = "suppressions",
    request_body = SuppressionChange,
    responses(
        (status = 200, description = "The entries as they stand now", body = SuppressionAnswer),
        (status = 400, description = "The change is wrong", body = Problem),
        (status = 409, description = "The list is not kept here", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn change(
    State(source): State<Shared>,
    change: Result<Json<SuppressionChange>, JsonRejection>,
) -> Result<Json<SuppressionAnswer>, Failure> {
    let Json(change) = change.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    source.suppress(change).await.map(Json)
}
