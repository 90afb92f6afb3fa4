//! What SDKs ask for before they send: answered with as little as lets them go on.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Ingest, Intake};

/// Longest key or host repeated in an answer, in bytes.
const REPEATED_BYTES_MAX: usize = 255;

/// The routes.
pub(super) fn routes<I: Intake>() -> Router<Arc<Ingest<I>>> {
    let mut routes = Router::new()
        .route("/v1/projects/{key}/settings", get(segment_settings))
        .route("/array/{token}/config", get(posthog_config));
    for path in ["/flags", "/flags/", "/decide", "/decide/"] {
        routes = routes.route(path, no_flags());
    }
    routes
}

/// Settings of Segment's browser SDK, which sends to wherever it got them from.
async fn segment_settings(Path(key): Path<String>, headers: HeaderMap) -> Json<Value> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let short = key.len() <= REPEATED_BYTES_MAX && host.len() <= REPEATED_BYTES_MAX;
    let (key, host) = if short { (key.as_str(), host) } else { ("", "") };
    Json(json!({
        "integrations": { "Segment.io": { "apiKey": key, "apiHost": format!("{host}/v1") } },
        "plan": { "track": { "__default": { "enabled": true, "integrations": {} } } },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
    }))
}

/// PostHog's browser SDK asks which of its features are on: none.
async fn posthog_config() -> Json<Value> {
    Json(json!({
        "supportedCompression": ["gzip", "gzip-js"],
        "hasFeatureFlags": false,
        "sessionRecording": false,
        "surveys": false,
        "heatmaps": false,
    }))
}

fn no_flags<I: Intake>() -> MethodRouter<Arc<Ingest<I>>> {
    let answer = || async {
        Json(json!({
            "flags": {},
            "featureFlags": {},
            "featureFlagPayloads": {},
            "errorsWhileComputingFlags": false,
            "sessionRecording": false,
            "supportedCompression": ["gzip", "gzip-js"],
        }))
    };
    get(answer).post(answer)
}
