//! The page behind the link in a message: to see it changes nothing, only a `POST` does, be it of
//! the page's own buttons or of a mail program (RFC 8058).

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, html};

use super::Shared;
use super::html::head;
use super::source::{Failure, PreferenceChange};
use crate::clock::Shared as Clock;
use crate::engine::time::Span;
use crate::links::{Claim, Links, Refusal};
use crate::telemetry::Unsubscribed;

/// Largest body of an answer.
const BODY_BYTES_MAX: usize = 8 * 1_024;
/// For how long a pause is.
const PAUSE: Span = Span::DAY.times(30);
/// What a mail program sends, in either form of a body.
const ONE_CLICK: [&str; 2] = ["List-Unsubscribe", "One-Click"];
/// Nothing from elsewhere, no script, no frame, and no trace of the link in other servers' logs.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

#[derive(Clone)]
struct Desk {
    source: Shared,
    links: Arc<Links>,
    clock: Clock,
}

/// The routes below [`crate::links::FOLDER`]. Whoever has a link may use it.
pub fn routes(source: Shared, links: Arc<Links>, clock: Clock) -> Router {
    Router::new()
        .route("/u/{token}", get(show).post(act))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Desk { source, links, clock })
}

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// No more of this purpose on this channel.
    Stop,
    /// No more of this purpose.
    StopPurpose,
    /// No more at all.
    StopAll,
    /// Nothing for a while.
    Pause,
    /// No score decides what is written.
    NoProfiling,
}

impl Wish {
    const ALL: [(&'static str, Self); 4] = [
        ("stop", Self::Stop),
        ("stop_purpose", Self::StopPurpose),
        ("stop_all", Self::StopAll),
        ("pause", Self::Pause),
    ];

    fn read(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        let action = form_urlencoded::parse(body).find(|(key, _)| key == "action");
        match action {
            // The box must be ticked: a link lets people ask for less, never for more.
            Some((_, word)) if word == "profiling" => form_urlencoded::parse(body)
                .any(|(key, _)| key == "no_profiling")
                .then_some(Self::NoProfiling),
            Some((_, word)) => Self::ALL.iter().find(|(known, _)| *known == word).map(|two| two.1),
            None => ONE_CLICK.iter().all(|word| text.contains(word)).then_some(Self::Stop),
        }
    }

    fn change(self, claim: &Claim, desk: &Desk) -> PreferenceChange {
        let purpose = Some(claim.purpose.clone());
        let nothing = PreferenceChange {
            source: Some(format!("unsubscribe link of {}", claim.decision)),
            ..PreferenceChange::default()
        };
        let no = PreferenceChange { granted: Some(false), ..nothing.clone() };
        match self {
            Self::Stop => PreferenceChange { purpose, channel: Some(claim.channel.clone()), ..no },
            Self::StopPurpose => PreferenceChange { purpose, ..no },
            Self::StopAll => no,
            Self::Pause => PreferenceChange {
                pause_until: Some((desk.clock.now() + PAUSE).to_string()),
                ..nothing
            },
            Self::NoProfiling => PreferenceChange { profiling: Some(false), ..nothing },
        }
    }
}

async fn show(State(desk): State<Desk>, Path(token): Path<String>) -> Response {
    match desk.links.read(&token, desk.clock.now()) {
        Ok(claim) => {
            Unsubscribed { result: "shown" }.emit();
            let page = desk.source.customer(claim.customer.clone()).await.ok();
            let profiling = page.and_then(|page| page.profiling);
            let scores = match profiling {
                Some(said) if !said.granted => Scores::Refused,
                _ => Scores::Allowed,
            };
            answer(StatusCode::OK, "Messages to you", &choices(&claim, scores))
        }
        Err(refusal) => refuse(refusal),
    }
}

async fn act(State(desk): State<Desk>, Path(token): Path<String>, body: Bytes) -> Response {
    let claim = match desk.links.read(&token, desk.clock.now()) {
        Ok(claim) => claim,
        Err(refusal) => return refuse(refusal),
    };
    let Some(wish) = Wish::read(&body) else {
        Unsubscribed { result: "unclear" }.emit();
        let text = html! { p { "It is not clear what is asked for. Nothing was changed." } };
        return answer(StatusCode::BAD_REQUEST, "Not understood", &text);
    };
    match record(&desk, &claim, wish).await {
        Ok(()) => {
            Unsubscribed { result: "done" }.emit();
            answer(StatusCode::OK, "Done", &done(&claim, wish))
        }
        Err(failure) => {
            tracing::warn!(%failure, "an unsubscription could not be recorded");
            Unsubscribed { result: "failed" }.emit();
            let text = html! { p { "This could not be recorded now. Please try again soon." } };
            answer(StatusCode::SERVICE_UNAVAILABLE, "Not now", &text)
        }
    }
}

/// Records a wish. Where the purpose or the channel of the message is not known any more, it holds
/// for all: a no must never be lost to a new name.
async fn record(desk: &Desk, claim: &Claim, wish: Wish) -> Result<(), Failure> {
    let change = wish.change(claim, desk);
    match desk.source.unsubscribe(claim.clone(), change.clone()).await {
        Err(Failure::Invalid(_)) => {
            let all = PreferenceChange { purpose: None, channel: None, ..change };
            desk.source.unsubscribe(claim.clone(), all).await
        }
        recorded => recorded,
    }
}

fn refuse(refusal: Refusal) -> Response {
    let (result, status, text) = match refusal {
        Refusal::Forged => ("forged", StatusCode::NOT_FOUND, "This link is not one of ours."),
        Refusal::Expired => (
            "expired",
            StatusCode::GONE,
            "This link is too old. A newer message has one that works.",
        ),
    };
    Unsubscribed { result }.emit();
    answer(status, "This link does not work", &html! { p { (text) } })
}

/// Whether scores decide what is written to the customer, as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scores {
    /// They may.
    Allowed,
    /// The customer said no.
    Refused,
}

