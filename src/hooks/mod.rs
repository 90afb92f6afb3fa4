//! Where providers tell what became of messages: `POST /hooks/{channel}`. What is not proven to be
//! theirs is refused and counted, and changes nothing.

mod proof;
mod scanner;
mod shape;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures_util::future::BoxFuture;

use crate::clock::Shared as Clock;
use crate::config::{ChannelConfig, ReceiptShape};
use crate::engine::id::DecisionId;
use crate::engine::input::Told;
use crate::engine::time::Timestamp;
use crate::links::Links;
use crate::telemetry::ReceiptTaken;
use proof::{Came, Checker, Doubt};
use shape::{By, Heard, Said};

/// Largest body: providers bring some hundred kilobytes at a time.
const BODY_BYTES_MAX: usize = 1_024 * 1_024;
/// When a provider is asked to come again, in seconds.
const AGAIN_SECONDS: &str = "5";

/// A send that something was told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// The customer.
    pub customer: String,
    /// The decision.
    pub decision: DecisionId,
    /// The channel.
    pub channel: String,
    /// The purpose.
    pub purpose: String,
    /// The address that it went to, where it is known.
    pub address: Option<String>,
    /// When it was taken, where it is known.
    pub taken_at: Option<Timestamp>,
}

/// What was told of a send, to be entered into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Of which send.
    pub send: Send,
    /// What.
    pub told: Told,
    /// The same for the same thing told again.
    pub id: String,
    /// What the customer answered.
    pub text: String,
    /// From where they did.
    pub from: Option<String>,
    /// When it happened.
    pub at: Option<Timestamp>,
}

impl Receipt {
    /// What we heard ourselves of a send, without a provider: told again, it is the same.
    pub fn own(send: Send, told: Told) -> Self {
        let id = id_of(&send.channel, told, ("", ""), send.decision);
        Self { send, told, id, text: String::new(), from: None, at: None }
    }
}

/// By what a send is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought<'a> {
    /// Its decision.
    Decision(DecisionId),
    /// The name that its provider gave it.
    Name(&'a str),
    /// The address of the last one that went there.
    Address(&'a str),
}

/// Why something could not be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotNow(pub String);

/// What the hooks ask of the rest of the service. `app` answers.
pub trait Sends: Sync + std::marker::Send + 'static {
    /// Finds a send of a channel, if it is known here.
    fn find<'a>(
        &'a self,
        channel: &'a str,
        sought: Sought<'a>,
    ) -> BoxFuture<'a, Result<Option<Send>, NotNow>>;

    /// Whether a send that is not known here may be known elsewhere.
    fn may_be_elsewhere(&self) -> bool;

    /// Enters what was told into the log. Durable when it answers.
    fn enter<'a>(&'a self, receipts: &'a [Receipt]) -> BoxFuture<'a, Result<(), NotNow>>;
}

/// The doors of the channels whose providers are listened to.
#[derive(Debug)]
pub struct Doors(BTreeMap<String, Door>);

#[derive(Debug)]
struct Door {
    checker: Checker,
    shape: ReceiptShape,
}

impl Doors {
    /// Reads the secrets. `reached` says whether it is known where customers reach this service.
    ///
    /// # Errors
    /// What is wrong, a sentence for each channel.
    pub fn new(channels: &[ChannelConfig], links: &Links) -> Result<Self, String> {
        let mut doors = BTreeMap::new();
        for channel in channels {
            let place = format!("{}: channel `{}`", channel.place, channel.name);
            let checker = Checker::new(&channel.receipts);
            let Some(checker) = checker.map_err(|why| format!("{place}: {why}"))? else { continue };
            if checker.needs_url() && links.reached("/").is_none() {
                return Err(format!(
                    "{place}: what it is told is signed together with the address of this service, \
                     which nobody knows: set `unsubscribe: {{url: https://...}}`"
                ));
            }
            let shape = channel.receipts.shape;
            doors.insert(channel.name.clone(), Door { checker, shape });
        }
        Ok(Self(doors))
    }
}

#[derive(Clone)]
struct Hall {
    doors: Arc<Doors>,
    sends: Arc<dyn Sends>,
    links: Arc<Links>,
    clock: Clock,
}

/// The routes below [`crate::links::HOOKS`].
pub fn routes(doors: Doors, sends: Arc<dyn Sends>, links: Arc<Links>, clock: Clock) -> Router {
    Router::new()
        .route("/hooks/{channel}", post(take))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Hall { doors: Arc::new(doors), sends, links, clock })
}

/// Why nothing of a request was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// No provider of ours.
    Forged,
    /// Signed too long ago.
    Stale,
    /// Too large.
    Oversized,
    /// Not understood.
    Malformed,
    /// It has to come again.
    NotNow,
}

