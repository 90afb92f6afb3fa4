//! What `channels:` says of a channel of type `http`: a call to anybody's API, as templates.

use std::path::PathBuf;
use std::str::FromStr;

use secrecy::SecretString;

use super::channel::{Egress, egress, timeout};
use super::node::{Kind, Node};
use super::preset;
use super::table::{Reading, Table};
use crate::engine::time::Span;

/// The message of a template that says none of its own: what most channels can show.
const MESSAGE_DEFAULT: &str =
    r#"{{ [content.title, content.subject, content.body] | select | join("\n") }}"#;
/// The methods, as words.
const METHODS: &[(&str, Method)] =
    &[("POST", Method::Post), ("PUT", Method::Put), ("PATCH", Method::Patch), ("GET", Method::Get)];
/// When the other side is asked about a call whose result was lost, unless the file says otherwise:
/// the call may still be on its way.
const ASK_AFTER_DEFAULT: Span = Span::from_millis(30_000);
/// How often it is asked whether somebody confirmed a message, unless the file says otherwise.
const CONFIRM_EVERY_DEFAULT: Span = Span::MINUTE.times(30);
/// The most often that a file may ask for.
const CONFIRM_EVERY_MIN: Span = Span::from_millis(10_000);
/// For how long it is asked, unless the file says otherwise.
const CONFIRM_WITHIN_DEFAULT: Span = Span::DAY.times(3);
/// Longest message that a file may allow, in characters or bytes.
const MESSAGE_LENGTH_MAX: usize = 1024 * 1024;

/// A call as templates. They may hold secrets, so none of them is ever shown.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// How.
    pub method: Method,
    /// Where to. What it prints is encoded, and can change neither host nor path.
    pub url: SecretString,
    /// Headers.
    pub headers: Vec<(String, SecretString)>,
    /// A file with a token that somebody else keeps fresh.
    pub bearer_file: Option<PathBuf>,
    /// The same, for templates that put it elsewhere: they know it as `token`.
    pub token_file: Option<PathBuf>,
    /// What is sent.
    pub body: HttpBody,
    /// Values that the templates know as `with.<name>`.
    pub with: Vec<(String, SecretString)>,
    /// The text that templates know as `message`.
    pub message: SecretString,
    /// The longest message that the other side takes.
    pub message_max: Option<Length>,
    /// How its answers are read.
    pub answer: AnswerConfig,
    /// By what the other side knows a call that it has seen.
    pub idempotency: Option<Idempotency>,
    /// How it is asked what became of a call whose result was lost.
    pub probe: Option<ProbeConfig>,
    /// How it is asked whether a person confirmed what was taken; without it what is taken is sent.
    pub confirm: Option<ConfirmConfig>,
    /// How long it may take to answer.
    pub timeout: Span,
    /// Which addresses it may be sent to.
    pub egress: Egress,
}

/// The methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `GET`.
    Get,
}

/// What is sent.
#[derive(Clone, Debug)]
pub enum HttpBody {
    /// Nothing.
    Nothing,
    /// A template of JSON, in which every value is written as JSON.
    Json(SecretString),
    /// Fields of a form; those that come out empty are left out.
    Form(Vec<(String, SecretString)>),
}

/// Expressions over an answer: `status`, `headers` and `body`.
#[derive(Clone, Debug, Default)]
pub struct AnswerConfig {
    /// It was taken.
    pub success_when: Option<String>,
    /// It certainly was not, and may be later.
    pub retry_when: Option<String>,
    /// In how many seconds.
    pub retry_after: Option<String>,
    /// By what name the other side knows it.
    pub external_id: Option<String>,
    /// Why not: a code, never what was sent.
    pub reason: Option<String>,
}

/// A question whether somebody confirmed what the other side took.
#[derive(Clone, Debug)]
pub struct ConfirmConfig {
    /// The question; it was found when it was sent, absent when it never will be.
    pub asked: ProbeConfig,
    /// Who is to confirm it, as a template.
    pub by: Option<SecretString>,
    /// For how long it is asked.
    pub within: Span,
}

/// A question about a call whose result was lost.
#[derive(Clone, Debug)]
pub struct ProbeConfig {
    /// How.
    pub method: Method,
    /// Where.
    pub url: SecretString,
    /// Headers.
    pub headers: Vec<(String, SecretString)>,
    /// What is sent along, as JSON.
    pub body: Option<SecretString>,
    /// It took the call.
    pub found_when: String,
    /// It knows of none.
    pub absent_when: String,
    /// By what name it knows it.
    pub external_id: Option<String>,
    /// Not before so long after the call.
    pub after: Span,
}

