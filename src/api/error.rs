//! Errors of the API as `application/problem+json`-shaped bodies with a fitting status.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::source::Failure;

/// What went wrong and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// A sentence.
    pub error: String,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, Json(Problem { error: self.to_string() })).into_response()
    }
}
