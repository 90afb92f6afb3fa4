//! Write keys: who may send. Compared without telling by time how much of a guess was right.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT as BASE64;
use subtle::ConstantTimeEq;

use super::unpack::percent_decode;

/// Longest key looked at, in bytes.
const KEY_BYTES_MAX: usize = 512;

/// The keys configured. Only their hashes are kept.
#[derive(Clone, Default)]
pub struct Keys {
    hashes: Vec<[u8; 32]>,
}

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// The holder of a configured key, by its index.
    Keyed(usize),
    /// Someone on this machine, while no key is configured: any key does.
    Local,
}

/// Why someone may not send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// Keys are configured and none of them was shown.
    WrongKey,
    /// No key is configured and the client is on another machine.
    Remote,
}

impl Keys {
    /// Takes the configured keys.
    pub fn new<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self { hashes: keys.into_iter().map(hash).collect() }
    }

    /// Whether someone who shows nothing yet could be let in at all.
    pub(super) fn welcome(&self, request: &Parts) -> Result<(), Stranger> {
        if self.hashes.is_empty() && !is_local(request) { Err(Stranger::Remote) } else { Ok(()) }
    }

    /// Finds the sender by the keys shown.
    pub(super) fn sender<'k>(
        &self,
        shown: impl Iterator<Item = &'k str>,
    ) -> Result<Sender, Stranger> {
        if self.hashes.is_empty() {
            return Ok(Sender::Local);
        }
        let mut found = Err(Stranger::WrongKey);
        for key in shown.filter(|key| key.len() <= KEY_BYTES_MAX) {
            let shown = hash(key);
            for (index, known) in self.hashes.iter().enumerate() {
                if bool::from(known.ct_eq(&shown)) {
                    found = Ok(Sender::Keyed(index));
                }
            }
        }
        found
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.hashes.len())
    }
}

/// The keys shown in header and address. Those in the body come with [`crate::decode::Body::keys`].
pub(super) fn shown(request: &Parts) -> Vec<String> {
    let mut shown = Vec::new();
    shown.extend(from_header(&request.headers));
    for pair in request.uri.query().unwrap_or_default().split('&') {
        if let Some(("key" | "writeKey" | "api_key", value)) = pair.split_once('=') {
            shown.push(String::from_utf8_lossy(&percent_decode(value.as_bytes())).into_owned());
        }
    }
    shown
}

/// `Basic` with the key as user, whatever the password, with or without a colon; or `Bearer`.
fn from_header(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.trim().split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.to_owned());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64.decode(credentials).ok()?).ok()?;
    Some(decoded.split_once(':').map_or(decoded.as_str(), |(user, _)| user).to_owned())
}

/// Whether the client is on this machine and not a proxy that speaks for another.
fn is_local(request: &Parts) -> bool {
    let forwarded = request.headers.contains_key(header::FORWARDED)
        || request.headers.contains_key("x-forwarded-for");
    let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
    peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback()) && !forwarded
}

fn hash(key: &str) -> [u8; 32] {
    *blake3::hash(key.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn parts(
        build: impl FnOnce(axum::http::request::Builder) -> axum::http::request::Builder,
    ) -> Parts {
        build(Request::builder()).body(()).unwrap().into_parts().0
    }

    #[test]
    fn keys_are_found_wherever_sdks_put_them() {
        let header = |value: &str| shown(&parts(|request| request.header("authorization", value)));
        assert_eq!(header("Basic V0sxOg=="), ["WK1"]);
        assert_eq!(header("basic V0sxOiIi"), ["WK1"]);
        assert_eq!(header("Basic V0sx"), ["WK1"]);
        assert_eq!(header("Bearer WK1"), ["WK1"]);
        assert_eq!(header("Basic !!!"), [""; 0]);
        assert_eq!(header("Digest WK1"), [""; 0]);
        let query = |uri: &str| shown(&parts(|request| request.uri(uri)));
        assert_eq!(query("/e/?ip=1&api_key=ph%63"), ["phc"]);
        assert_eq!(query("/v1/batch?key=WK1"), ["WK1"]);
        assert_eq!(query("/v1/batch"), [""; 0]);
    }

    #[test]
    fn any_right_key_opens_and_no_other() {
        let keys = Keys::new(["WK1", "WK2"]);
        assert_eq!(keys.sender(["no", "WK2"].into_iter()), Ok(Sender::Keyed(1)));
        assert_eq!(keys.sender(["no", "", "WK"].into_iter()), Err(Stranger::WrongKey));
        assert_eq!(keys.sender([].into_iter()), Err(Stranger::WrongKey));
        assert_eq!(Keys::default().sender(["any"].into_iter()), Ok(Sender::Local));
    }

    #[test]
    fn without_keys_only_this_machine_is_welcome() {
        let from = |peer: &str, forwarded: Option<&str>| {
            let mut parts = parts(|request| match forwarded {
                Some(name) => request.header(name, "1.2.3.4"),
                None => request,
            });
            parts.extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
            parts
        };
        let keys = Keys::default();
        assert_eq!(keys.welcome(&from("127.0.0.1:1", None)), Ok(()));
        assert_eq!(keys.welcome(&from("[::1]:1", None)), Ok(()));
        assert_eq!(keys.welcome(&from("[::ffff:127.0.0.1]:1", None)), Ok(()));
        assert_eq!(keys.welcome(&from("10.0.0.1:1", None)), Err(Stranger::Remote));
        assert_eq!(
            keys.welcome(&from("127.0.0.1:1", Some("x-forwarded-for"))),
            Err(Stranger::Remote)
        );
        assert_eq!(keys.welcome(&from("127.0.0.1:1", Some("forwarded"))), Err(Stranger::Remote));
        assert_eq!(keys.welcome(&parts(|request| request)), Err(Stranger::Remote));
        assert_eq!(Keys::new(["k"]).welcome(&from("10.0.0.1:1", None)), Ok(()));
    }
}
