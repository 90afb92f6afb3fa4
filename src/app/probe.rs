//! `/healthz` (the process), `/readyz` (the service, with reasons), `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::catalog::Catalogs;

/// Where the service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// States are loaded and the log is caught up with.
    Starting,
    /// It works.
    Running,
    /// It takes nothing new.
    Stopping,
    /// Its store failed.
    Failed,
}

/// What the probes look at.
#[derive(Debug)]
pub(super) struct Life {
    phase: AtomicU8,
}

impl Life {
    pub(super) const fn starting() -> Self {
        Self { phase: AtomicU8::new(0) }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Running,
            2 => Phase::Stopping,
            _ => Phase::Failed,
        }
    }

    /// Goes on to a later phase; never back.
    pub(super) fn go_on(&self, phase: Phase) {
        let number = match phase {
            Phase::Starting => 0,
            Phase::Running => 1,
            Phase::Stopping => 2,
            Phase::Failed => 3,
        };
        self.phase.fetch_max(number, Ordering::AcqRel);
    }
}

/// What `/readyz` says.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    ready: bool,
    /// Why not.
    reasons: Vec<&'a str>,
    /// Hash over the trigger files in force.
    revision: &'a str,
    /// Why the files on disk are refused and an older set is in force, a line each.
    faults: &'a [String],
}

/// The probes that everyone may ask: they say nothing about customers.
pub(super) fn routes(life: Arc<Life>, catalogs: Arc<Catalogs>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state((life, catalogs))
}

async fn ready(State((life, catalogs)): State<(Arc<Life>, Arc<Catalogs>)>) -> Response {
    let status = catalogs.status();
    let reasons = match life.phase() {
        Phase::Starting => vec!["the log is being caught up with"],
        Phase::Running => vec![],
        Phase::Stopping => vec!["the service is stopping"],
        Phase::Failed => vec!["the store failed: restart the service"],
    };
    let ready = Ready {
        ready: reasons.is_empty(),
        reasons,
        revision: &status.revision,
        // A broken edit does not make the service less able to serve.
        faults: &status.faults,
    };
    let code = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(ready)).into_response()
}

/// Gives the numbers. `refresh` brings those up to date that are read from the store.
pub(super) fn metrics<F>(refresh: F) -> Router
where
    F: Fn() -> String + Clone + Send + Sync + 'static,
{
    let text = "text/plain; version=0.0.4; charset=utf-8";
    Router::new().route(
        "/metrics",
        get(move || {
            let refresh = refresh.clone();
            async move {
                // Reading the counts may touch the disk.
                let page = tokio::task::spawn_blocking(refresh).await.unwrap_or_default();
                ([(header::CONTENT_TYPE, text)], page)
            }
        }),
    )
}
