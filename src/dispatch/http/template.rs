//! The templates of a call: what they see, and how what they print is written where it goes.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use minijinja::value::Object;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value,
    escape_formatter,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::Sha256;

use crate::engine::message::{bounded, truncate};
use crate::engine::time::Timestamp;
use crate::store::record::OutboxRow;

/// Instructions that one template may take.
const FUEL: u64 = 50_000;
/// The template of the URL: what it prints is encoded.
pub(super) const URL: &str = "url";
/// The template of the address at which is asked what became of a call.
pub(super) const PROBE_URL: &str = "probe.url";
/// The template of what is sent along with that question.
pub(super) const PROBE_BODY: &str = "probe.body";
/// The template of the address at which is asked whether somebody confirmed a message.
pub(super) const CONFIRM_URL: &str = "confirm.url";
/// The template of what is sent along with that question.
pub(super) const CONFIRM_BODY: &str = "confirm.body";
/// The template of who has to confirm it.
pub(super) const CONFIRM_BY: &str = "confirm.by";
/// The template of the body: what it prints is JSON.
pub(super) const BODY: &str = "body";
/// The template of the message.
pub(super) const MESSAGE: &str = "message";
/// What may stand in a URL as it is.
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The templates of one channel.
#[derive(Debug)]
pub(super) struct Templates {
    env: Environment<'static>,
    with: Value,
}

impl Templates {
    pub(super) fn new(with: &[(String, SecretString)]) -> Self {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        env.set_fuel(Some(FUEL));
        // Off, or errors would show the source, which may hold secrets.
        env.set_debug(false);
        env.set_auto_escape_callback(|name| match name {
            URL | PROBE_URL | CONFIRM_URL => AutoEscape::Custom(URL.into()),
            BODY | PROBE_BODY | CONFIRM_BODY => AutoEscape::Custom(BODY.into()),
            _ => AutoEscape::None,
        });
        env.set_formatter(write);
        // It would let what a customer typed out of its place.
        env.remove_filter("safe");
        env.add_filter("base64", |text: &str| STANDARD.encode(text));
        env.add_filter("hmac_sha256", hmac_sha256);
        env.add_filter("truncate", truncate);
        let with =
            with.iter().map(|(name, value)| (name.clone(), Value::from(value.expose_secret())));
        Self { env, with: Value::from_pairs(with) }
    }

    /// Compiles a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn add(&mut self, name: &str, source: &SecretString) -> Result<(), String> {
        let source = source.expose_secret().to_owned();
        bounded(&source).map_err(|why| format!("`{name}`: {why}"))?;
        self.env
            .add_template_owned(name.to_owned(), source)
            .map_err(|error| format!("`{name}`: {}", said(&error)))
    }

    /// Writes one.
    ///
    /// # Errors
    /// What it asks for and is not there.
    pub(super) fn render(&self, name: &str, seen: &Value) -> Result<String, String> {
        let template = self.env.get_template(name);
        let made = template.and_then(|template| template.render(seen));
        made.map_err(|error| format!("`{name}` cannot be written: {}", said(&error)))
    }

    /// What templates see of a row.
    pub(super) fn seen(&self, row: &OutboxRow, now: Timestamp) -> Seen {
        let time = |millis| Timestamp::from_millis(millis).to_string();
        let content = row.content.iter().map(|field| (field.name.to_string(), field.text.as_str()));
        Seen {
            decision: row.decision.clone(),
            customer: row.customer.clone(),
            address: row.address.clone(),
            channel: row.channel.clone(),
            trigger: row.trigger.clone(),
            purpose: row.purpose.clone(),
            locale: row.locale.clone(),
            offer: row.offer.clone(),
            arm: row.arm.clone(),
            decided_at: time(row.decided_at_ms),
            expires_at: time(row.expires_at_ms),
            now: now.as_millis().div_euclid(1_000),
            now_ms: now.as_millis(),
            content: Value::from_pairs(content.map(|(name, text)| (name, Value::from(text)))),
            with: self.with.clone(),
            reference: String::new(),
            receipts_url: String::new(),
            accepted: row.confirming.as_ref().map(|known| known.name.clone()),
            token: None,
            message: None,
        }
    }

    /// What they see of a row that has everything, to find mistakes before there is one.
    pub(super) fn sample(&self) -> Seen {
        let word = || "sample".to_owned();
        let time = || Timestamp::from_millis(0).to_string();
        Seen {
            decision: word(),
            customer: word(),
            address: Some(word()),
            channel: word(),
            trigger: word(),
            purpose: word(),
            locale: word(),
            offer: Some(word()),
            arm: Some(word()),
            decided_at: time(),
            expires_at: time(),
            now: 0,
            now_ms: 0,
            content: Value::from_object(AnyField),
            with: self.with.clone(),
            reference: word(),
            receipts_url: word(),
            accepted: Some(word()),
            token: None,
            message: None,
        }
    }
}

/// What templates see.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Seen {
    decision: String,
    customer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    channel: String,
    trigger: String,
    purpose: String,
    locale: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arm: Option<String>,
    decided_at: String,
    expires_at: String,
    now: i64,
    now_ms: i64,
    content: Value,
    with: Value,
    pub(super) reference: String,
    pub(super) receipts_url: String,
    /// By what name the other side knows what it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<String>,
    /// What is in `token_file` now.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

impl Seen {
    /// The same, with what is in `token_file` now.
    pub(super) fn with_token(self, token: Option<String>) -> Self {
        Self { token, ..self }
    }
}

/// Content in which every field is there.
#[derive(Debug)]
struct AnyField;

impl Object for AnyField {
    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some("sample".into())
    }
}

/// Writes a value where it goes: as JSON, as a part of a URL, or as it is.
fn write(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let AutoEscape::Custom(place) = state.auto_escape() else {
        return escape_formatter(out, state, value);
    };
    // Undefined parts of expressions that MiniJinja lets pass are no values to send.
    if value.is_undefined() {
        return Ok(());
    }
    let written = if *place == URL {
        utf8_percent_encode(&value.to_string(), IN_URL).to_string()
    } else {
        serde_json::to_string(value)
            .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?
    };
    out.write_str(&written).map_err(Error::from)
}

/// `{{ text | hmac_sha256(key) }}`: in base64, as those who sign requests want it.
fn hmac_sha256(text: &str, key: &str) -> Result<String, Error> {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    let mut mac =
        mac.map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    mac.update(text.as_bytes());
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

/// An error without the name of the template, which we say ourselves.
pub(super) fn said(error: &Error) -> String {
    let line = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    format!("{}{detail}{line}", error.kind())
}
