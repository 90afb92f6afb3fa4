//! What `channels:` says: how each channel of the trigger files is served.

use std::fmt;
use std::str::FromStr;

use secrecy::SecretString;

use super::csv::{self, CsvConfig};
use super::http::{self, HttpConfig};
use super::node::{Kind, Node};
use super::receipts::{self, ReceiptsConfig};
use super::smtp::{self, SmtpConfig};
use super::table::{Reading, Table};
use super::topic::{self, TopicConfig};
use crate::engine::policy::{AT_MOST_MAX, Period};
use crate::engine::time::Span;

/// Calls of one channel that may run at a time, unless the file says otherwise.
pub const CONCURRENCY_DEFAULT: usize = 8;
/// Most calls of one channel at a time that a file may ask for.
const CONCURRENCY_MAX: usize = 256;
/// How long a webhook may take to answer, unless the file says otherwise.
pub const WEBHOOK_TIMEOUT_DEFAULT: Span = Span::from_millis(15_000);
/// The longest a file may let a webhook take.
const WEBHOOK_TIMEOUT_MAX: Span = Span::MINUTE;

/// One channel.
#[derive(Clone, Debug)]
pub struct ChannelConfig {
    /// Its name in trigger files.
    pub name: String,
    /// `file:line:column` of its name.
    pub place: String,
    /// What serves it.
    pub kind: ChannelKind,
    /// Calls at a time.
    pub concurrency: usize,
    /// The provider's own limit.
    pub rate: Option<Rate>,
    /// How many messages one customer may get here in a period of theirs.
    pub at_most: Vec<(Period, u32)>,
    /// What to do when a call may or may not have arrived.
    pub on_unknown: OnUnknown,
    /// How what its provider tells later is taken in.
    pub receipts: ReceiptsConfig,
}

/// What serves a channel.
#[derive(Clone, Debug)]
pub enum ChannelKind {
    /// Printed on standard output.
    Console,
    /// Kept in the customer's inbox and shown live.
    InApp,
    /// Posted to a server, signed.
    Webhook(WebhookConfig),
    /// A call to anybody's API, as templates.
    Http(Box<HttpConfig>),
    /// A mail server.
    Smtp(Box<SmtpConfig>),
    /// A topic of Kafka.
    Kafka(Box<TopicConfig>),
    /// A folder of tables.
    Csv(CsvConfig),
}

impl ChannelConfig {
    /// For how long after its decision a call whose result is not known may be made again; `None`
    /// where it makes no difference.
    pub fn retry_life(&self) -> Option<Span> {
        match &self.kind {
            ChannelKind::Http(http) => http.idempotency.as_ref().and_then(|known| known.life),
            ChannelKind::Console
            | ChannelKind::InApp
            | ChannelKind::Webhook(_)
            | ChannelKind::Kafka(_)
            | ChannelKind::Csv(_)
            | ChannelKind::Smtp(_) => None,
        }
    }
}

/// A signed webhook.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Where to.
    pub url: String,
    /// The secrets it is signed with (`whsec_...`): the current one first, then those being retired.
    pub secrets: Vec<SecretString>,
    /// Headers sent along.
    pub headers: Vec<(String, SecretString)>,
    /// How long it may take to answer.
    pub timeout: Span,
    /// Which addresses it may be sent to.
    pub egress: Egress,
}

/// Which addresses a channel may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// Only public ones, and only over TLS.
    PublicOnly,
    /// Any, also the machine's own network and plain HTTP.
    AllowPrivate,
}

/// What to do when a call may or may not have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    /// Try again with the same id: the receiver recognises it.
    Retry,
    /// Do not try again; record it as unknown, and count it.
    Hold,
    /// Ask the other side whether it arrived, and try again when it did not.
    Probe {
        /// Not before so long after the call: it may be on its way.
        after: Span,
    },
}

/// So many calls in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub calls: u32,
    /// In which time.
    pub per: Span,
}

impl FromStr for Rate {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (calls, per) = text.split_once('/').ok_or(())?;
        let calls = calls.trim().parse().map_err(|_| ())?;
        let per = match per.trim() {
            "s" | "sec" | "second" => Span::SECOND,
            "min" | "minute" => Span::MINUTE,
            "h" | "hour" => Span::HOUR,
            _ => return Err(()),
        };
        if calls == 0 { Err(()) } else { Ok(Self { calls, per }) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} per {}", self.calls, self.per)
    }
}

