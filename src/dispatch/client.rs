//! The HTTP client of the channels: never redirected, never by a proxy, only to addresses that may
//! be called, and it reads so much of an answer and no more.

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, redirect};
use secrecy::{ExposeSecret, SecretString};

use super::egress::{Refused, Resolver, check_address, refusal_in};
use super::outcome::CallResult;
use crate::config::Egress;
use crate::engine::time::Span;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT_SECONDS: u64 = 5;
/// What is read of an answer, so that its connection can be used again; past it, it is dropped.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Connections kept open to one server.
const IDLE_CONNECTIONS_MAX: usize = 16;

/// What was read of an answer after its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// All of it.
    Whole(Vec<u8>),
    /// It broke off, or went on past the bound.
    Cut,
}

/// Makes a client.
///
/// # Errors
/// Why there is none, in a sentence.
pub(super) fn client(timeout: Span, egress: Egress) -> Result<Client, String> {
    // Only the first one in a process is kept, and they are all the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    let timeout = u64::try_from(timeout.as_millis()).unwrap_or(0);
    Client::builder()
        .timeout(Duration::from_millis(timeout))
        .connect_timeout(Duration::from_secs(CONNECT_TIMEOUT_SECONDS))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .dns_resolver(Resolver::system(egress))
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .user_agent(concat!("heedful/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("no HTTP client can be made: {error}"))
}

/// Checks who really answered. Every check before this one must have failed for an answer to come
/// from an address that must not be called.
///
/// # Errors
/// What the address is.
pub(super) fn check_peer(answer: &Response, egress: Egress) -> Result<(), Refused> {
    answer.remote_addr().map_or(Ok(()), |peer| check_address(peer.ip(), egress))
}

/// Reads an answer to its end or to the bound.
pub(super) async fn rest(answer: &mut Response) -> Rest {
    let mut read = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(bytes)) if read.len() + bytes.len() <= ANSWER_BYTES_MAX => {
                read.extend_from_slice(&bytes);
            }
            Ok(None) => return Rest::Whole(read),
            Ok(Some(_)) | Err(_) => return Rest::Cut,
        }
    }
}

/// What a failed request means: before the connection stood, nothing was sent; afterwards nobody
/// can know.
pub(super) fn of_error(error: &reqwest::Error) -> CallResult {
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

/// Headers that are the same for every call.
///
/// # Errors
/// Which is none.
pub(super) fn headers<'a>(
    entries: impl IntoIterator<Item = (&'a str, &'a SecretString)>,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in entries {
        headers.insert(header_name(name)?, header_value(name, value.expose_secret())?);
    }
    Ok(headers)
}

/// A header's name.
///
/// # Errors
/// That it is none.
pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not a header's name"))
}

/// A header's value, which is never shown.
///
/// # Errors
/// That it is none.
pub(super) fn header_value(name: &str, value: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of header `{name}` holds characters it must not"))?;
    value.set_sensitive(true);
    Ok(value)
}