/// By what the other side knows a call that it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The header that carries the decision's id.
    pub header: String,
    /// How long it remembers; `None` is always.
    pub life: Option<Span>,
}

/// A length of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// In characters.
    Characters(usize),
    /// In bytes of UTF-8.
    Bytes(usize),
}

impl FromStr for Length {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (most, unit) = text.trim().split_once(' ').ok_or(())?;
        let most = most.parse().map_err(|_| ())?;
        if most == 0 || MESSAGE_LENGTH_MAX < most {
            return Err(());
        }
        match unit.trim() {
            "bytes" => Ok(Self::Bytes(most)),
            "characters" => Ok(Self::Characters(most)),
            _ => Err(()),
        }
    }
}

/// Puts in what the preset says and the file does not.
pub(super) fn fill(table: &mut Table, reading: &mut Reading<'_>) {
    let Some(node) = table.take("preset") else { return };
    let Some(text) = reading.word(&node, preset::PRESETS) else { return };
    // The tests read every preset: it has no faults.
    let Ok(root) = Node::parse("preset", text) else { return };
    let mut preset = reading.table(root);
    if let Some(needs) = preset.take("needs") {
        check_needs(&needs, table, &node, reading);
    }
    // A body of one's own stands for the form of the preset, and the other way round.
    if table.has("body") || table.has("form") {
        for key in ["body", "form"] {
            drop(preset.take(key));
        }
    }
    table.fill(preset);
}

fn check_needs(needs: &Node, table: &Table, at: &Node, reading: &mut Reading<'_>) {
    let Kind::Map(needs) = &needs.kind else { return };
    let given = table.get("with").map(|node| &node.kind);
    for (name, what) in needs {
        let (Kind::Text(name), Kind::Text(what)) = (&name.kind, &what.kind) else { continue };
        let there = matches!(given, Some(Kind::Map(given))
            if given.iter().any(|(key, _)| matches!(&key.kind, Kind::Text(key) if key == name)));
        if !there {
            let help = format!("`with: {{{name}: ...}}`: {what}");
            reading.fault(at, format!("this preset needs `{name}` in `with`"), Some(help));
        }
    }
}

/// Reads the keys of the type.
pub(super) fn http(table: &mut Table, reading: &mut Reading<'_>) -> Option<HttpConfig> {
    let method = table.take("method").and_then(|node| reading.word(&node, METHODS));
    let url = table.need("url", reading).and_then(|node| reading.secret(&node));
    let headers = secrets(table, "headers", reading);
    let bearer_file = table.take("bearer_file").and_then(|node| reading.text(&node));
    let token_file = table.take("token_file").and_then(|node| reading.text(&node));
    let body = body(table, reading);
    let with = secrets(table, "with", reading);
    let message = table.take("message").and_then(|node| reading.secret(&node));
    let message_max = table
        .take("message_max")
        .and_then(|node| reading.parsed(&node, "a length like `1600 characters` or `2048 bytes`"));
    let mut expression = |key| table.take(key).and_then(|node| reading.text(&node));
    let answer = AnswerConfig {
        success_when: expression("success_when"),
        retry_when: expression("retry_when"),
        retry_after: expression("retry_after"),
        external_id: expression("external_id"),
        reason: expression("reason"),
    };
    let idempotency = idempotency(table, reading);
    let probe = table.take("probe").and_then(|node| {
        let mut keys = reading.table(node);
        let probe = probe(&mut keys, ("found_when", "absent_when"), reading);
        keys.end(reading);
        probe
    });
    let confirm = table.take("confirm").and_then(|node| {
        if answer.external_id.is_none() {
            let help = "say where the answer has it: `external_id: body.msgid`".to_owned();
            reading.fault(&node, "what is confirmed later needs a name", Some(help));
        }
        confirm(node, reading)
    });
    Some(HttpConfig {
        timeout: timeout(table, reading),
        egress: egress(table, reading),
        method: method.unwrap_or(Method::Post),
        url: url?,
        headers,
        bearer_file: bearer_file.map(PathBuf::from),
        token_file: token_file.map(PathBuf::from),
        body: body?,
        with,
        message: message.unwrap_or_else(|| SecretString::from(MESSAGE_DEFAULT)),
        message_max,
        answer,
        idempotency,
        probe,
        confirm,
    })
}