/// The kinds, as words.
#[derive(Clone, Copy)]
enum Word {
    Console,
    InApp,
    Webhook,
    Http,
    Smtp,
    Kafka,
    Csv,
}

/// Reads `channels:`.
pub(super) fn channels(node: Node, reading: &mut Reading<'_>) -> Vec<ChannelConfig> {
    let mut table = reading.table(node);
    let mut channels = Vec::new();
    for (name, key, value) in table.take_rest() {
        let place = format!("{}:{}:{}", reading.origin, key.line, key.column);
        channels.extend(channel(name, place, value, reading));
    }
    channels
}

fn channel(
    name: String,
    place: String,
    node: Node,
    reading: &mut Reading<'_>,
) -> Option<ChannelConfig> {
    let mut table = reading.table(node);
    let words = [
        ("console", Word::Console),
        ("in_app", Word::InApp),
        ("webhook", Word::Webhook),
        ("http", Word::Http),
        ("smtp", Word::Smtp),
        ("kafka", Word::Kafka),
        ("csv", Word::Csv),
    ];
    let word = table.need("type", reading).and_then(|node| reading.word(&node, &words));
    if matches!(word, Some(Word::Http)) {
        http::fill(&mut table, reading);
    }
    let concurrency =
        table.take("concurrency").and_then(|node| reading.number(&node, 1..=CONCURRENCY_MAX));
    let rate = table
        .take("rate")
        .and_then(|node| reading.parsed(&node, "a rate like `20/min`, `5/s` or `1000/h`"));
    let at_most = table.take("at_most").map(|node| at_most(node, reading)).unwrap_or_default();
    let said = table.take("on_unknown");
    let kind = match word {
        Some(Word::Console) => Some(ChannelKind::Console),
        Some(Word::InApp) => Some(ChannelKind::InApp),
        Some(Word::Webhook) => webhook(&mut table, reading).map(ChannelKind::Webhook),
        Some(Word::Http) => {
            http::http(&mut table, reading).map(|http| ChannelKind::Http(Box::new(http)))
        }
        Some(Word::Smtp) => {
            smtp::smtp(&mut table, reading).map(|smtp| ChannelKind::Smtp(Box::new(smtp)))
        }
        Some(Word::Kafka) => {
            topic::topic(&mut table, reading).map(|topic| ChannelKind::Kafka(Box::new(topic)))
        }
        Some(Word::Csv) => csv::csv(&mut table, reading).map(ChannelKind::Csv),
        // Its other keys cannot be judged before its type is known.
        None => return None,
    };
    let on_unknown = said.and_then(|node| on_unknown(&node, kind.as_ref(), reading));
    let receipts = receipts::receipts(&mut table, kind.as_ref(), reading);
    table.end(reading);
    let kind = kind?;
    Some(ChannelConfig {
        name,
        place,
        on_unknown: on_unknown.unwrap_or(unsaid(&kind)),
        kind,
        concurrency: concurrency.unwrap_or(CONCURRENCY_DEFAULT),
        rate,
        at_most,
        receipts,
    })
}

fn at_most(node: Node, reading: &mut Reading<'_>) -> Vec<(Period, u32)> {
    let mut table = reading.table(node);
    let mut found = Vec::new();
    for (word, period) in [("day", Period::Day), ("week", Period::Week), ("month", Period::Month)] {
        let most = table.take(word).and_then(|node| reading.number(&node, 1..=AT_MOST_MAX));
        found.extend(most.map(|most| (period, most)));
    }
    table.end(reading);
    found
}

fn on_unknown(
    node: &Node,
    kind: Option<&ChannelKind>,
    reading: &mut Reading<'_>,
) -> Option<OnUnknown> {
    let asks = kind.and_then(asks);
    let probe = OnUnknown::Probe { after: asks.unwrap_or_default() };
    let words = [("retry", OnUnknown::Retry), ("hold", OnUnknown::Hold), ("probe", probe)];
    let said = reading.word(node, &words)?;
    if said == probe && asks.is_none() {
        let help = "with `type: http`, say how it is asked: `probe: {url: ..., found_when: ..., \
                    absent_when: ...}`";
        reading.fault(node, "this channel cannot be asked", Some(help.to_owned()));
        return None;
    }
    Some(said)
}

