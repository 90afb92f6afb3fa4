//! The way of one request with events: let in, read, judged, paced, made durable, answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use metrics::counter;
use tokio::sync::SemaphorePermit;

use super::answer::Answer;
use super::keys::{self, Stranger};
use super::unpack::{self, BODY_BYTES_MAX, Broken, percent_decode};
use super::{Ingest, Intake};
use crate::decode::{Arrival, Attributes, Body, Call, Encoded, Home, Refusal, structured};
use crate::log::{self, Group};
use crate::store::record::DeadLetter;
use crate::telemetry;

/// Most dead letters kept of one body; the others are only counted.
const LETTERS_MAX: usize = 100;
/// What is kept of an event that was refused, in bytes.
const SAMPLE_BYTES_MAX: usize = 2_048;
/// After this an overloaded log is tried again.
const OVERLOADED_WAIT: Duration = Duration::from_secs(1);

/// Addresses that take events, with the call for events that do not say what they are.
const PATHS: &[(&str, Option<Call>)] = &[
    ("/v1/track", Some(Call::Track)),
    ("/v1/identify", Some(Call::Identify)),
    ("/v1/page", Some(Call::Page)),
    ("/v1/screen", Some(Call::Screen)),
    ("/v1/group", Some(Call::Group)),
    ("/v1/alias", Some(Call::Alias)),
    ("/v1/batch", None),
    ("/v1/import", None),
    ("/v1/t", Some(Call::Track)),
    ("/v1/i", Some(Call::Identify)),
    ("/v1/p", Some(Call::Page)),
    ("/v1/s", Some(Call::Screen)),
    ("/v1/g", Some(Call::Group)),
    ("/v1/a", Some(Call::Alias)),
    ("/v1/b", None),
    ("/v1/m", None),
    ("/batch", None),
    ("/i/v0/e", None),
    ("/e", None),
    ("/capture", None),
    ("/events", None),
];

/// The routes, each with and without a slash at its end.
pub(super) fn events<I: Intake>() -> Router<Arc<Ingest<I>>> {
    PATHS.iter().fold(Router::new(), |routes, (path, call)| {
        let take = move |State(ingest): State<Arc<Ingest<I>>>, request: Request| async move {
            answer(&ingest, *call, request).await
        };
        routes.route(path, post(take)).route(&format!("{path}/"), post(take))
    })
}

async fn answer<I: Intake>(
    ingest: &Ingest<I>,
    path_call: Option<Call>,
    request: Request,
) -> Response {
    let answer = match take(ingest, path_call, request).await {
        Ok(answer) | Err(answer) => answer,
    };
    counter!("heedful_ingest_requests_total", "answer" => answer.as_str()).increment(1);
    answer.into_response()
}

async fn take<I: Intake>(
    ingest: &Ingest<I>,
    path_call: Option<Call>,
    request: Request,
) -> Result<Answer, Answer> {
    let (head, body) = request.into_parts();
    ingest.keys.welcome(&head).map_err(turn_away)?;
    let _memory = reserve(ingest, declared_length(&head))?;
    let bytes = match unpack::read(body).await {
        Ok(bytes) => bytes,
        Err(Broken::Refused(refusal)) => return Err(unreadable(ingest, &head, refusal, &[]).await),
        Err(Broken::Interrupted) => return Err(Answer::Unavailable),
    };
    let packed = if unpack::is_packed(&bytes) { BODY_BYTES_MAX } else { 0 };
    let _more_memory = reserve(ingest, packed)?;
    let shown = keys::shown(&head);
    let read = match Reading::of(&head, &bytes, path_call, &shown, ingest) {
        Ok(read) => read,
        Err(Refused::Turned(answer)) => return Err(answer),
        Err(Refused::Unreadable(refusal)) => {
            return Err(unreadable(ingest, &head, refusal, &bytes).await);
        }
    };
    append(ingest, read.encoded).await?;
    let refused = read.letters.first().map(|(refusal, _)| (read.refused, refusal.clone()));
    if !read.letters.is_empty() {
        let letters = read.letters.iter().take(LETTERS_MAX);
        let letters = letters.map(|(refusal, sample)| letter(ingest, &head, refusal, sample));
        ingest.intake.deadletter(letters.collect()).await;
    }
    Ok(Answer::Taken { refused })
}

/// A body once it has been read, with nothing borrowed from it: what is left is to wait for the log.
struct Reading {
    encoded: Encoded,
    /// Why single events were refused, and how they begin.
    letters: Vec<(Refusal, String)>,
    refused: usize,
}

/// Why a body goes no further.
enum Refused {
    Turned(Answer),
    Unreadable(Refusal),
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Unreadable(refusal)
    }
}

