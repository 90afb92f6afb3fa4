//! The demo's live page: plain HTML, our own style and script, nothing from elsewhere.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use crate::engine::decision::VerdictKind;

/// Only our own files, no inline script: a text that a customer typed can never become code.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'";

/// What stands where a number is not known yet.
const UNKNOWN_YET: &str = "\u{2013}";

/// What the page says about the shop.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// How many customers.
    pub customers: usize,
    /// How many times as fast time runs.
    pub speed: u32,
    /// The seed.
    pub seed: u64,
}

/// The page, its style and its script. `truth` gives the people and their moods as JSON, `clock`
/// the shop's time, `lesson` what was learned from its past.
pub fn routes<T, C, L>(facts: Facts, truth: T, clock: C, lesson: L) -> Router
where
    L: Fn() -> serde_json::Value + Clone + Send + Sync + 'static,
    T: Fn() -> serde_json::Value + Clone + Send + Sync + 'static,
    C: Fn() -> serde_json::Value + Clone + Send + Sync + 'static,
{
    let page: Arc<str> = Arc::from(page(facts).into_string());
    Router::new()
        .route("/", get(move || std::future::ready(with_policy(Html(page.to_string())))))
        .route("/demo/page.css", get(|| file("text/css", include_str!("page.css"))))
        .route("/demo/page.js", get(|| file("text/javascript", include_str!("page.js"))))
        .route("/demo/truth", get(move || std::future::ready(axum::Json(truth()))))
        .route("/demo/lesson", get(move || std::future::ready(axum::Json(lesson()))))
        .route("/demo/clock", get(move || std::future::ready(axum::Json(clock()))))
}

fn page(facts: Facts) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Heedful demo" }
                link rel="stylesheet" href="/demo/page.css";
                link rel="icon" href="data:,";
                script defer src="/demo/page.js" {}
            }
            body {
                (header(facts))
                main {
                    section #decisions aria-label="Decisions" { (decisions()) }
                    aside { (risk()) (lesson()) (tasks()) }
                    section #triggers aria-label="Triggers" { (triggers()) }
                }
                dialog #customer aria-labelledby="customer-name" {
                    div.head {
                        h2 #customer-name {}
                        button #close type="button" { "Close" }
                    }
                    div #customer-body {}
                }
            }
        }
    }
}

fn header(facts: Facts) -> Markup {
    html! {
        header {
            div.brand {
                h1 { "Heedful" }
                p {
                    "A simulated shop of " (facts.customers) " customers (seed " (facts.seed)
                    "). Time runs " (facts.speed) " times as fast. Nothing leaves this machine."
                }
            }
            div.clock {
                span.label { "shop time (UTC)" }
                time #clock { "\u{2026}" }
                span #connection.label role="status" { "connecting" }
            }
        }
        nav #verdicts aria-label="Verdicts" {
            button type="button" data-verdict="" aria-pressed="true" {
                b #count-matched { (UNKNOWN_YET) } span { "matched" }
            }
            @for kind in VerdictKind::ALL {
                button type="button" data-verdict=(kind.as_str()) aria-pressed="false"
                    class=(kind.as_str()) {
                    b id={ "count-" (kind.as_str()) } { (UNKNOWN_YET) }
                    span { (kind.as_str().replace('_', " ")) }
                }
            }
        }
    }
}

fn decisions() -> Markup {
    html! {
        div.head {
            h2 { "Decisions, and why" }
            button #pause type="button" aria-pressed="false" { "Pause" }
        }
        p #narrowed.hint role="status" {
            "Every yes and every no, as it is decided. Open one to see what it saw."
        }
        ol #feed { li.empty { "Listening\u{2026}" } }
    }
}

fn risk() -> Markup {
    html! {
        section aria-label="Customers at risk" {
            div.head { h2 { "Customers at risk" } span.label { "health 0 to 100" } }
            p.hint { "What the scorecard found, beside what the simulator knows." }
            ol #risk { li.empty { "Looking\u{2026}" } }
        }
    }
}

fn lesson() -> Markup {
    html! {
        section aria-label="What was learned" {
            div.head { h2 { "Who falls silent" } span.label { "a learned model" } }
            p #lesson.hint role="status" { "Learning from the shop's own past\u{2026}" }
            div.scroll {
                table {
                    thead {
                        tr {
                            th scope="col" { "truth" }
                            th scope="col" { "customers" }
                            th scope="col" { "the model says" }
                        }
                    }
                    tbody #moods {}
                }
            }
        }
    }
}

fn tasks() -> Markup {
    html! {
        section aria-label="Tasks" {
            div.head { h2 { "Handed to people" } }
            ol #tasks { li.empty { "Looking\u{2026}" } }
        }
    }
}

fn triggers() -> Markup {
    html! {
        div.head { h2 { "Triggers" } span.label { "matched is the sum of all verdicts, always" } }
        div.scroll {
            table {
                thead {
                    tr {
                        th scope="col" { "trigger" }
                        th scope="col" { "kind" }
                        th scope="col" { "matched" }
                        @for kind in VerdictKind::ALL {
                            th scope="col" { (kind.as_str().replace('_', " ")) }
                        }
                        th scope="col" { "held back because" }
                    }
                }
                tbody #funnels {}
            }
        }
    }
}

async fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], text)
}

fn with_policy(page: Html<String>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, page)
}