/// After which time the other side may be asked, if it can be.
fn asks(kind: &ChannelKind) -> Option<Span> {
    match kind {
        ChannelKind::Http(http) => http.probe.as_ref().map(|probe| probe.after),
        ChannelKind::Smtp(_)
        | ChannelKind::Console
        | ChannelKind::InApp
        | ChannelKind::Kafka(_)
        | ChannelKind::Csv(_)
        | ChannelKind::Webhook(_) => None,
    }
}

/// A second call reaches a customer twice, unless the other side knows it again.
fn unsaid(kind: &ChannelKind) -> OnUnknown {
    if let Some(after) = asks(kind) {
        return OnUnknown::Probe { after };
    }
    match kind {
        ChannelKind::Smtp(_) => OnUnknown::Hold,
        ChannelKind::Http(http) if http.idempotency.is_none() => OnUnknown::Hold,
        ChannelKind::Http(_)
        | ChannelKind::Console
        | ChannelKind::InApp
        | ChannelKind::Kafka(_)
        | ChannelKind::Csv(_)
        | ChannelKind::Webhook(_) => OnUnknown::Retry,
    }
}

fn webhook(table: &mut Table, reading: &mut Reading<'_>) -> Option<WebhookConfig> {
    let url = table.need("url", reading).and_then(|node| reading.text(&node));
    let secret = table.need("secret", reading);
    let named = secret.is_some();
    let mut secrets = secret.map(|node| reading.secrets(node)).unwrap_or_default();
    if let Some(node) = table.take("secret_previous") {
        secrets.extend(reading.secrets(node));
    }
    let headers = table.take("headers").map(|node| headers(node, reading)).unwrap_or_default();
    let (timeout, egress) = (timeout(table, reading), egress(table, reading));
    if !named || secrets.is_empty() {
        return None;
    }
    Some(WebhookConfig { url: url?, secrets, headers, timeout, egress })
}

/// How long a call may take.
pub(super) fn timeout(table: &mut Table, reading: &mut Reading<'_>) -> Span {
    let timeout = table.take("timeout").and_then(|node| {
        let span = reading.span(&node)?;
        if span <= WEBHOOK_TIMEOUT_MAX {
            return Some(span);
        }
        reading.fault(&node, format!("the longest timeout is {WEBHOOK_TIMEOUT_MAX}"), None);
        None
    });
    timeout.unwrap_or(WEBHOOK_TIMEOUT_DEFAULT)
}

/// Which addresses may be called.
pub(super) fn egress(table: &mut Table, reading: &mut Reading<'_>) -> Egress {
    match table.take("allow_private").and_then(|node| reading.yes(&node)) {
        Some(true) => Egress::AllowPrivate,
        Some(false) | None => Egress::PublicOnly,
    }
}

fn headers(node: Node, reading: &mut Reading<'_>) -> Vec<(String, SecretString)> {
    let mut table = reading.table(node);
    let mut headers = Vec::new();
    for (name, key, value) in table.take_rest() {
        if name.to_ascii_lowercase().starts_with("webhook-") {
            reading.fault(&key, format!("`{name}` is set by the signature"), None);
        } else if matches!(value.kind, Kind::Text(_)) {
            headers.extend(reading.secret(&value).map(|secret| (name, secret)));
        } else {
            reading.fault(&value, format!("expected a text, found {}", value.what()), None);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let rate = |calls, per| Ok(Rate { calls, per });
        assert_eq!("20/min".parse(), rate(20, Span::MINUTE));
        assert_eq!("5/s".parse(), rate(5, Span::SECOND));
        assert_eq!("1000 / h".parse(), rate(1000, Span::HOUR));
        for text in ["", "20", "0/s", "-1/s", "20/day", "/s"] {
            assert_eq!(text.parse::<Rate>(), Err(()), "{text}");
        }
    }
}
