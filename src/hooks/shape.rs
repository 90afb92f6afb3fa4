//! How providers write what they tell, and what of it means something to us.

use serde::Deserialize;
use serde_json::Value;

use crate::config::ReceiptShape;
use crate::engine::input::Told;
use crate::engine::time::Timestamp;

/// Most things told in one request.
pub(super) const TOLD_MAX: usize = 2_000;
/// What is kept of an answer, in characters.
const TEXT_CHARS_MAX: usize = 4_000;
/// Longest name, id or address that is looked at, in bytes.
const WORD_BYTES_MAX: usize = 1_024;

/// Something that was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    /// What.
    pub(super) told: Told,
    /// By what its send is found, the surest first.
    pub(super) by: Vec<By>,
    /// The provider's id of what it tells; empty when it has none.
    pub(super) id: String,
    /// What the customer answered.
    pub(super) text: String,
    /// From where they did.
    pub(super) from: Option<String>,
    /// The address that it was sent to.
    pub(super) address: Option<String>,
    /// The program that followed a link.
    pub(super) agent: Option<String>,
    /// When it happened.
    pub(super) at: Option<Timestamp>,
}

/// By what a send is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// What was given along with the message.
    Reference(String),
    /// The decision's id.
    Decision(String),
    /// The name that the provider gave it.
    Name(String),
    /// The address: the last send that went there.
    Address(String),
}

/// What a request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// These things.
    Heard(Vec<Heard>),
    /// Nothing: it wants its own words back, to see that we are here.
    Challenge(String),
}

/// Why a request is not understood, in a sentence.
pub(super) type Malformed = String;

/// Reads a request; `reference` is the one in its address.
///
/// # Errors
/// Why it is not understood.
pub(super) fn read(
    shape: ReceiptShape,
    body: &[u8],
    reference: Option<&str>,
) -> Result<Said, Malformed> {
    let said = match shape {
        ReceiptShape::Own => own(body)?,
        ReceiptShape::Twilio => twilio(body),
        ReceiptShape::SendGrid => sendgrid(body)?,
        ReceiptShape::Slack => slack(body)?,
    };
    let Said::Heard(mut all) = said else { return Ok(said) };
    for heard in &mut all {
        if let Some(reference) = reference {
            heard.by.insert(0, By::Reference(reference.to_owned()));
        }
        heard.by.retain(|by| by.word().len() <= WORD_BYTES_MAX && !by.word().is_empty());
        heard.text = heard.text.chars().take(TEXT_CHARS_MAX).collect();
        let is_short = |word: &String| word.len() <= WORD_BYTES_MAX;
        heard.from = heard.from.take().filter(is_short);
        heard.address = heard.address.take().filter(is_short);
    }
    Ok(Said::Heard(all))
}

impl By {
    fn word(&self) -> &str {
        match self {
            Self::Reference(word)
            | Self::Decision(word)
            | Self::Name(word)
            | Self::Address(word) => word,
        }
    }
}

/// Ours: an object, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    told: String,
    reference: Option<String>,
    decision: Option<String>,
    external_id: Option<String>,
    #[serde(default)]
    id: String,
    #[serde(default)]
    text: String,
    from: Option<String>,
    address: Option<String>,
    agent: Option<String>,
    at: Option<String>,
}

fn own(body: &[u8]) -> Result<Said, Malformed> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMore {
        More(Vec<Value>),
        One(Value),
    }
    let read: OneOrMore = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let all = match read {
        OneOrMore::More(all) => bounded(all)?,
        OneOrMore::One(one) => vec![one],
    };
    all.into_iter().map(one_of_ours).collect::<Result<_, _>>().map(Said::Heard)
}

