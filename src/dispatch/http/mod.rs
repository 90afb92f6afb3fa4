//! Calls anybody's API: address, headers and body are templates, what the answer means is said by
//! expressions.

mod answer;
#[cfg(test)]
mod presets;
mod probe;
mod template;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use minijinja::Value;
use minijinja::value::Serde;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, Url};
use serde::de::IgnoredAny;

use super::channel::Channel;
use super::client::{self, header_name, header_value};
use super::egress::check_url;
use super::fill;
use super::outcome::{Answer, CallResult};
use crate::config::{Egress, HttpBody, HttpConfig, Length, Method, ProbeConfig};
use crate::engine::time::{Span, Timestamp};
use crate::links::Links;
use crate::store::record::OutboxRow;
use crate::telemetry::TakenAs;
use answer::Judge;
use probe::{About, Probe};
use template::{BODY, CONFIRM_BY, MESSAGE, Seen, Templates, URL};

/// Largest file that holds a token, in bytes.
const TOKEN_BYTES_MAX: u64 = 16 * 1024;
/// Longest name of who has to confirm a message, in characters.
const BY_CHARS_MAX: usize = 100;
/// Largest body that is sent.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Somebody's API.
#[derive(Debug)]
pub struct Http {
    client: Client,
    method: reqwest::Method,
    egress: Egress,
    templates: Templates,
    /// What the URL comes to for a sample: no row may lead elsewhere.
    sample: Url,
    headers: Vec<(HeaderName, String)>,
    bearer_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    body: Body,
    message_max: Option<Length>,
    idempotency: Option<HeaderName>,
    judge: Judge,
    /// How it is asked what became of a call.
    probe: Option<Probe>,
    confirm: Option<Confirm>,
    /// Where receipts are taken in.
    links: Option<Arc<Links>>,
}

/// How it is asked whether somebody confirmed what was taken, how often, and for how long.
#[derive(Debug)]
struct Confirm {
    probe: Probe,
    every: Span,
    within: Span,
}

/// What is sent.
#[derive(Debug)]
enum Body {
    Nothing,
    Json,
    /// The fields with the names of their templates.
    Form(Vec<(String, String)>),
}

