//! The live stream: decisions, tasks and reloads as they happen, by server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream;
use tokio::sync::broadcast::error::RecvError;

use super::Shared;
use super::source::Live;

/// How often an idle stream says that it is alive.
const KEEP_ALIVE_SECONDS: u64 = 15;

/// Decisions, tasks and reloads as they happen. A reader too slow for the stream gets an event
/// `missed` with the number of lines lost, and goes on.
#[utoipa::path(
    get, path = "/api/v1/live", tag = "decisions",
    responses((status = 200, description = "Events `decision`, `task`, `catalog`, `missed`",
               content_type = "text/event-stream", body = Live))
)]
pub(super) async fn stream(
    State(source): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let lines = stream::unfold(source.live(), |mut receiver| async move {
        let event = match receiver.recv().await {
            Ok(line) => event_of(&line),
            Err(RecvError::Lagged(missed)) => {
                Event::default().event("missed").data(missed.to_string())
            }
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), receiver))
    });
    Sse::new(lines).keep_alive(KeepAlive::new().interval(Duration::from_secs(KEEP_ALIVE_SECONDS)))
}

fn event_of(line: &Arc<Live>) -> Event {
    let (name, json) = match &**line {
        Live::Decision(record) => ("decision", serde_json::to_string(record)),
        Live::Task(record) => ("task", serde_json::to_string(record)),
        Live::Catalog(view) => ("catalog", serde_json::to_string(view)),
    };
    // Records hold only strings, numbers and lists of them: writing them as JSON cannot fail.
    Event::default().event(name).data(json.unwrap_or_default())
}
