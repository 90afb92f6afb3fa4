//! What `channels:` says of a channel of type `web_push`: who we are to the services of browsers.

use secrecy::SecretString;

use super::channel::{Egress, egress, timeout};
use super::node::{Kind, Node};
use super::table::{Reading, Table};
use crate::engine::time::Span;

/// The services of the browsers there are. Where a customer's endpoint lies is said by the customer:
/// nothing else is called.
const SERVICES: [&str; 4] =
    ["fcm.googleapis.com", "push.services.mozilla.com", "push.apple.com", "notify.windows.com"];

/// The services of browsers.
#[derive(Clone, Debug)]
pub struct WebPushConfig {
    /// What we sign with (VAPID): PKCS #8 in PEM or its base64, or 32 bytes in base64.
    pub key: SecretString,
    /// The other half of 32 bytes.
    pub public_key: Option<String>,
    /// Whom a service may write to: `mailto:` or `https:`.
    pub subject: String,
    /// How much a device may be woken for it.
    pub urgency: Urgency,
    /// Hosts that endpoints may lie on, or below.
    pub services: Vec<String>,
    /// How long a service may take to answer.
    pub timeout: Span,
    /// Which addresses may be called.
    pub egress: Egress,
}

/// How much a device may be woken for a message (RFC 8030, 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// When it is charged and at home.
    VeryLow,
    /// When it is charged or at home.
    Low,
    /// Unless its battery is low.
    Normal,
    /// Always.
    High,
}

impl Urgency {
    /// The word that services know.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// Reads the keys of the type.
pub(super) fn web_push(table: &mut Table, reading: &mut Reading<'_>) -> Option<WebPushConfig> {
    let words = [
        ("very-low", Urgency::VeryLow),
        ("low", Urgency::Low),
        ("normal", Urgency::Normal),
        ("high", Urgency::High),
    ];
    let key = table.need("vapid_key", reading).and_then(|node| reading.secret(&node));
    let public_key = table.take("vapid_public_key").and_then(|node| reading.text(&node));
    let subject = table.need("subject", reading).and_then(|node| subject(&node, reading));
    let urgency = table.take("urgency").and_then(|node| reading.word(&node, &words));
    let own = table.take("services").map(|node| services(node, reading)).unwrap_or_default();
    let (timeout, egress) = (timeout(table, reading), egress(table, reading));
    Some(WebPushConfig {
        key: key?,
        public_key,
        subject: subject?,
        urgency: urgency.unwrap_or(Urgency::Normal),
        services: SERVICES.into_iter().map(str::to_owned).chain(own).collect(),
        timeout,
        egress,
    })
}

fn subject(node: &Node, reading: &mut Reading<'_>) -> Option<String> {
    let text = reading.text(node)?;
    let reached = text.strip_prefix("mailto:").or_else(|| text.strip_prefix("https://"));
    if reached.is_some_and(|rest| !rest.is_empty()) && !text.chars().any(char::is_whitespace) {
        return Some(text);
    }
    let help = "write `mailto:ops@shop.example`".to_owned();
    reading.fault(node, "services want to know whom to write to", Some(help));
    None
}

fn services(node: Node, reading: &mut Reading<'_>) -> Vec<String> {
    let mut named = Vec::new();
    let items = match node.kind {
        Kind::List(items) => items,
        _ => vec![node],
    };
    for item in items {
        let Some(host) = reading.text(&item) else { continue };
        if host.is_empty() || host.contains(['/', ':', '*', ' ']) {
            let help =
                "write its name alone: `push.example.com`, which stands for all below it, too";
            reading.fault(&item, format!("`{host}` is no host"), Some(help.to_owned()));
        } else {
            named.push(host.to_ascii_lowercase());
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::super::channel::{ChannelKind, OnUnknown};
    use super::super::tests::read_channels;
    use super::*;

    #[test]
    fn a_key_and_a_subject_are_enough_and_no_host_is_called_that_nobody_named() {
        let (channels, faults) = read_channels(
            "push: {type: web_push, vapid_key: '${KEY}', subject: 'mailto:a@b.example'}",
        );
        assert!(faults.is_empty(), "{faults:?}");
        let ChannelKind::WebPush(push) = &channels[0].kind else { panic!("{channels:?}") };
        assert_eq!((push.urgency, push.egress), (Urgency::Normal, Egress::PublicOnly));
        assert_eq!(push.services, SERVICES);
        assert_eq!(
            channels[0].on_unknown,
            OnUnknown::Retry,
            "a second one takes the place of the first"
        );
        assert!(!format!("{channels:?}").contains("hush"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (keys, told) in [
            ("subject: 'mailto:a@b.example'", "`vapid_key` is missing"),
            ("vapid_key: k", "`subject` is missing"),
            ("vapid_key: k, subject: a@b.example", "whom to write to"),
            ("vapid_key: k, subject: 'mailto:'", "whom to write to"),
            ("vapid_key: k, subject: 'https://a.example', urgency: urgent", "urgent"),
            ("vapid_key: k, subject: 'https://a.example', services: ['https://x/']", "is no host"),
            ("vapid_key: k, subject: 'https://a.example', ttl: 5", "ttl"),
        ] {
            let (_, faults) = read_channels(&format!("push: {{type: web_push, {keys}}}"));
            assert!(faults.iter().any(|fault| fault.contains(told)), "{keys}: {faults:?}");
        }
    }
}