fn choices(claim: &Claim, scores: Scores) -> Markup {
    let (purpose, channel) = (&claim.purpose, &claim.channel);
    html! {
        p { "You got a message (" (purpose) ") by " (channel) "." }
        form method="post" {
            p { button name="action" value="stop" { "No more " (purpose) " by " (channel) } }
            p { button name="action" value="stop_purpose" { "No more " (purpose) " at all" } }
            p { button name="action" value="pause" { "Nothing for 30 days" } }
            p { button name="action" value="stop_all" { "No more messages of any kind" } }
        }
        form method="post" {
            p {
                label {
                    input type="checkbox" name="no_profiling" value="yes"
                        checked[scores == Scores::Refused] disabled[scores == Scores::Refused];
                    " No profiling: no score decides what is written to me"
                }
                " "
                @if scores == Scores::Allowed {
                    button name="action" value="profiling" { "Save" }
                }
            }
        }
    }
}

fn done(claim: &Claim, wish: Wish) -> Markup {
    html! {
        @match wish {
            Wish::Stop => p { "You get no more " (claim.purpose) " by " (claim.channel) "." },
            Wish::StopPurpose => p { "You get no more " (claim.purpose) "." },
            Wish::StopAll => p { "You get no more messages." },
            Wish::NoProfiling => p { "No score decides any more what is written to you." },
            Wish::Pause => p { "You get no messages for 30 days, but for those you need." },
        }
    }
}

fn answer(status: StatusCode, title: &str, body: &Markup) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(title)) }
            body { h1 { (title) } (body) }
        }
    };
    (status, HEADERS, Html(page.into_string())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_from_buttons_and_from_mail_programs() {
        let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--";
        for (body, wish) in [
            ("List-Unsubscribe=One-Click", Some(Wish::Stop)),
            (multipart, Some(Wish::Stop)),
            ("action=stop", Some(Wish::Stop)),
            ("action=stop_purpose", Some(Wish::StopPurpose)),
            ("action=stop_all", Some(Wish::StopAll)),
            ("action=pause", Some(Wish::Pause)),
            ("no_profiling=yes&action=profiling", Some(Wish::NoProfiling)),
            ("action=profiling", None),
            ("action=start", None),
            ("", None),
            ("\u{0}", None),
        ] {
            assert_eq!(Wish::read(body.as_bytes()), wish, "{body}");
        }
        assert_eq!(Wish::read(&[0xff]), None);
    }

    #[test]
    fn what_a_name_holds_is_escaped() {
        let claim = Claim {
            customer: "<script>".into(),
            purpose: "<script>alert(1)</script>".into(),
            channel: "\"><img src=x>".into(),
            decision: "07".into(),
            expires_at: crate::engine::time::Timestamp::MIN,
        };
        for page in [choices(&claim, Scores::Refused), done(&claim, Wish::Stop)] {
            let page = page.into_string();
            assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
        }
    }
}