/// A call as it is written for one row.
#[derive(Debug)]
struct Written {
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Http {
    /// Checks the configuration, writes a sample, and makes the client.
    ///
    /// # Errors
    /// What is wrong, in a sentence without secrets.
    pub fn new(config: &HttpConfig) -> Result<Self, String> {
        let mut templates = Templates::new(&config.with);
        templates.add(URL, &config.url)?;
        templates.add(MESSAGE, &config.message)?;
        let mut headers = Vec::new();
        for (name, value) in &config.headers {
            let template = format!("headers.{name}");
            templates.add(&template, value)?;
            headers.push((header_name(name)?, template));
        }
        let body = match &config.body {
            HttpBody::Nothing => Body::Nothing,
            HttpBody::Json(source) => {
                templates.add(BODY, source)?;
                Body::Json
            }
            HttpBody::Form(fields) => {
                let mut named = Vec::new();
                for (name, source) in fields {
                    let template = format!("form.{name}");
                    templates.add(&template, source)?;
                    named.push((name.clone(), template));
                }
                Body::Form(named)
            }
        };
        let token = config.token_file.as_ref().map(|_| "sample".to_owned());
        let whole = templates.sample().with_token(token);
        let sample = templates.render(URL, &Value::from(Serde(&whole)))?;
        let mut probe = |about, asked: &ProbeConfig| {
            Probe::new((about, asked), (&mut templates, whole.clone()), config.egress)
        };
        let lost = config.probe.as_ref().map(|asked| probe(About::Call, asked)).transpose()?;
        let confirm = config.confirm.as_ref().map(|confirm| {
            let probe = probe(About::Confirmation, &confirm.asked)?;
            let (every, within) = (confirm.asked.after, confirm.within);
            Ok::<_, String>(Confirm { probe, every, within })
        });
        let confirm = confirm.transpose()?;
        if let Some(by) = config.confirm.as_ref().and_then(|confirm| confirm.by.as_ref()) {
            templates.add(CONFIRM_BY, by)?;
        }
        let idempotency = config.idempotency.as_ref().map(|known| header_name(&known.header));
        let made = Self {
            client: client::client(config.timeout, config.egress)?,
            method: method(config.method),
            egress: config.egress,
            sample: check_url(&sample, config.egress)?,
            headers,
            bearer_file: config.bearer_file.clone(),
            token_file: config.token_file.clone(),
            body,
            message_max: config.message_max,
            idempotency: idempotency.transpose()?,
            judge: Judge::new(&config.answer)?,
            probe: lost,
            confirm,
            templates,
            links: None,
        };
        made.write(whole, "sample")?;
        Ok(made)
    }

    /// The same, whose messages say where receipts about them are taken in.
    #[must_use]
    pub fn heard(self, links: Option<Arc<Links>>) -> Self {
        Self { links, ..self }
    }

    /// Writes a call.
    fn write(&self, mut seen: Seen, decision: &str) -> Result<Written, String> {
        let message = self.templates.render(MESSAGE, &Value::from(Serde(&seen)))?;
        self.check_length(&message)?;
        seen.message = Some(message);
        let seen = Value::from(Serde(&seen));
        let url = self.url(&self.templates.render(URL, &seen)?)?;
        let (kind, body) = self.body(&seen)?;
        if BODY_BYTES_MAX < body.len() {
            return Err(format!("its body is longer than {BODY_BYTES_MAX} bytes"));
        }
        let mut headers = HeaderMap::new();
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        for (name, template) in &self.headers {
            let value = self.templates.render(template, &seen)?;
            headers.insert(name.clone(), header_value(name.as_str(), &value)?);
        }
        if let Some(name) = &self.idempotency {
            headers.insert(name.clone(), header_value(name.as_str(), decision)?);
        }
        Ok(Written { url, headers, body })
    }

    fn check_length(&self, message: &str) -> Result<(), String> {
        let (length, most, unit) = match self.message_max {
            None => return Ok(()),
            Some(Length::Bytes(most)) => (message.len(), most, "bytes"),
            Some(Length::Characters(most)) => (message.chars().count(), most, "characters"),
        };
        if length <= most {
            return Ok(());
        }
        Err(format!("its message has {length} {unit}, and the channel takes {most}"))
    }

    /// The address of a call. What a row prints into it may be a part of it and no more.
    fn url(&self, text: &str) -> Result<Url, String> {
        same_place(check_url(text, self.egress)?, text, &self.sample)
    }

    fn body(&self, seen: &Value) -> Result<(Option<&'static str>, Vec<u8>), String> {
        match &self.body {
            Body::Nothing => Ok((None, Vec::new())),
            Body::Json => {
                let text = self.templates.render(BODY, seen)?;
                check_json(&text)?;
                Ok((Some("application/json"), text.into_bytes()))
            }
            Body::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, template) in fields {
                    let value = self.templates.render(template, seen)?;
                    if !value.is_empty() {
                        form.append_pair(name, &value);
                    }
                }
                let text = form.finish();
                Ok((Some("application/x-www-form-urlencoded"), text.into_bytes()))
            }
        }
    }

    fn seen(&self, row: &OutboxRow, now: Timestamp) -> Seen {
        let mut seen = self.templates.seen(row, now);
        if let Some(links) = &self.links {
            let reference = fill::reference(row, links);
            seen.receipts_url = links.hook(&row.channel, &reference).unwrap_or_default();
            seen.reference = reference;
        }
        seen
    }

    async fn send(&self, row: &OutboxRow, now: Timestamp) -> CallResult {
        // Whoever keeps a token fresh may come back.
        let tokens = self.seen_with_token(row, now).and_then(|seen| Ok((seen, self.bearer()?)));
        let (seen, bearer) = match tokens {
            Ok(tokens) => tokens,
            Err(why) => return CallResult::NotSent { why, not_before: None },
        };
        let Written { url, mut headers, body } = match self.write(seen, &row.decision) {
            Ok(written) => written,
            Err(why) => return CallResult::Rejected { why },
        };
        headers.extend(bearer.map(|token| (AUTHORIZATION, token)));
        let request = self.client.request(self.method.clone(), url).headers(headers).body(body);
        match request.send().await {
            Ok(answer) => self.read(answer, row, now).await,
            Err(error) => client::of_error(&error),
        }
    }

    fn bearer(&self) -> Result<Option<HeaderValue>, String> {
        let Some(path) = &self.bearer_file else { return Ok(None) };
        let token = token_in(path, "bearer_file")?;
        header_value("authorization", &format!("Bearer {token}")).map(Some)
    }

    /// What templates see of a row, with the token as it is now.
    fn seen_with_token(&self, row: &OutboxRow, now: Timestamp) -> Result<Seen, String> {
        let token = self.token_file.as_ref().map(|path| token_in(path, "token_file"));
        Ok(self.seen(row, now).with_token(token.transpose()?))
    }

    async fn read(&self, mut answer: Response, row: &OutboxRow, now: Timestamp) -> CallResult {
        if let Err(refused) = client::check_peer(&answer, self.egress) {
            return CallResult::Rejected { why: refused.to_string() };
        }
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let rest = client::rest(&mut answer).await;
        let judged = self.judge.read(status, &headers, &rest, now);
        if let Some(external_id) = &judged.external_id {
            TakenAs { channel: &row.channel, decision: &row.decision, external_id }.emit();
        }
        match (judged.result, judged.external_id, &self.confirm) {
            (CallResult::Delivered, Some(name), Some(Confirm { every, within, .. })) => {
                let by = self.confirmed_by(row, now);
                CallResult::Accepted { name, by, every: *every, within: *within }
            }
            (CallResult::Delivered, None, Some(_)) => {
                let why = "it was taken under no name, so that nobody can ask whether it was sent";
                CallResult::Unknown { why: why.to_owned() }
            }
            (CallResult::Delivered, Some(name), None) => CallResult::DeliveredAs { name },
            (result, _, _) => result,
        }
    }
}