impl Reading {
    fn of<I: Intake>(
        head: &Parts,
        bytes: &[u8],
        path_call: Option<Call>,
        shown: &[String],
        ingest: &Ingest<I>,
    ) -> Result<Self, Refused> {
        let coding =
            head.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        let bytes = unpack::unpack(bytes, coding)?;
        let rewritten = match attributes(head) {
            Some(attributes) => Some(structured(attributes, &bytes)?),
            None => None,
        };
        let bytes = rewritten.as_deref().map_or(&*bytes, str::as_bytes);
        let mut body = Body::read(bytes, path_call)?;
        let shown = shown.iter().map(String::as_str).chain(body.keys());
        let sender =
            ingest.keys.sender(shown).map_err(|stranger| Refused::Turned(turn_away(stranger)))?;
        ingest
            .pace
            .check(sender, body.good())
            .map_err(|wait| Refused::Turned(Answer::Busy(wait)))?;
        let now = (ingest.now.0)();
        let fresh_id = || ingest.ids.fresh(now);
        let encoded = body.encode(Arrival::live(now), ingest.intake.shards(), fresh_id);
        let early =
            body.refused().map(|event| (event.refusal.clone(), sample(event.json.as_bytes())));
        let late = encoded
            .refused
            .iter()
            .map(|(refusal, json)| (refusal.clone(), sample(json.as_bytes())));
        let letters: Vec<_> = early.chain(late).collect();
        count(&encoded, &letters, body.not_for_us());
        Ok(Self { refused: letters.len(), letters, encoded })
    }
}

/// Appends to all shards together; good only when all of it is durable.
async fn append<I: Intake>(ingest: &Ingest<I>, encoded: Encoded) -> Result<(), Answer> {
    let shards = ingest.intake.shards();
    let mut by_shard: BTreeMap<u16, Vec<Bytes>> = BTreeMap::new();
    for accepted in encoded.accepted {
        let homes = match accepted.home {
            Home::Shard(shard) => shard..shard.saturating_add(1),
            Home::Everywhere => 0..shards,
        };
        for shard in homes {
            by_shard.entry(shard).or_default().push(accepted.record.clone());
        }
    }
    let groups = by_shard.into_iter().map(|(shard, records)| Group { shard, records });
    match ingest.intake.append(groups.collect()).await {
        Ok(()) => Ok(()),
        Err(log::Error::Overloaded) => Err(Answer::Busy(OVERLOADED_WAIT)),
        Err(
            log::Error::Storage(_)
            | log::Error::Away(_)
            | log::Error::Closed
            | log::Error::NoShard(_)
            | log::Error::Damaged { .. },
        ) => Err(Answer::Unavailable),
    }
}

async fn unreadable<I: Intake>(
    ingest: &Ingest<I>,
    head: &Parts,
    refusal: Refusal,
    bytes: &[u8],
) -> Answer {
    telemetry::Refused { reason: refusal.reason.as_str(), count: 1 }.emit();
    let letter = letter(ingest, head, &refusal, &sample(bytes));
    ingest.intake.deadletter(vec![letter]).await;
    Answer::Unreadable(refusal)
}

fn letter<I: Intake>(
    ingest: &Ingest<I>,
    head: &Parts,
    refusal: &Refusal,
    sample: &str,
) -> DeadLetter {
    DeadLetter {
        at: (ingest.now.0)().to_string(),
        source: format!("http:{}", head.uri.path()),
        reason: refusal.reason.as_str().to_owned(),
        detail: refusal.to_string(),
        sample: sample.to_owned(),
    }
}

fn sample(bytes: &[u8]) -> String {
    let bytes = bytes.get(..SAMPLE_BYTES_MAX).unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

fn count(encoded: &Encoded, letters: &[(Refusal, String)], not_for_us: usize) {
    let events = |fate: &'static str, count: usize| {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        counter!("heedful_ingest_odd_total", "fate" => fate).increment(count);
    };
    let accepted = u64::try_from(encoded.accepted.len()).unwrap_or(u64::MAX);
    telemetry::Accepted { source: "http", count: accepted }.emit();
    events("not_for_us", not_for_us);
    events("from_the_future", encoded.ahead);
    for (refusal, _) in letters {
        telemetry::Refused { reason: refusal.reason.as_str(), count: 1 }.emit();
    }
}

const fn turn_away(stranger: Stranger) -> Answer {
    match stranger {
        Stranger::WrongKey => Answer::WrongKey,
        Stranger::Remote => Answer::Closed,
    }
}

/// Memory for so many bytes, or a request to come again.
fn reserve<I: Intake>(
    ingest: &Ingest<I>,
    bytes: usize,
) -> Result<Option<SemaphorePermit<'_>>, Answer> {
    let Some(kib) = u32::try_from(bytes.div_ceil(1_024)).ok().filter(|kib| 0 < *kib) else {
        return Ok(None);
    };
    let permit = ingest.memory.try_acquire_many(kib);
    permit.map(Some).map_err(|_| Answer::Busy(OVERLOADED_WAIT))
}

/// The length that the request declares; without one, the most that is taken.
fn declared_length(head: &Parts) -> usize {
    let declared = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let declared = declared.and_then(|length| length.parse::<usize>().ok());
    declared.map_or(BODY_BYTES_MAX, |length| length.min(BODY_BYTES_MAX))
}

/// The attributes of an event of CloudEvents in binary mode: headers that begin with `ce-`.
fn attributes(head: &Parts) -> Option<Attributes> {
    head.headers.get("ce-specversion")?;
    let pairs = head.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("ce-")?;
        let value = String::from_utf8(percent_decode(value.as_bytes())).ok()?;
        Some((name.to_owned(), value))
    });
    Some(Attributes { pairs: pairs.collect() })
}