fn body(table: &mut Table, reading: &mut Reading<'_>) -> Option<HttpBody> {
    match (table.take("body"), table.take("form")) {
        (None, None) => Some(HttpBody::Nothing),
        (Some(body), None) => reading.secret(&body).map(HttpBody::Json),
        (None, Some(form)) => Some(HttpBody::Form(entries(form, reading))),
        (Some(_), Some(form)) => {
            reading.fault(&form, "there is a `body` already", None);
            None
        }
    }
}

/// A question, and by which keys it says what its answers mean.
fn probe(
    table: &mut Table,
    (found, absent): (&'static str, &'static str),
    reading: &mut Reading<'_>,
) -> Option<ProbeConfig> {
    let method = table.take("method").and_then(|node| reading.word(&node, METHODS));
    let url = table.need("url", reading).and_then(|node| reading.secret(&node));
    let headers = secrets(table, "headers", reading);
    let body = table.take("body").and_then(|node| reading.secret(&node));
    let found_when = table.need(found, reading).and_then(|node| reading.text(&node));
    let absent_when = table.need(absent, reading).and_then(|node| reading.text(&node));
    let external_id = table.take("external_id").and_then(|node| reading.text(&node));
    let after = table.take("after").and_then(|node| reading.span(&node));
    Some(ProbeConfig {
        method: method.unwrap_or(Method::Get),
        url: url?,
        headers,
        body,
        found_when: found_when?,
        absent_when: absent_when?,
        external_id,
        after: after.unwrap_or(ASK_AFTER_DEFAULT),
    })
}

fn confirm(node: Node, reading: &mut Reading<'_>) -> Option<ConfirmConfig> {
    let mut table = reading.table(node);
    let every = table.take("every").and_then(|node| {
        let span = reading.span(&node)?;
        if CONFIRM_EVERY_MIN <= span {
            return Some(span);
        }
        reading.fault(&node, format!("it is asked every {CONFIRM_EVERY_MIN} at most"), None);
        None
    });
    let within = table.take("within").and_then(|node| reading.span(&node));
    let by = table.take("by").and_then(|node| reading.secret(&node));
    let asked = probe(&mut table, ("sent_when", "not_sent_when"), reading);
    table.end(reading);
    let after = every.unwrap_or(CONFIRM_EVERY_DEFAULT);
    let within = within.unwrap_or(CONFIRM_WITHIN_DEFAULT);
    Some(ConfirmConfig { asked: ProbeConfig { after, ..asked? }, by, within })
}

fn idempotency(table: &mut Table, reading: &mut Reading<'_>) -> Option<Idempotency> {
    let header = table.take("idempotency_header").and_then(|node| reading.text(&node));
    let life = table.take("idempotency_for");
    match (header, life) {
        (Some(header), life) => {
            Some(Idempotency { header, life: life.and_then(|node| reading.span(&node)) })
        }
        (None, Some(life)) => {
            reading.fault(&life, "it needs `idempotency_header`", None);
            None
        }
        (None, None) => None,
    }
}

fn secrets(
    table: &mut Table,
    key: &'static str,
    reading: &mut Reading<'_>,
) -> Vec<(String, SecretString)> {
    table.take(key).map(|node| entries(node, reading)).unwrap_or_default()
}

