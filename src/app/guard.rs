//! Who may read: the bearer token of the API, and what stands in for it on a machine of one's own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::telemetry::Answered;

/// After this a client that was turned away for want of time is asked to come again.
const AGAIN_SECONDS: &str = "5";

/// What a reader must show.
#[derive(Clone)]
pub(super) struct Guard {
    // Only its hash is kept: comparing hashes tells nothing by the time it takes.
    token: Option<[u8; 32]>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("token", &self.token.is_some()).finish()
    }
}

/// Why a reader is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A token is configured and it was not shown.
    Token,
    /// No token is configured, and the request is not from this machine to this machine.
    NotLocal,
}

impl Guard {
    pub(super) fn new(token: Option<&SecretString>) -> Self {
        Self { token: token.map(|token| hash(token.expose_secret())) }
    }

    fn admit(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Result<(), Refusal> {
        match self.token {
            Some(known) => {
                let shown = bearer(headers).map(hash);
                let right = shown.is_some_and(|shown| bool::from(known.ct_eq(&shown)));
                if right { Ok(()) } else { Err(Refusal::Token) }
            }
            // A page of any origin can make a browser on this machine ask us, under a name of its
            // own that resolves to this machine: only the name tells.
            None if is_local(peer) && names_this_machine(headers) && !is_forwarded(headers) => {
                Ok(())
            }
            None => Err(Refusal::NotLocal),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "a token is needed: send it as `Authorization: Bearer <token>`",
            ),
            Self::NotLocal => (
                StatusCode::FORBIDDEN,
                "without a token only requests from this machine to `localhost` are answered: \
                 set `HEEDFUL_API_TOKEN`",
            ),
        };
        let mut response = (status, Json(json!({ "error": error }))).into_response();
        if self == Self::Token {
            let bearer = header::HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// Lets a reader pass who may read.
pub(super) async fn readers(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    match guard.admit(peer.map(|ConnectInfo(peer)| peer.ip()), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

/// Answers for a handler that takes too long. A stream has answered when it begins.
pub(super) async fn in_time(
    State(limit): State<Duration>,
    request: Request,
    next: Next,
) -> Response {
    tokio::time::timeout(limit, next.run(request)).await.unwrap_or_else(|_| {
        let body = Json(json!({ "error": "this took too long: come again later" }));
        let again = [(header::RETRY_AFTER, AGAIN_SECONDS)];
        (StatusCode::SERVICE_UNAVAILABLE, again, body).into_response()
    })
}

/// Counts requests by the route as declared, of which there are so many and no more.
pub(super) async fn counted(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("(none)", MatchedPath::as_str);
    Answered { route, status: response.status().as_u16() }.emit();
    response
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn hash(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

fn is_local(peer: Option<IpAddr>) -> bool {
    peer.is_some_and(|peer| peer.to_canonical().is_loopback())
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(header::FORWARDED) || headers.contains_key("x-forwarded-for")
}

/// Whether the request was made to an address or the common name of this machine.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    const LOCAL: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn with_a_token_only_the_token_opens() {
        let guard = Guard::new(Some(&SecretString::from("s3cret-s3cret-s3cret")));
        let with = |value| guard.admit(LOCAL, &headers(&[("authorization", value)]));
        assert_eq!(with("Bearer s3cret-s3cret-s3cret"), Ok(()));
        assert_eq!(with("bearer  s3cret-s3cret-s3cret "), Ok(()));
        for value in
            ["Bearer s3cret", "Bearer ", "Basic s3cret-s3cret-s3cret", "s3cret-s3cret-s3cret"]
        {
            assert_eq!(with(value), Err(Refusal::Token), "{value}");
        }
        let nothing = headers(&[("host", "localhost")]);
        assert_eq!(guard.admit(LOCAL, &nothing), Err(Refusal::Token), "not even from here");
        assert!(!format!("{guard:?}").contains("s3cret"));
    }

    #[test]
    fn without_a_token_this_machine_reads_under_its_own_name() {
        let guard = Guard::new(None);
        for host in ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:1"] {
            let headers = headers(&[("host", host.to_owned().leak())]);
            assert_eq!(guard.admit(LOCAL, &headers), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8080",
            "10.0.0.1",
            "",
            "127.0.0.1.evil.example",
        ] {
            let headers = headers(&[("host", host.to_owned().leak())]);
            assert_eq!(guard.admit(LOCAL, &headers), Err(Refusal::NotLocal), "{host}");
        }
        let good = headers(&[("host", "localhost")]);
        let other = Some("10.0.0.1".parse().unwrap());
        assert_eq!(guard.admit(other, &good), Err(Refusal::NotLocal));
        assert_eq!(guard.admit(None, &good), Err(Refusal::NotLocal));
        let forwarded = headers(&[("host", "localhost"), ("x-forwarded-for", "1.2.3.4")]);
        assert_eq!(guard.admit(LOCAL, &forwarded), Err(Refusal::NotLocal));
    }
}
