//! What senders are told.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::decode::Refusal;

/// The answer to one request.
#[derive(Debug)]
pub(super) enum Answer {
    /// All that was good is durable.
    Taken {
        /// How many events were refused, and why the first was.
        refused: Option<(usize, Refusal)>,
    },
    /// The body cannot be read.
    Unreadable(Refusal),
    /// None of the keys shown is right.
    WrongKey,
    /// No key is configured and the sender is on another machine.
    Closed,
    /// Too much: come again after this time.
    Busy(Duration),
    /// It will pass: come again.
    Unavailable,
}

/// Seconds after which a sender is asked to come again when there is no better guess.
const AGAIN_SECONDS: u64 = 5;

impl Answer {
    /// The word counted.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Taken { .. } => "taken",
            Self::Unreadable(_) => "unreadable",
            Self::WrongKey => "wrong_key",
            Self::Closed => "closed",
            Self::Busy(_) => "busy",
            Self::Unavailable => "unavailable",
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Taken { refused: None } => {
                ([(header::CONTENT_TYPE, "application/json")], r#"{"success":true}"#)
                    .into_response()
            }
            Self::Taken { refused: Some((count, first)) } => Json(json!({
                "success": true,
                "refused": count,
                "reason": first.reason.as_str(),
                "message": first.to_string(),
            }))
            .into_response(),
            Self::Unreadable(refusal) => {
                let message = refusal.to_string();
                failed(StatusCode::BAD_REQUEST, refusal.reason.as_str(), &message)
            }
            Self::WrongKey => failed(
                StatusCode::UNAUTHORIZED,
                "wrong_key",
                "the write key is not one of those configured",
            ),
            // Not a 4xx: an SDK keeps its events and tries again until a key is configured.
            Self::Closed => again(
                StatusCode::SERVICE_UNAVAILABLE,
                AGAIN_SECONDS,
                "no write key is configured, so only clients on this machine are let in",
            ),
            Self::Busy(wait) => {
                let seconds = wait.as_secs() + u64::from(0 < wait.subsec_nanos());
                let message = "more events come than can be taken: come again later";
                again(StatusCode::TOO_MANY_REQUESTS, seconds.max(1), message)
            }
            Self::Unavailable => again(
                StatusCode::SERVICE_UNAVAILABLE,
                AGAIN_SECONDS,
                "events cannot be made durable now: come again later",
            ),
        }
    }
}

fn failed(status: StatusCode, reason: &str, message: &str) -> Response {
    let body = json!({ "success": false, "reason": reason, "message": message });
    (status, Json(body)).into_response()
}

fn again(status: StatusCode, seconds: u64, message: &str) -> Response {
    let mut response = failed(status, "come_again", message);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// Browsers of any origin may send: the write key decides, and answers tell nothing.
pub(super) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("retry-after")])
        .max_age(Duration::from_secs(24 * 3_600))
}