fn one_of_ours(value: Value) -> Result<Heard, Malformed> {
    let own: Own = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let told = Told::parse(&own.told).ok_or_else(|| {
        let known: Vec<&str> = Told::ALL.iter().map(|told| told.as_str()).collect();
        format!("`told` is one of `{}`", known.join("`, `"))
    })?;
    let at = match &own.at {
        Some(text) => {
            let wrong = || "`at` is a time like 2026-03-01T12:00:00Z".to_owned();
            Some(Timestamp::parse(text).ok_or_else(wrong)?)
        }
        None => None,
    };
    let by = [
        own.reference.map(By::Reference),
        own.decision.map(By::Decision),
        own.external_id.map(By::Name),
        own.from.clone().map(By::Address),
    ];
    Ok(Heard {
        told,
        by: by.into_iter().flatten().collect(),
        id: own.id,
        text: own.text,
        from: own.from,
        address: own.address,
        agent: own.agent,
        at,
    })
}

/// Twilio's: a form about a message, or an answer.
fn twilio(body: &[u8]) -> Said {
    let field = |name: &str| {
        let found = form_urlencoded::parse(body).find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
    };
    let sid = field("MessageSid").or_else(|| field("SmsSid")).unwrap_or_default();
    let status = field("MessageStatus").or_else(|| field("SmsStatus")).unwrap_or_default();
    let heard = |told| Heard {
        told,
        by: vec![By::Name(sid.clone())],
        id: format!("{sid}/{status}"),
        address: field("To"),
        ..Heard::default()
    };
    if status == "received" {
        let from = field("From");
        let answer = Heard {
            told: Told::Replied,
            by: from.clone().map(By::Address).into_iter().collect(),
            id: sid,
            text: field("Body").unwrap_or_default(),
            address: from.clone(),
            from,
            ..Heard::default()
        };
        let stopped = field("OptOutType").is_some_and(|word| word == "STOP");
        let stop = stopped.then(|| Heard {
            told: Told::Unsubscribed,
            id: format!("{}/stop", answer.id),
            ..answer.clone()
        });
        return Said::Heard(std::iter::once(answer).chain(stop).collect());
    }
    let told = match &*status {
        "delivered" => Told::Delivered,
        "read" => Told::Opened,
        "undelivered" | "failed" => match field("ErrorCode").as_deref() {
            // No such number, not in service, a landline: it will not be another time.
            Some("21211" | "21217" | "21614" | "30005" | "30006") => Told::Bounced,
            Some("21610") => Told::Unsubscribed,
            Some(_) | None => Told::SoftBounced,
        },
        // On its way.
        _ => return Said::Heard(Vec::new()),
    };
    Said::Heard(vec![heard(told)])
}

/// `SendGrid`'s: a list of events.
#[derive(Debug, Deserialize)]
struct SendGridEvent {
    #[serde(default)]
    event: String,
    email: Option<String>,
    #[serde(default)]
    sg_event_id: String,
    sg_message_id: Option<String>,
    timestamp: Option<i64>,
    r#type: Option<String>,
    #[serde(default)]
    reason: String,
    useragent: Option<String>,
    reference: Option<String>,
    decision: Option<String>,
}

fn sendgrid(body: &[u8]) -> Result<Said, Malformed> {
    let all: Vec<SendGridEvent> =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let heard = bounded(all)?.into_iter().filter_map(|event| {
        let told = match &*event.event {
            "delivered" => Told::Delivered,
            "deferred" => Told::SoftBounced,
            // Blocked: today, by this server, for this message.
            "bounce" if event.r#type.as_deref() == Some("blocked") => Told::SoftBounced,
            "bounce" => Told::Bounced,
            "dropped" => match &*event.reason {
                "Bounced Address" | "Invalid" => Told::Bounced,
                "Unsubscribed Address" => Told::Unsubscribed,
                "Spam Reporting Address" => Told::Complained,
                _ => Told::SoftBounced,
            },
            "open" => Told::Opened,
            "click" => Told::Clicked,
            "spamreport" => Told::Complained,
            "unsubscribe" | "group_unsubscribe" => Told::Unsubscribed,
            _ => return None,
        };
        // The name that it was taken with stands in front of the first point.
        let name = event.sg_message_id.as_deref().and_then(|id| id.split('.').next());
        let by = [
            event.reference.map(By::Reference),
            event.decision.map(By::Decision),
            name.map(|name| By::Name(name.to_owned())),
        ];
        Some(Heard {
            told,
            by: by.into_iter().flatten().collect(),
            id: event.sg_event_id,
            address: event.email,
            agent: event.useragent,
            at: event
                .timestamp
                .map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1_000))),
            ..Heard::default()
        })
    });
    Ok(Said::Heard(heard.collect()))
}

