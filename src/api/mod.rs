//! The HTTP API for dashboards: customers by risk, decisions with their why, triggers, tasks.
//!
//! It owns no state. Everything it says comes from a [`source::Source`].

mod customers;
mod decisions;
mod error;
pub mod html;
pub mod in_app;
mod inbox;
mod live;
mod operations;
mod query;
pub mod source;
mod suppressions;
mod tasks;
mod tasks_csv;
pub mod unsubscribe;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::clock::Shared as Clock;
use crate::links::Links;
use source::Source;

/// The source, shared by all handlers.
pub type Shared = Arc<dyn Source>;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Heedful",
        description = "Customers by risk, decisions with their why, triggers, tasks. \
                       Times are RFC 3339 in UTC. Lists are paged: pass `next` as `after`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        contact()
    ),
    // It is served beside the others, because it needs no more than a key.
    paths(in_app::token),
    tags(
        (name = "customers", description = "Who is at risk, and why"),
        (name = "decisions", description = "Every yes and every no, with its why"),
        (name = "triggers", description = "What is in force, and what it has done"),
        (name = "operations", description = "What operators hold, stop and let go on"),
        (name = "suppressions", description = "Addresses that are not written to, whoever has them"),
        (name = "tasks", description = "Work for people"),
        (name = "inbox", description = "Messages inside the customer's own app"),
    )
)]
struct Document;

/// What customers reach by a signed token of their own: the page behind links in messages, and their
/// inbox.
pub fn customers_own(source: &Shared, links: &Arc<Links>, clock: &Clock) -> Router {
    let one = || (Arc::clone(source), Arc::clone(links), Arc::clone(clock));
    let ((pages, keys, now), (inbox, links, clock)) = (one(), one());
    unsubscribe::routes(pages, keys, now).merge(in_app::routes(inbox, links, clock))
}

/// Routes under `/api/v1`, and `/openapi.json` that describes them.
pub fn routes(source: Shared) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(customers::list))
        .routes(routes!(customers::page, customers::erase))
        .routes(routes!(customers::explain))
        .routes(routes!(customers::preferences))
        .routes(routes!(decisions::list))
        .routes(routes!(decisions::one))
        .routes(routes!(decisions::triggers))
        .routes(routes!(decisions::models))
        .routes(routes!(decisions::catalog))
        .routes(routes!(decisions::dead_letters))
        .routes(routes!(operations::list, operations::give))
        .routes(routes!(suppressions::list, suppressions::change))
        .routes(routes!(tasks::list))
        .routes(routes!(tasks_csv::table))
        .routes(routes!(tasks::change))
        .routes(routes!(inbox::list))
        .routes(routes!(inbox::answer))
        .routes(routes!(inbox::live))
        .routes(routes!(live::stream))
        .split_for_parts();
    let document = Arc::new(document);
    router
        .route("/openapi.json", get(move || std::future::ready(Json(Arc::clone(&document)))))
        .with_state(source)
}