fn entries(node: Node, reading: &mut Reading<'_>) -> Vec<(String, SecretString)> {
    let mut table = reading.table(node);
    let rest = table.take_rest().into_iter();
    rest.filter_map(|(name, _, value)| Some((name, SecretString::from(reading.text(&value)?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::super::channel::{ChannelConfig, ChannelKind, OnUnknown};
    use super::super::tests::read_channels;
    use super::*;

    fn http_of(channel: &ChannelConfig) -> &HttpConfig {
        match &channel.kind {
            ChannelKind::Http(http) => http,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_preset_gives_what_the_file_does_not_say() {
        let (channels, faults) = read_channels(
            "ops: {type: http, preset: wecom_robot, with: {key: '${KEY}'}}\n\
             slow: {type: http, preset: wecom_robot, with: {key: k}, rate: 5/min, form: {a: b}}\n",
        );
        assert_eq!(faults, Vec::<String>::new());
        let [ops, slow] = channels.as_slice() else { panic!("{channels:?}") };
        assert_eq!(ops.rate.unwrap().to_string(), "20 per 1m");
        assert_eq!(slow.rate.unwrap().to_string(), "5 per 1m");
        assert_eq!(http_of(ops).message_max, Some(Length::Bytes(2048)));
        assert!(matches!(http_of(ops).body, HttpBody::Json(_)));
        assert!(matches!(http_of(slow).body, HttpBody::Form(_)), "a form of one's own");
        assert_eq!(http_of(ops).with[0].1.expose_secret(), "hush");
        assert!(!format!("{channels:?}").contains("hush"));
    }

    #[test]
    fn what_is_not_repeatable_holds() {
        let (channels, faults) = read_channels(
            "a: {type: http, url: 'https://a.example/'}\n\
             b: {type: http, url: 'https://b.example/', idempotency_header: X, idempotency_for: 2h}\n\
             c: {type: http, url: 'https://c.example/', on_unknown: retry}\n\
             d: {type: http, url: 'https://d.example/', probe: {url: 'https://d.example/{{ decision }}', found_when: status == 200, absent_when: status == 404, after: 1m}}\n",
        );
        assert_eq!(faults, Vec::<String>::new());
        let of: Vec<_> = channels.iter().map(|channel| channel.on_unknown).collect();
        let probe = OnUnknown::Probe { after: Span::MINUTE };
        assert_eq!(of, [OnUnknown::Hold, OnUnknown::Retry, OnUnknown::Retry, probe]);
        let lives: Vec<_> = channels.iter().map(ChannelConfig::retry_life).collect();
        assert_eq!(lives, [None, Some(Span::HOUR.times(2)), None, None]);
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        for (text, what) in [
            ("a: {type: http}\n", "`url` is missing"),
            ("a: {type: http, preset: slak, url: x}\n", "did you mean `slack`"),
            ("a: {type: http, preset: wecom_robot}\n", "needs `key` in `with`"),
            ("a: {type: http, url: x, body: '{}', form: {a: b}}\n", "there is a `body` already"),
            ("a: {type: http, url: x, message_max: 5 words}\n", "a length like"),
            ("a: {type: http, url: x, idempotency_for: 2h}\n", "needs `idempotency_header`"),
            ("a: {type: http, url: x, sucess_when: y}\n", "did you mean `success_when`"),
            ("a: {type: http, url: x, on_unknown: probe}\n", "cannot be asked"),
            (
                "a: {type: http, url: x, probe: {url: y, found_when: z}}\n",
                "`absent_when` is missing",
            ),
            (
                "a: {type: http, url: x, confirm: {url: y, sent_when: a, not_sent_when: b}}\n",
                "needs a name",
            ),
            (
                "a: {type: http, url: x, external_id: z, confirm: {url: y, sent_when: a, not_sent_when: b, every: 1s}}\n",
                "every 10s at most",
            ),
            (
                "a: {type: http, url: x, external_id: z, confirm: {url: y, sent_when: a}}\n",
                "`not_sent_when` is missing",
            ),
            ("a: {type: webhook, preset: slack, url: x, secret: y}\n", "`preset` is not known"),
        ] {
            let (_, faults) = read_channels(text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert!(faults[0].contains(what), "{text}: {faults:?}");
        }
    }

    #[test]
    fn every_preset_is_read_without_a_fault() {
        for (name, preset) in preset::PRESETS {
            let root = Node::parse("preset", preset).unwrap();
            let Kind::Map(keys) = root.kind else { panic!("{name}") };
            let needs = keys.iter().find_map(|(key, value)| match (&key.kind, &value.kind) {
                (Kind::Text(key), Kind::Map(needs)) if key == "needs" => Some(needs.clone()),
                _ => None,
            });
            let with: Vec<String> = needs
                .unwrap_or_default()
                .iter()
                .map(|(key, _)| match &key.kind {
                    Kind::Text(key) => format!("{key}: x"),
                    other => panic!("{other:?}"),
                })
                .collect();
            let more = if preset.contains("bearer_file") { ", bearer_file: x" } else { "" };
            let text =
                format!("a: {{type: http, preset: {name}, with: {{{}}}{more}}}\n", with.join(", "));
            let (channels, faults) = read_channels(&text);
            assert_eq!(faults, Vec::<String>::new(), "{name}");
            assert_eq!(channels.len(), 1, "{name}");
        }
    }
}