/// Slack's: an event, of which answers in the thread of a message mean something.
fn slack(body: &[u8]) -> Result<Said, Malformed> {
    let value: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    if value.get("type").and_then(Value::as_str) == Some("url_verification") {
        return match text("/challenge") {
            Some(challenge) if challenge.len() <= WORD_BYTES_MAX => Ok(Said::Challenge(challenge)),
            _ => Err("a challenge without words".to_owned()),
        };
    }
    let is_answer = text("/event/type").as_deref() == Some("message")
        // What a program writes, ours among them, and what was changed or deleted.
        && value.pointer("/event/bot_id").is_none()
        && value.pointer("/event/subtype").is_none();
    let Some(thread) = text("/event/thread_ts").filter(|_| is_answer) else {
        return Ok(Said::Heard(Vec::new()));
    };
    Ok(Said::Heard(vec![Heard {
        told: Told::Replied,
        by: vec![By::Name(thread)],
        id: text("/event_id").unwrap_or_default(),
        text: text("/event/text").unwrap_or_default(),
        from: text("/event/user"),
        ..Heard::default()
    }]))
}

fn bounded<T>(all: Vec<T>) -> Result<Vec<T>, Malformed> {
    if all.len() <= TOLD_MAX {
        return Ok(all);
    }
    Err(format!("it tells {} things, and at most {TOLD_MAX} are taken in at a time", all.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(shape: ReceiptShape, body: &str) -> Vec<(Told, String)> {
        match read(shape, body.as_bytes(), None).unwrap() {
            Said::Heard(all) => all
                .into_iter()
                .map(|heard| {
                    let by: Vec<String> = heard.by.iter().map(|by| format!("{by:?}")).collect();
                    (heard.told, by.join(" "))
                })
                .collect(),
            Said::Challenge(_) => panic!("a challenge"),
        }
    }

    #[test]
    fn twilio_tells_by_forms() {
        let by = r#"Name("SM1")"#;
        for (body, expected) in [
            ("MessageSid=SM1&MessageStatus=sent", None),
            ("MessageSid=SM1&MessageStatus=delivered", Some(Told::Delivered)),
            ("MessageSid=SM1&MessageStatus=read", Some(Told::Opened)),
            ("MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30003", Some(Told::SoftBounced)),
            ("MessageSid=SM1&MessageStatus=undelivered&ErrorCode=30005", Some(Told::Bounced)),
            ("MessageSid=SM1&MessageStatus=failed&ErrorCode=21610", Some(Told::Unsubscribed)),
            ("", None),
            ("\u{0}", None),
        ] {
            let expected: Vec<_> = expected.map(|told| (told, by.to_owned())).into_iter().collect();
            assert_eq!(told(ReceiptShape::Twilio, body), expected, "{body}");
        }
        let answer =
            "MessageSid=SM2&SmsStatus=received&From=%2B31&To=%2B1&Body=STOP&OptOutType=STOP";
        let by = r#"Address("+31")"#.to_owned();
        let both = [(Told::Replied, by.clone()), (Told::Unsubscribed, by)];
        assert_eq!(told(ReceiptShape::Twilio, answer), both);
    }

    #[test]
    fn sendgrid_tells_by_lists() {
        let event = |rest: &str| {
            let body = format!(
                r#"[{{"sg_event_id": "e", "sg_message_id": "abc.filter1.2", "email": "a@b.example",
                     "timestamp": 1772366400, "reference": "r", {rest}}}]"#
            );
            told(ReceiptShape::SendGrid, &body).pop()
        };
        for (rest, expected) in [
            (r#""event": "processed""#, None),
            (r#""event": "group_resubscribe""#, None),
            (r#""event": "delivered""#, Some(Told::Delivered)),
            (r#""event": "deferred""#, Some(Told::SoftBounced)),
            (r#""event": "bounce", "type": "bounce""#, Some(Told::Bounced)),
            (r#""event": "bounce", "type": "blocked""#, Some(Told::SoftBounced)),
            (r#""event": "dropped", "reason": "Bounced Address""#, Some(Told::Bounced)),
            (r#""event": "dropped", "reason": "Spam Reporting Address""#, Some(Told::Complained)),
            (r#""event": "open", "sg_machine_open": true"#, Some(Told::Opened)),
            (r#""event": "click", "url": "https://x""#, Some(Told::Clicked)),
            (r#""event": "spamreport""#, Some(Told::Complained)),
            (r#""event": "group_unsubscribe""#, Some(Told::Unsubscribed)),
        ] {
            let by = r#"Reference("r") Name("abc")"#.to_owned();
            assert_eq!(event(rest), expected.map(|told| (told, by)), "{rest}");
        }
        for bad in ["", "{}", "[1]", "[", "[{\"event\": 3}]"] {
            assert!(read(ReceiptShape::SendGrid, bad.as_bytes(), None).is_err(), "{bad}");
        }
    }

    #[test]
    fn slack_asks_first_and_then_tells_of_answers() {
        let challenge = br#"{"type": "url_verification", "challenge": "abc"}"#;
        let said = read(ReceiptShape::Slack, challenge, None);
        assert_eq!(said, Ok(Said::Challenge("abc".to_owned())));
        let event = |rest: &str| {
            told(
                ReceiptShape::Slack,
                &format!(r#"{{"type": "event_callback", "event": {{{rest}}}}}"#),
            )
        };
        let answer = r#""type": "message", "text": "call me", "user": "U1", "thread_ts": "17.1""#;
        assert_eq!(event(answer), [(Told::Replied, r#"Name("17.1")"#.to_owned())]);
        for nothing in [
            r#""type": "message", "text": "x""#,
            &format!(r#"{answer}, "bot_id": "B1""#),
            &format!(r#"{answer}, "subtype": "message_changed""#),
            r#""type": "reaction_added""#,
        ] {
            assert_eq!(event(nothing), [], "{nothing}");
        }
    }

    #[test]
    fn ours_are_strict_and_bounded() {
        let body = r#"[{"told": "bounced", "decision": "07", "external_id": "x", "from": "a"}]"#;
        let by = r#"Decision("07") Name("x") Address("a")"#.to_owned();
        assert_eq!(told(ReceiptShape::Own, body), [(Told::Bounced, by)]);
        let long = "é".repeat(TEXT_CHARS_MAX + 1);
        let body = format!(r#"{{"told": "replied", "reference": "r", "text": "{long}"}}"#);
        let Ok(Said::Heard(all)) = read(ReceiptShape::Own, body.as_bytes(), Some("u")) else {
            panic!()
        };
        assert_eq!(all[0].text.chars().count(), TEXT_CHARS_MAX);
        assert_eq!(all[0].by, [By::Reference("u".into()), By::Reference("r".into())]);
        for (bad, why) in [
            ("", "EOF"),
            ("[]x", "trailing"),
            (r#"{"told": "nothing"}"#, "`told` is one of"),
            (r#"{"told": "bounced", "hard": true}"#, "unknown field `hard`"),
            (r#"{"told": "bounced", "at": "soon"}"#, "`at` is a time"),
            (r#"{"reference": "r"}"#, "missing field `told`"),
        ] {
            let refused = read(ReceiptShape::Own, bad.as_bytes(), None).unwrap_err();
            assert!(refused.contains(why), "{bad}: {refused}");
        }
        let many = format!("[{}]", vec![r#"{"told": "opened"}"#; TOLD_MAX + 1].join(","));
        assert!(read(ReceiptShape::Own, many.as_bytes(), None).unwrap_err().contains("at most"));
    }
}