impl Refused {
    const fn word(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::Stale => "stale",
            Self::Oversized => "oversized",
            Self::Malformed => "malformed",
            Self::NotNow => "not_now",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Forged | Self::Stale => StatusCode::UNAUTHORIZED,
            Self::Oversized => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NotNow => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

async fn take(
    State(hall): State<Hall>,
    Path(channel): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let Some(door) = hall.doors.0.get(&channel) else {
        // The name is not ours, so that it is no label.
        ReceiptTaken { channel: "", result: "no_door" }.emit();
        return (StatusCode::NOT_FOUND, "nothing is heard for this channel\n").into_response();
    };
    let said = match body {
        Ok(body) => hall.understand(door, &uri, &headers, &body),
        Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err((Refused::Oversized, "it is too large".to_owned()))
        }
        Err(_) => Err((Refused::Malformed, "it ended too early".to_owned())),
    };
    let taken = match said {
        Ok(Said::Challenge(words)) => return words.into_response(),
        Ok(Said::Heard(all)) => hall.take_in(&channel, all).await,
        Err(refused) => Err(refused),
    };
    match taken {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err((refused, why)) => {
            ReceiptTaken { channel: &channel, result: refused.word() }.emit();
            let answer = (refused.status(), format!("{why}\n"));
            match refused {
                Refused::NotNow => ([(header::RETRY_AFTER, AGAIN_SECONDS)], answer).into_response(),
                Refused::Forged | Refused::Stale | Refused::Oversized | Refused::Malformed => {
                    answer.into_response()
                }
            }
        }
    }
}

impl Hall {
    fn understand(
        &self,
        door: &Door,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Said, (Refused, String)> {
        let path = uri.path_and_query().map_or(uri.path(), |whole| whole.as_str());
        let url = self.links.reached(path);
        let came = Came { headers, body, url: url.as_deref(), now: self.clock.now() };
        door.checker.check(came).map_err(|doubt| match doubt {
            Doubt::Forged => (Refused::Forged, "it is not signed by this provider".to_owned()),
            Doubt::Stale => (Refused::Stale, "it was signed too long ago".to_owned()),
        })?;
        let query = uri.query().unwrap_or_default();
        let reference = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "reference")
            .map(|(_, value)| value.into_owned());
        shape::read(door.shape, body, reference.as_deref()).map_err(|why| (Refused::Malformed, why))
    }

    async fn take_in(&self, channel: &str, all: Vec<Heard>) -> Result<(), (Refused, String)> {
        let not_now = |NotNow(why)| (Refused::NotNow, why);
        let mut receipts = Vec::new();
        let (mut unknown, mut programs) = (0_u64, 0_u64);
        for heard in all {
            let Some(send) = self.find(channel, &heard).await.map_err(not_now)? else {
                unknown += 1;
                continue;
            };
            let at = heard.at.unwrap_or(self.clock.now());
            if heard.told == Told::Clicked
                && scanner::is_program(heard.agent.as_deref(), send.taken_at, at)
            {
                programs += 1;
                continue;
            }
            receipts.push(receipt(channel, send, heard));
        }
        if 0 < unknown && receipts.is_empty() && self.sends.may_be_elsewhere() {
            return Err((Refused::NotNow, "the send may be known on another node".to_owned()));
        }
        if !receipts.is_empty() {
            self.sends.enter(&receipts).await.map_err(not_now)?;
        }
        for receipt in &receipts {
            ReceiptTaken { channel, result: receipt.told.as_str() }.emit();
        }
        for (result, count) in [("unknown", unknown), ("program", programs)] {
            (0..count).for_each(|_| ReceiptTaken { channel, result }.emit());
        }
        Ok(())
    }

    /// The send that something was told of, by the surest of what is there.
    async fn find(&self, channel: &str, heard: &Heard) -> Result<Option<Send>, NotNow> {
        for by in &heard.by {
            let found = match by {
                By::Reference(token) => self.read(token),
                By::Decision(text) => match DecisionId::parse(text) {
                    Some(id) => self.sends.find(channel, Sought::Decision(id)).await?,
                    None => None,
                },
                By::Name(name) => self.sends.find(channel, Sought::Name(name)).await?,
                By::Address(address) => self.sends.find(channel, Sought::Address(address)).await?,
            };
            // The key of one channel says nothing of another one.
            if let Some(send) = found.filter(|send| send.channel == channel) {
                return Ok(Some(send));
            }
        }
        Ok(None)
    }

    fn read(&self, token: &str) -> Option<Send> {
        let claim = self.links.read_reference(token, self.clock.now()).ok()?;
        Some(Send {
            decision: DecisionId::parse(&claim.decision)?,
            customer: claim.customer,
            channel: claim.channel,
            purpose: claim.purpose,
            address: None,
            taken_at: None,
        })
    }
}

fn receipt(channel: &str, send: Send, heard: Heard) -> Receipt {
    let Heard { told, id, text, from, address, at, .. } = heard;
    let id = id_of(channel, told, (&id, &text), send.decision);
    let send = Send { address: address.or(send.address), ..send };
    Receipt { send, told, id, text, from, at }
}

/// Without an id of its own, the same told of the same send is the same.
fn id_of(channel: &str, told: Told, (id, text): (&str, &str), decision: DecisionId) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [channel, told.as_str(), id, &decision.to_string(), text] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    DecisionId::from_bytes(bytes).to_string()
}
