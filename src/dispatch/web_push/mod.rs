//! Messages that browsers show, also while no page is open: closed for one browser, signed, and handed
//! to the service of whoever made it (RFC 8030).

mod seal;
#[cfg(test)]
mod tests;
mod vapid;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::client;
use super::egress::{check_url, refusal_in};
use super::outcome::{CallResult, of_status, said};
use crate::config::{Egress, WebPushConfig};
use crate::engine::time::Timestamp;
use crate::store::record::OutboxRow;
use seal::{MESSAGE_BYTES_MAX, Receiver};
use vapid::Vapid;

/// Longest subscription that is looked at.
const SUBSCRIPTION_BYTES_MAX: usize = 4_096;
/// Longest time that a service is asked to keep a message for a device that is off: four weeks, as
/// services do.
const TTL_SECONDS_MAX: i64 = 28 * 24 * 60 * 60;

/// The services of browsers.
#[derive(Debug)]
pub struct WebPush {
    client: Client,
    vapid: Vapid,
    urgency: &'static str,
    services: Vec<String>,
    egress: Egress,
}

/// A browser, as its page tells of it (`PushSubscription.toJSON()`).
#[derive(Deserialize)]
struct Subscription {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

/// What the page's worker gets. It depends on the row alone.
#[derive(Debug, Serialize)]
struct Message<'a> {
    id: &'a str,
    title: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

impl WebPush {
    /// Checks the configuration and makes the client.
    ///
    /// # Errors
    /// What is wrong, in a sentence without secrets.
    pub fn new(config: &WebPushConfig) -> Result<Self, String> {
        Ok(Self {
            client: client::client(config.timeout, config.egress)?,
            vapid: Vapid::new(config)?,
            urgency: config.urgency.as_str(),
            services: config.services.clone(),
            egress: config.egress,
        })
    }

    /// What pages subscribe with (`applicationServerKey`).
    pub fn public_key(&self) -> &str {
        self.vapid.public()
    }

    async fn push(&self, row: &OutboxRow, now: Timestamp) -> CallResult {
        let written = message(row).and_then(|message| {
            let (url, receiver) = self.receiver(row.address.as_deref().unwrap_or_default())?;
            let closed = seal::seal(&receiver, &message);
            let closed = closed.map_err(|_| Refused::Gone("its key is none".to_owned()))?;
            let origin = url.origin().ascii_serialization();
            let signed = self.vapid.authorization(&origin, now).map_err(Refused::Never)?;
            Ok((url, signed, closed))
        });
        let (url, signed, closed) = match written {
            Ok(written) => written,
            Err(Refused::Never(why)) => return CallResult::Rejected { why },
            Err(Refused::Gone(why)) => {
                return CallResult::Gone { why: format!("the subscription cannot be used: {why}") };
            }
        };
        let left = (row.expires_at_ms - now.as_millis()).div_euclid(1_000);
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_ENCODING, "aes128gcm")
            .header(AUTHORIZATION, signed)
            .header("ttl", left.clamp(0, TTL_SECONDS_MAX))
            .header("urgency", self.urgency)
            // A second one takes the place of the first, as long as that is not shown.
            .header("topic", &row.decision)
            .body(closed);
        match request.send().await {
            Ok(answer) => self.read(answer, now).await,
            Err(error) => of_error(&error),
        }
    }

    async fn read(&self, mut answer: Response, now: Timestamp) -> CallResult {
        if let Err(refused) = client::check_peer(&answer, self.egress) {
            return CallResult::Rejected { why: refused.to_string() };
        }
        let status = answer.status().as_u16();
        let rest = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let result = match status {
            404 | 410 => {
                CallResult::Gone { why: format!("the subscription is over: {}", said(status)) }
            }
            _ => of_status(status, rest, now),
        };
        // The status was sent: what comes after it changes nothing.
        drop(client::rest(&mut answer).await);
        result
    }

    /// Where a browser is reached, and what its messages are closed with. Customers say it: it leads to
    /// no host that is no service of browsers.
    fn receiver(&self, subscription: &str) -> Result<(Url, Receiver), Refused> {
        let gone = |why: &str| Refused::Gone(why.to_owned());
        if SUBSCRIPTION_BYTES_MAX < subscription.len() {
            return Err(gone("it is too long"));
        }
        let Subscription { endpoint, keys } = serde_json::from_str(subscription)
            .map_err(|_| gone("it is not as browsers write it"))?;
        let public = bytes(&keys.p256dh).ok_or_else(|| gone("`p256dh` is no key"))?;
        let auth = bytes(&keys.auth).ok_or_else(|| gone("`auth` has not 16 bytes"))?;
        let url = check_url(&endpoint, self.egress).map_err(Refused::Never)?;
        let host = url.host_str().unwrap_or_default();
        let is_service = |service: &String| {
            let above = host.strip_suffix(service.as_str());
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        if !self.services.iter().any(is_service) {
            let why =
                "its endpoint is at no service of browsers that is known: name it in `services`";
            return Err(Refused::Never(why.to_owned()));
        }
        Ok((url, Receiver { public, auth }))
    }
}

impl Channel for WebPush {
    fn call<'a>(&'a self, row: &'a OutboxRow, now: Timestamp) -> BoxFuture<'a, CallResult> {
        Box::pin(self.push(row, now))
    }
}

/// Why nothing is sent.
#[derive(Debug)]
enum Refused {
    /// To this message.
    Never(String),
    /// To this browser.
    Gone(String),
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?.try_into().ok()
}

fn message(row: &OutboxRow) -> Result<Vec<u8>, Refused> {
    let field = |name: &str| row.content.iter().find(|field| &*field.name == name);
    let text = |name: &str| field(name).map(|field| &*field.text).filter(|text| !text.is_empty());
    let never = |why: String| Refused::Never(why);
    let title = text("title").or_else(|| text("subject"));
    let title = title.ok_or_else(|| never("it has no `title`".to_owned()))?;
    let message = Message { id: &row.decision, title, body: text("body"), url: text("url") };
    let json = serde_json::to_vec(&message);
    let json = json.map_err(|error| never(format!("it cannot be written: {error}")))?;
    let length = json.len();
    if MESSAGE_BYTES_MAX < length {
        return Err(never(format!("it has {length} bytes, and browsers get {MESSAGE_BYTES_MAX}")));
    }
    Ok(json)
}

/// What a call without an answer means. It lies in the endpoint of one customer whether it can be
/// reached: it must not keep the others from theirs.
fn of_error(error: &reqwest::Error) -> CallResult {
    if let Some(refused) = refusal_in(error) {
        return CallResult::Rejected { why: refused.to_string() };
    }
    match client::of_error(error) {
        CallResult::NotSent { why, .. } => CallResult::PutOff { why },
        result => result,
    }
}
