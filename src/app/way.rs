//! Shows the way: what is asked of a customer whom another node has is sent on to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::cluster::shards::{Shards, Stage};
use crate::cluster::watch::Others;
use crate::decode::shard_of;

/// After so many seconds a caller may ask again whose owner is not known yet.
const AGAIN_SECONDS: &str = "2";
/// The paths of what belongs to one customer: the next part is their id.
const OWNED: &str = "/api/v1/customers/";
/// The part behind the id where a customer's app has its messages.
const INBOX: &str = "inbox";

/// Who has which customers.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) shards: Shards,
    pub(super) others: Others,
}

/// Answers here what is about customers of this node, and sends the rest on.
pub(super) async fn to_owner(
    State(way): State<Arc<Way>>,
    request: Request,
    next: Next,
) -> Response {
    let Some((customer, what)) = customer(request.uri().path()) else {
        return next.run(request).await;
    };
    // Wishes and answers go to the owner through the log, whichever node takes them; what was read
    // is noted where the messages are.
    let through_log = request.method() != Method::GET && what != INBOX;
    let shard = shard_of(&customer, way.shards.count());
    if through_log || way.shards.stage(shard) != Stage::Away {
        return next.run(request).await;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    match way.others.address(shard) {
        Some(address) => {
            let told = Json(json!({ "error": "another node has this customer", "at": address }));
            let to = [(header::LOCATION, format!("{address}{path}"))];
            (StatusCode::TEMPORARY_REDIRECT, to, told).into_response()
        }
        None => {
            let told = Json(json!({ "error": "it is not known yet which node has this customer" }));
            let again = [(header::RETRY_AFTER, AGAIN_SECONDS)];
            (StatusCode::SERVICE_UNAVAILABLE, again, told).into_response()
        }
    }
}

/// The customer that a path is about, and the part that says what of them.
fn customer(path: &str) -> Option<(String, &str)> {
    let mut parts = path.strip_prefix(OWNED)?.split('/');
    let id = parts.next().filter(|id| !id.is_empty())?;
    Some((decoded(id)?, parts.next().unwrap_or_default()))
}

/// A part of a path without its escapes.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let plain = match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        };
        bytes.push(plain);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::any;
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn paths_tell_whom_they_are_about() {
        for (path, whom) in [
            ("/api/v1/customers/ada", Some(("ada", ""))),
            ("/api/v1/customers/ada/explain", Some(("ada", "explain"))),
            ("/api/v1/customers/a%2Fb%C3%A9", Some(("a/bé", ""))),
            ("/api/v1/customers/ada/inbox/m1/read", Some(("ada", "inbox"))),
            ("/api/v1/customers", None),
            ("/api/v1/customers/", None),
            ("/api/v1/customers/%zz", None),
            ("/api/v1/decisions/1", None),
        ] {
            let found = customer(path);
            assert_eq!(found.as_ref().map(|(id, what)| (&**id, *what)), whom, "{path}");
        }
    }

    #[tokio::test]
    async fn callers_are_sent_to_the_owner_or_asked_to_come_again() {
        let way = Way { shards: Shards::new(4), others: Others::default() };
        let shard = shard_of("ada", 4);
        let router = Router::new()
            .route("/api/v1/customers/{id}", any(|| async { "here" }))
            .route("/api/v1/customers/{id}/inbox/{message}/read", any(|| async { "here" }))
            .layer(from_fn_with_state(Arc::new(way.clone()), to_owner));
        let ask = async |method: Method| {
            let uri = "/api/v1/customers/ada?x=1";
            let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
            router.clone().oneshot(request).await.unwrap()
        };
        let unknown = ask(Method::GET).await;
        assert_eq!(unknown.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(unknown.headers()[header::RETRY_AFTER], "2");
        way.others.note(shard, "http://node-2:8080");
        let sent_on = ask(Method::GET).await;
        assert_eq!(sent_on.status(), StatusCode::TEMPORARY_REDIRECT);
        let to = "http://node-2:8080/api/v1/customers/ada?x=1";
        assert_eq!(sent_on.headers()[header::LOCATION], to);
        // A wish to be forgotten is taken anywhere, a message is read where it is.
        assert_eq!(ask(Method::DELETE).await.status(), StatusCode::OK);
        let read = Request::post("/api/v1/customers/ada/inbox/m1/read").body(Body::empty());
        let sent_on = router.oneshot(read.unwrap()).await.unwrap();
        assert_eq!(sent_on.status(), StatusCode::TEMPORARY_REDIRECT);
    }
}
