//! Posts outreach to a server as a signed webhook (Standard Webhooks): same id and same bytes at
//! every attempt, a new time and signature.

mod sign;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, Url, redirect};
use secrecy::ExposeSecret;
use serde::Serialize;

use super::channel::Channel;
use super::egress::{Resolver, check_address, check_url, refusal_in};
use super::outcome::{CallResult, of_status};
use crate::config::{Egress, WebhookConfig};
use crate::engine::time::Timestamp;
use crate::store::record::OutboxRow;
use sign::Signer;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT_SECONDS: u64 = 5;
/// What is read of an answer, so that its connection can be used again; past it, it is dropped.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Connections kept open to one server.
const IDLE_CONNECTIONS_MAX: usize = 16;

/// A server that takes webhooks.
#[derive(Debug)]
pub struct Webhook {
    client: Client,
    url: Url,
    egress: Egress,
    signer: Signer,
    headers: HeaderMap,
}

impl Webhook {
    /// Checks the configuration and makes the client.
    ///
    /// # Errors
    /// What is wrong, in a sentence without secrets.
    pub fn new(config: &WebhookConfig) -> Result<Self, String> {
        let url = check_url(&config.url, config.egress)?;
        let signer = Signer::new(&config.secrets)?;
        let headers = headers(config)?;
        // Only the first one in a process is kept, and they are all the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let timeout = u64::try_from(config.timeout.as_millis()).unwrap_or(0);
        let client = Client::builder()
            .timeout(Duration::from_millis(timeout))
            .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_SECONDS))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .dns_resolver(Resolver::system(config.egress))
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .user_agent(concat!("heedful/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no HTTP client can be made: {error}"))?;
        Ok(Self { client, url, egress: config.egress, signer, headers })
    }

    async fn post(&self, row: &OutboxRow, now: Timestamp) -> CallResult {
        let body = match serde_json::to_vec(&Body::of(row)) {
            Ok(body) => body,
            Err(error) => {
                return CallResult::Rejected { why: format!("it cannot be written: {error}") };
            }
        };
        let seconds = now.as_millis().div_euclid(1_000);
        let signature = self.signer.sign(&row.decision, seconds, &body);
        let request = self
            .client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &row.decision)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(answer) => self.read(answer, now).await,
            Err(error) => of_error(&error),
        }
    }

    /// The status decides. The rest of the answer is read only to free the connection.
    async fn read(&self, mut answer: Response, now: Timestamp) -> CallResult {
        if let Some(peer) = answer.remote_addr()
            && let Err(refused) = check_address(peer.ip(), self.egress)
        {
            // Every check before this one must have failed for it to come so far.
            return CallResult::Rejected { why: refused.to_string() };
        }
        let rest = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let result = of_status(answer.status().as_u16(), rest, now);
        let mut read = 0_usize;
        while read < ANSWER_BYTES_MAX {
            match answer.chunk().await {
                Ok(Some(bytes)) => read = read.saturating_add(bytes.len()),
                // The status was sent: what comes after it changes nothing.
                Ok(None) | Err(_) => break,
            }
        }
        result
    }
}

impl Channel for Webhook {
    fn call<'a>(&'a self, row: &'a OutboxRow, now: Timestamp) -> BoxFuture<'a, CallResult> {
        Box::pin(self.post(row, now))
    }
}

/// What a failed request means: before the connection stood, nothing was sent; afterwards nobody
/// can know.
fn of_error(error: &reqwest::Error) -> CallResult {
    if let Some(refused) = refusal_in(error) {
        return CallResult::NotSent { why: refused.to_string(), not_before: None };
    }
    if error.is_builder() {
        return CallResult::Rejected { why: format!("the request is wrong: {}", deepest(error)) };
    }
    if error.is_connect() {
        let why = format!("it cannot be connected to: {}", deepest(error));
        return CallResult::NotSent { why, not_before: None };
    }
    let why = if error.is_timeout() {
        "it did not answer in time"
    } else {
        "the connection broke after the request went out"
    };
    CallResult::Unknown { why: why.to_owned() }
}

/// The innermost cause. The outer ones name the URL, which may hold a key.
fn deepest(error: &reqwest::Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn headers(config: &WebhookConfig) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in &config.headers {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("`{name}` is not a header's name"))?;
        let mut value = HeaderValue::from_str(value.expose_secret())
            .map_err(|_| format!("the value of header `{name}` holds characters it must not"))?;
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

/// The body. It depends on the row alone, so that it is the same at every attempt.
#[derive(Debug, Serialize)]
struct Body<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Outreach<'a>,
}

#[derive(Debug, Serialize)]
struct Outreach<'a> {
    decision: &'a str,
    customer: &'a str,
    address: Option<&'a str>,
    channel: &'a str,
    trigger: &'a str,
    purpose: &'a str,
    locale: &'a str,
    offer: Option<&'a str>,
    arm: Option<&'a str>,
    expires_at: String,
    content: Content<'a>,
}

/// The fields in the order of the file.
#[derive(Debug)]
struct Content<'a>(&'a [crate::store::record::Field]);

impl Serialize for Content<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|field| (&field.name, &field.text)))
    }
}

impl<'a> Body<'a> {
    fn of(row: &'a OutboxRow) -> Self {
        let rfc3339 = |millis| Timestamp::from_millis(millis).to_string();
        Self {
            r#type: "outreach.send",
            timestamp: rfc3339(row.decided_at_ms),
            data: Outreach {
                decision: &row.decision,
                customer: &row.customer,
                address: row.address.as_deref(),
                channel: &row.channel,
                trigger: &row.trigger,
                purpose: &row.purpose,
                locale: &row.locale,
                offer: row.offer.as_deref(),
                arm: row.arm.as_deref(),
                expires_at: rfc3339(row.expires_at_ms),
                content: Content(&row.content),
            },
        }
    }
}
