//! Orders of operators: hold everything, a purpose or a trigger, stop it, or let it go on.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;

use super::Shared;
use super::error::Problem;
use super::source::{Failure, OperationView, OrderGiven};

/// Orders that are remembered, newest first; those in force say what they hold.
#[utoipa::path(
    get, path = "/api/v1/operations", tag = "operations",
    responses(
        (status = 200, description = "The orders", body = Vec<OperationView>),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn list(
    State(source): State<Shared>,
) -> Result<Json<Vec<OperationView>>, Failure> {
    source.operations().await.map(Json)
}

/// Gives an order. It is in the log of every shard when this answers, and holds from there on.
#[utoipa::path(
    post, path = "/api/v1/operations", tag = "operations",
    request_body = OrderGiven,
    responses(
        (status = 200, description = "The order as it stands now", body = OperationView),
        (status = 400, description = "The order is wrong", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn give(
    State(source): State<Shared>,
    order: Result<Json<OrderGiven>, JsonRejection>,
) -> Result<Json<OperationView>, Failure> {
    let Json(order) = order.map_err(|rejection| Failure::Invalid(rejection.body_text()))?;
    source.operate(order).await.map(Json)
}