impl Http {
    /// Who has to confirm a message, for people to read.
    fn confirmed_by(&self, row: &OutboxRow, now: Timestamp) -> Option<String> {
        let seen = Value::from(Serde(self.seen(row, now)));
        let by = self.templates.render(CONFIRM_BY, &seen).ok()?;
        let by: String = by.chars().filter(|c| !c.is_control()).take(BY_CHARS_MAX).collect();
        (!by.trim().is_empty()).then(|| by.trim().to_owned())
    }

    async fn ask(&self, row: &OutboxRow, now: Timestamp) -> Answer {
        let unclear = |why: String| Answer::Unclear { why };
        let confirm = self.confirm.as_ref().map(|confirm| &confirm.probe);
        let probe = if row.confirming.is_some() { confirm } else { self.probe.as_ref() };
        let Some(probe) = probe else { return unclear("it cannot be asked".to_owned()) };
        let written = self
            .seen_with_token(row, now)
            .and_then(|seen| probe.write(&self.templates, seen, self.egress));
        let (method, Written { url, mut headers, body }) = match written {
            Ok(written) => written,
            Err(why) => return unclear(why),
        };
        match self.bearer() {
            Ok(token) => headers.extend(token.map(|token| (AUTHORIZATION, token))),
            Err(why) => return unclear(why),
        }
        let request = self.client.request(method, url).headers(headers).body(body);
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return unclear(client::of_error(&error).why().to_owned()),
        };
        if let Err(refused) = client::check_peer(&answer, self.egress) {
            return unclear(refused.to_string());
        }
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let rest = client::rest(&mut answer).await;
        probe.read(status, &headers, &rest, now)
    }
}

/// Checks that what a template wrote is JSON.
fn check_json(text: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| {
        // The message of the parser shows no part of the text.
        format!(
            "`body` is not JSON: {error}; values bring their own quotes: write \
             `{{{{ message }}}}` without any"
        )
    })
}

/// A file with a token as it is now: small, local, and read before a call over the network.
fn token_in(path: &Path, key: &str) -> Result<String, String> {
    let unreadable = |why: String| format!("`{key}` cannot be read: {why}");
    let size = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if TOKEN_BYTES_MAX < size {
        return Err(unreadable(format!("it is larger than {TOKEN_BYTES_MAX} bytes")));
    }
    let token = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    Ok(token.trim().to_owned())
}

/// A URL that leads where the sample leads: what a row prints may be a part of its path, and no
/// more.
fn same_place(url: Url, text: &str, sample: &Url) -> Result<Url, String> {
    let written = text.split(['?', '#']).next().unwrap_or_default();
    // `https://` has two of the slashes that are written.
    let slashes = written.matches('/').count().saturating_sub(2);
    let path = url.path().matches('/').count();
    let same = url.origin() == sample.origin() && path == slashes.max(1);
    if same { Ok(url) } else { Err("what is printed into its URL leads elsewhere".to_owned()) }
}

impl Channel for Http {
    fn call<'a>(&'a self, row: &'a OutboxRow, now: Timestamp) -> BoxFuture<'a, CallResult> {
        Box::pin(self.send(row, now))
    }

    fn ask<'a>(&'a self, row: &'a OutboxRow, now: Timestamp) -> BoxFuture<'a, Answer> {
        Box::pin(Self::ask(self, row, now))
    }
}

const fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Get => reqwest::Method::GET,
    }
}
