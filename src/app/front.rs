//! What a person sees who opens the service's address: where everything is.

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use crate::api::html::head;

/// Where to look, and what is found there.
const PLACES: [(&str, &str); 9] = [
    ("/api/v1/customers", "customers, the most at risk first"),
    ("/api/v1/decisions", "every yes and every no, each with its why"),
    ("/api/v1/triggers", "what each trigger has done"),
    ("/api/v1/tasks", "work for people"),
    ("/api/v1/dead-letters", "what was refused, and why"),
    ("/openapi.json", "the whole API, described"),
    ("/healthz", "whether the process lives"),
    ("/readyz", "whether it can serve, which files are in force, what is wrong with those on disk"),
    ("/metrics", "the numbers, for Prometheus"),
];

/// The page at `/`. It has no script and no style of its own: it must never be in the way.
pub fn routes() -> Router {
    let page = page().into_string();
    Router::new().route("/", get(move || std::future::ready(Html(page.clone()))))
}

fn page() -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (head("Heedful"))
                link rel="icon" href="data:,";
            }
            body {
                h1 { "Heedful " (env!("CARGO_PKG_VERSION")) }
                p { "Events go to " code { "POST /v1/track" } ", " code { "/v1/identify" } " or "
                    code { "/v1/batch" } ". What came of them:" }
                ul {
                    @for (path, what) in PLACES {
                        li { a href=(path) { code { (path) } } ": " (what) }
                    }
                }
            }
        }
    }
}
