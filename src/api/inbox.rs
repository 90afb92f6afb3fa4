//! The inbox of a customer's app: what the in-app channel has delivered, kept and live. An app's own
//! server asks in the name of its customer: the token opens all inboxes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::store::record::{InboxRow, MessageAnswer};

use super::Shared;
use super::customers::asked;
use super::error::Problem;
use super::query;
use super::source::{Failure, Page};

/// How often an idle stream says that it is alive.
const KEEP_ALIVE_SECONDS: u64 = 15;

/// A customer's in-app messages, newest first.
#[utoipa::path(
    get, path = "/api/v1/customers/{id}/inbox", tag = "inbox",
    params(("id" = String, Path, description = "The customer's id"), query::Inbox),
    responses(
        (status = 200, description = "A page of messages", body = Page<InboxRow>),
        (status = 400, description = "The query is wrong", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn list(
    State(source): State<Shared>,
    Path(id): Path<String>,
    query: Result<Query<query::Inbox>, QueryRejection>,
) -> Result<Json<Page<InboxRow>>, Failure> {
    let (after, limit) = asked(query)?.read()?;
    source.inbox(id, after, limit).await.map(Json)
}

/// Notes what a customer did with a message. `clicked` overrules `dismissed`, and both `read`; a click is
/// also the event `Message Clicked`.
#[utoipa::path(
    post, path = "/api/v1/customers/{id}/inbox/{message}/{answer}", tag = "inbox",
    params(
        ("id" = String, Path, description = "The customer's id"),
        ("message" = String, Path, description = "The message's id"),
        ("answer" = MessageAnswer, Path, description = "What they did with it"),
    ),
    responses(
        (status = 200, description = "The message as it stands now", body = InboxRow),
        (status = 404, description = "There is none of this id, or no such answer", body = Problem),
        (status = 503, description = "Not now", body = Problem),
    )
)]
pub(super) async fn answer(
    State(source): State<Shared>,
    Path((id, message, word)): Path<(String, String, String)>,
) -> Result<Json<InboxRow>, Failure> {
    source.answer_message(id, message, known(&word)?).await.map(Json)
}

/// What a word at the end of a path says that was done with a message.
pub(super) fn known(word: &str) -> Result<MessageAnswer, Failure> {
    MessageAnswer::parse(word).ok_or_else(|| {
        let words = MessageAnswer::ALL.map(MessageAnswer::as_str).join("`, `");
        Failure::NotFound(format!("`{word}` is nothing to do with a message: `{words}`"))
    })
}

/// A customer's in-app messages as they come. A reader too slow for the stream gets an event
/// `missed` and reads the inbox.
#[utoipa::path(
    get, path = "/api/v1/customers/{id}/inbox/live", tag = "inbox",
    params(("id" = String, Path, description = "The customer's id")),
    responses((status = 200, description = "Events `message`, `missed`",
               content_type = "text/event-stream", body = InboxRow))
)]
pub(super) async fn live(
    State(source): State<Shared>,
    Path(id): Path<String>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let messages = stream::unfold((source.inbox_live(), id), |(mut messages, id)| async move {
        let event = next(&mut messages, &id).await?;
        Some((Ok(event), (messages, id)))
    });
    let alive = KeepAlive::new().interval(Duration::from_secs(KEEP_ALIVE_SECONDS));
    Sse::new(messages).keep_alive(alive)
}

/// The next message of one customer, or that some were missed, whosever they were.
async fn next(messages: &mut Receiver<Arc<InboxRow>>, customer: &str) -> Option<Event> {
    loop {
        match messages.recv().await {
            Ok(message) if message.customer == customer => {
                // Strings and lists of them: writing them as JSON cannot fail.
                let json = serde_json::to_string(&*message).unwrap_or_default();
                return Some(Event::default().event("message").data(json));
            }
            Ok(_) => {}
            Err(RecvError::Lagged(missed)) => {
                return Some(Event::default().event("missed").data(missed.to_string()));
            }
            Err(RecvError::Closed) => return None,
        }
    }
}
