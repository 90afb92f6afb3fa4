//! A customer's own door to their inbox, for a script on a page: whoever has the signed token may
//! see the messages of that customer and note what was done with them, and nothing else.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tower_http::cors::{Any, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use super::Shared;
use super::inbox::known;
use super::source::Failure;
use crate::clock::Shared as Clock;
use crate::engine::time::Span;
use crate::links::{Links, Refusal};
use crate::store::record::InboxRow;

/// The script.
const SCRIPT: &str = include_str!("in_app.js");
/// For how long a page may keep it.
const SCRIPT_CACHE: &str = "public, max-age=3600";
/// How long a token is good.
const TOKEN_LIFE: Span = Span::DAY;
/// Messages that a page catches up with, the newest.
const UNREAD_MAX: usize = 20;
/// How often an idle stream says that it is alive.
const KEEP_ALIVE_SECONDS: u64 = 15;

#[derive(Clone)]
struct Door {
    source: Shared,
    links: Arc<Links>,
    clock: Clock,
}

/// A token for a page that one customer looks at.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Token {
    /// What the script on the page is given.
    token: String,
    /// Until when it is good.
    expires_at: String,
}

/// A message as its customer sees it.
#[derive(Debug, Serialize)]
struct Message<'a> {
    id: &'a str,
    at: &'a str,
    content: BTreeMap<&'a str, &'a str>,
}

/// The script, and what it asks for. Whoever has a token may use it, from any page.
pub fn routes(source: Shared, links: Arc<Links>, clock: Clock) -> Router {
    let cors = CorsLayer::new().allow_origin(Any).allow_methods([Method::GET, Method::POST]);
    let private = SetResponseHeaderLayer::if_not_present(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
    Router::new()
        .route("/in-app.js", get(script))
        .route("/in-app/{token}/messages", get(unread))
        .route("/in-app/{token}/messages/{message}/{answer}", post(answer))
        .route("/in-app/{token}/live", get(live))
        .layer(DefaultBodyLimit::max(0))
        .layer(private)
        .layer(cors)
        .with_state(Door { source, links, clock })
}

/// Where the server of a page gets the token for its customer: for readers of the API alone.
pub fn tokens(links: Arc<Links>, clock: Clock) -> Router {
    Router::new()
        .route("/api/v1/customers/{id}/inbox/token", post(token))
        .with_state((links, clock))
}

/// Makes a token with which a page shows a customer's messages, for a day.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/inbox/token", tag = "inbox",
    params(("id" = String, Path, description = "The customer's id")),
    responses((status = 200, description = "The token", body = Token))
)]
pub(super) async fn token(
    State((links, clock)): State<(Arc<Links>, Clock)>,
    Path(customer): Path<String>,
) -> Json<Token> {
    let until = clock.now() + TOKEN_LIFE;
    let token = links.inbox(&customer, until);
    Json(Token { token, expires_at: until.to_string() })
}

async fn script() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, SCRIPT_CACHE),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, SCRIPT)
}

/// Why nothing is shown.
#[derive(Debug)]
enum Shut {
    Refused(Refusal),
    Failed(Failure),
}

impl IntoResponse for Shut {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(Refusal::Forged) => StatusCode::NOT_FOUND.into_response(),
            Self::Refused(Refusal::Expired) => StatusCode::GONE.into_response(),
            Self::Failed(failure) => failure.into_response(),
        }
    }
}

impl Door {
    /// Whose door it is.
    fn customer(&self, token: &str) -> Result<String, Shut> {
        self.links.read_inbox(token, self.clock.now()).map_err(Shut::Refused)
    }
}

/// What was not read, newest first.
async fn unread(State(door): State<Door>, Path(token): Path<String>) -> Result<Response, Shut> {
    let customer = door.customer(&token)?;
    let page = door.source.inbox(customer, None, UNREAD_MAX).await.map_err(Shut::Failed)?;
    let unread = page.items.iter().filter(|message| message.read_at.is_none());
    Ok(Json(unread.map(shown).collect::<Vec<_>>()).into_response())
}

async fn answer(
    State(door): State<Door>,
    Path((token, message, word)): Path<(String, String, String)>,
) -> Result<StatusCode, Shut> {
    let customer = door.customer(&token)?;
    let answer = known(&word).map_err(Shut::Failed)?;
    let noted = door.source.answer_message(customer, message, answer).await;
    noted.map(|_| StatusCode::NO_CONTENT).map_err(Shut::Failed)
}

async fn live(State(door): State<Door>, Path(token): Path<String>) -> Result<Response, Shut> {
    let customer = door.customer(&token)?;
    let heard = (door.source.inbox_live(), customer);
    let messages = stream::unfold(heard, |(mut messages, customer)| async move {
        let event = loop {
            match messages.recv().await {
                Ok(message) if message.customer == customer => {
                    // Texts alone: writing them as JSON cannot fail.
                    let json = serde_json::to_string(&shown(&message)).unwrap_or_default();
                    break Event::default().event("message").data(json);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => break Event::default().event("missed").data("1"),
                Err(RecvError::Closed) => return None,
            }
        };
        Some((Ok::<_, Infallible>(event), (messages, customer)))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(KEEP_ALIVE_SECONDS));
    Ok(Sse::new(messages).keep_alive(alive).into_response())
}

/// What of a message is the customer's business: not which trigger wrote it.
fn shown(message: &InboxRow) -> Message<'_> {
    let content = message.content.iter().map(|field| (&*field.name, &*field.text));
    Message { id: &message.id, at: &message.at, content: content.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_small_and_writes_no_markup() {
        assert!(SCRIPT.len() < 4_096, "{} bytes", SCRIPT.len());
        for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }
}
