//! Posts outreach to a server as a signed webhook (Standard Webhooks): same id and same bytes at
//! every attempt, a new time and signature.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, Url};
use serde::Serialize;

use super::channel::Channel;
use super::client;
use super::egress::check_url;
use super::fill;
use super::outcome::{CallResult, of_status};
use crate::config::{Egress, WebhookConfig};
use crate::engine::time::Timestamp;
use crate::links::Links;
use crate::signing::Signer;
use crate::store::record::OutboxRow;

/// A server that takes webhooks.
#[derive(Debug)]
pub struct Webhook {
    client: Client,
    url: Url,
    egress: Egress,
    signer: Signer,
    headers: HeaderMap,
    /// Where receipts are taken in.
    links: Option<Arc<Links>>,
}

impl Webhook {
    /// Checks the configuration and makes the client.
    ///
    /// # Errors
    /// What is wrong, in a sentence without secrets.
    pub fn new(config: &WebhookConfig) -> Result<Self, String> {
        let url = check_url(&config.url, config.egress)?;
        let signer = Signer::new(&config.secrets)?;
        let headers =
            client::headers(config.headers.iter().map(|(name, value)| (name.as_str(), value)))?;
        let client = client::client(config.timeout, config.egress)?;
        Ok(Self { client, url, egress: config.egress, signer, headers, links: None })
    }

    /// The same, whose messages say by what receipts about them are known.
    #[must_use]
    pub fn heard(self, links: Option<Arc<Links>>) -> Self {
        Self { links, ..self }
    }

    async fn post(&self, row: &OutboxRow, now: Timestamp) -> CallResult {
        let body = match body(row, self.links.as_deref()) {
            Ok(body) => body,
            Err(why) => return CallResult::Rejected { why },
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
            Err(error) => client::of_error(&error),
        }
    }

    /// The status decides. The rest of the answer is read only to free the connection.
    async fn read(&self, mut answer: Response, now: Timestamp) -> CallResult {
        if let Err(refused) = client::check_peer(&answer, self.egress) {
            return CallResult::Rejected { why: refused.to_string() };
        }
        let rest = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let result = of_status(answer.status().as_u16(), rest, now);
        // The status was sent: what comes after it changes nothing.
        drop(client::rest(&mut answer).await);
        result
    }
}

impl Channel for Webhook {
    fn call<'a>(&'a self, row: &'a OutboxRow, now: Timestamp) -> BoxFuture<'a, CallResult> {
        Box::pin(self.post(row, now))
    }
}

/// What is in a body.
pub(super) const TYPE: &str = "outreach.send";

/// The body of a row as JSON.
///
/// # Errors
/// Why it cannot be written.
pub(super) fn body(row: &OutboxRow, links: Option<&Links>) -> Result<Vec<u8>, String> {
    serde_json::to_vec(&Body::of(row, links))
        .map_err(|error| format!("it cannot be written: {error}"))
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
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
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
    fn of(row: &'a OutboxRow, links: Option<&Links>) -> Self {
        let rfc3339 = |millis| Timestamp::from_millis(millis).to_string();
        Self {
            r#type: TYPE,
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
                reference: links.map(|links| fill::reference(row, links)),
                content: Content(&row.content),
            },
        }
    }
}
