//! Customers: the list by risk, one page each, why a trigger did or did not act, preferences.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;

use crate::store::view::{CustomerLine, CustomerPage};

use super::Shared;
use super::error::Problem;
use super::query;
use super::source::{Failure, Page, PreferenceChange};

/// Customers, most at risk first.
#[utoipa::path(
    get, path = "/api/v1/customers", tag = "customers", params(query::Customers),
    responses(
        (status = 200, description = "A page of customers", body = Page<CustomerLine>),
        (status = 400, description = "The query is wrong", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn list(
    State(source): State<Shared>,
    query: Result<Query<query::Customers>, QueryRejection>,
) -> Result<Json<Page<CustomerLine>>, Failure> {
    let (sort, (filter, after, limit)) = asked(query)?.read()?;
    source.customers(filter, sort, after, limit).await.map(Json)
}

/// Everything about one customer: health with reasons and trend, timeline, decisions, caps left.
#[utoipa::path(
    get, path = "/api/v1/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "The customer's id")),
    responses(
        (status = 200, description = "The customer", body = CustomerPage),
        (status = 404, description = "Nothing is known of them", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn page(
    State(source): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<CustomerPage>, Failure> {
    source.customer(id).await.map(Json)
}

/// Forgets a customer: state, decisions, tasks, what waits to be sent.
#[utoipa::path(
    delete, path = "/api/v1/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "The customer's id")),
    responses(
        (status = 202, description = "The wish is durable and will be carried out"),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn erase(
    State(source): State<Shared>,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    source.erase(id).await.map(|()| StatusCode::ACCEPTED)
}

/// Why triggers did or did not act for a customer, also those that never matched.
#[utoipa::path(
    get, path = "/api/v1/customers/{id}/explain", tag = "customers",
    params(("id" = String, Path, description = "The customer's id"), query::Explain),
    responses(
        (status = 200, description = "The explanation, as text", body = String),
        (status = 404, description = "No such customer or trigger", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn explain(
    State(source): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<query::Explain>, QueryRejection>,
) -> Result<String, Failure> {
    source.explain(id, asked(query)?.trigger).await
}

/// Records a consent, a refusal or a pause.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/preferences", tag = "customers",
    params(("id" = String, Path, description = "The customer's id")),
    request_body = PreferenceChange,
    responses(
        (status = 204, description = "Durable: it holds for everything decided after it"),
        (status = 400, description = "The change is wrong", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn preferences(
    State(source): State<Shared>,
    Path(id): Path<String>,
    change: Result<Json<PreferenceChange>, JsonRejection>,
) -> Result<StatusCode, Failure> {
    let Json(change) = change.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    let PreferenceChange { granted, profiling, pause_until, .. } = &change;
    if granted.is_none() && profiling.is_none() && pause_until.is_none() {
        let hint =
            "nothing to change: give `granted` or `profiling` (true or false), or `pause_until`";
        return Err(Failure::Invalid(hint.to_owned()));
    }
    source.change_preference(id, change).await.map(|()| StatusCode::NO_CONTENT)
}

/// The query, or what is wrong with it.
pub(super) fn asked<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Failure> {
    query.map(|Query(query)| query).map_err(|rejection| Failure::Invalid(rejection.body_text()))
}
