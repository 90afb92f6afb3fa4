//! Decisions with their why, triggers with their counts, the catalog in force, dead letters.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};

use crate::store::record::{DeadLetter, DecisionRecord};

use super::Shared;
use super::customers::asked;
use super::error::Problem;
use super::query;
use super::source::{CatalogView, Failure, ModelView, Page, TriggerView};

/// Decisions, newest first.
#[utoipa::path(
    get, path = "/api/v1/decisions", tag = "decisions", params(query::Decisions),
    responses(
        (status = 200, description = "A page of decisions", body = Page<DecisionRecord>),
        (status = 400, description = "The query is wrong", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn list(
    State(source): State<Shared>,
    query: Result<Query<query::Decisions>, QueryRejection>,
) -> Result<Json<Page<DecisionRecord>>, Failure> {
    let (filter, after, limit) = asked(query)?.read()?;
    source.decisions(filter, after, limit).await.map(Json)
}

/// One decision.
#[utoipa::path(
    get, path = "/api/v1/decisions/{id}", tag = "decisions",
    params(("id" = String, Path, description = "The decision's id")),
    responses(
        (status = 200, description = "The decision", body = DecisionRecord),
        (status = 404, description = "There is none of this id", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn one(
    State(source): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<DecisionRecord>, Failure> {
    source.decision(id).await.map(Json)
}

/// Triggers in force with their counts: matched is the sum of all verdicts, always.
#[utoipa::path(
    get, path = "/api/v1/triggers", tag = "triggers",
    responses(
        (status = 200, description = "All triggers", body = Vec<TriggerView>),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn triggers(
    State(source): State<Shared>,
) -> Result<Json<Vec<TriggerView>>, Failure> {
    source.triggers().await.map(Json)
}

/// Models in force: how far they have drifted, and how their challengers do.
#[utoipa::path(
    get, path = "/api/v1/models", tag = "triggers",
    responses((status = 200, description = "All models", body = Vec<ModelView>))
)]
pub(super) async fn models(State(source): State<Shared>) -> Json<Vec<ModelView>> {
    Json(source.models())
}

/// The catalog in force, and the faults of a newer one that was refused.
#[utoipa::path(
    get, path = "/api/v1/catalog", tag = "triggers",
    responses((status = 200, description = "The catalog", body = CatalogView))
)]
pub(super) async fn catalog(State(source): State<Shared>) -> Json<CatalogView> {
    Json(source.catalog())
}

/// Refused inputs with their reasons, newest first.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", tag = "decisions", params(query::DeadLetters),
    responses(
        (status = 200, description = "Dead letters", body = Vec<DeadLetter>),
        (status = 400, description = "The query is wrong", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn dead_letters(
    State(source): State<Shared>,
    query: Result<Query<query::DeadLetters>, QueryRejection>,
) -> Result<Json<Vec<DeadLetter>>, Failure> {
    source.dead_letters(asked(query)?.read()?).await.map(Json)
}
