//! What `receipts:` of a channel says: how what its provider tells later is known to be true.

use secrecy::{ExposeSecret as _, SecretString};

use super::channel::ChannelKind;
use super::node::{Kind, Node};
use super::table::{Reading, Table};
use crate::engine::time::Span;

/// Shortest shared token, in characters.
const TOKEN_CHARS_MIN: usize = 16;
/// How old a signature may be, unless the file says otherwise.
const WITHIN_DEFAULT: Span = Span::MINUTE.times(5);
/// The same for providers that bring the same again for a day. What comes twice changes nothing.
const WITHIN_LONG: Span = Span::DAY;

/// How what a provider tells is taken in.
#[derive(Clone, Debug)]
pub struct ReceiptsConfig {
    /// What proves it; without one nothing is taken in.
    pub proof: Option<Proof>,
    /// How it is written.
    pub shape: ReceiptShape,
    /// How old a signature may be.
    pub within: Span,
}

/// What proves that a provider told it.
#[derive(Clone, Debug)]
pub enum Proof {
    /// Signed as Standard Webhooks says.
    Standard(Vec<SecretString>),
    /// A token that both sides know.
    Token(SecretString),
    /// Signed as Twilio does, with the token of the account.
    Twilio(SecretString),
    /// Signed as `SendGrid` does; the key is public.
    SendGrid(String),
    /// Signed as Slack does.
    Slack(SecretString),
}

/// How what a provider tells is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptShape {
    /// Our own.
    Own,
    /// Twilio's forms.
    Twilio,
    /// `SendGrid`'s events.
    SendGrid,
    /// Slack's events.
    Slack,
}

/// Whether a channel's provider tells later what became of sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hears {
    /// It does.
    Receipts,
    /// It does not, or is not listened to.
    Nothing,
}

impl ReceiptsConfig {
    /// Nothing is taken in.
    pub const fn none() -> Self {
        Self { proof: None, shape: ReceiptShape::Own, within: WITHIN_DEFAULT }
    }

    /// Whether anything is.
    pub const fn hears(&self) -> Hears {
        if self.proof.is_some() { Hears::Receipts } else { Hears::Nothing }
    }
}

/// Reads the keys of a channel that are about receipts.
pub(super) fn receipts(
    table: &mut Table,
    kind: Option<&ChannelKind>,
    reading: &mut Reading<'_>,
) -> ReceiptsConfig {
    let shapes = [
        ("own", ReceiptShape::Own),
        ("twilio", ReceiptShape::Twilio),
        ("sendgrid", ReceiptShape::SendGrid),
        ("slack", ReceiptShape::Slack),
    ];
    let said = table.take("receipts_shape").and_then(|node| reading.word(&node, &shapes));
    let shape = said.unwrap_or(ReceiptShape::Own);
    let Some(node) = table.take("receipts") else {
        return ReceiptsConfig { shape, ..ReceiptsConfig::none() };
    };
    let at = Node { kind: Kind::Null, ..node };
    let is_block = matches!(node.kind, Kind::Map(_));
    if !is_block && reading.yes(&node) != Some(true) {
        return ReceiptsConfig { shape, ..ReceiptsConfig::none() };
    }
    // `on` is an empty block.
    let mut keys = reading.table(if is_block { node } else { at.clone() });
    let token = token(&mut keys, reading);
    let secrets = keys.take("secret").map(|node| reading.secrets(node)).unwrap_or_default();
    let key = keys.take("key").and_then(|node| reading.text(&node));
    let within = keys.take("within").and_then(|node| reading.span(&node));
    keys.end(reading);
    let mut need = |what: &str| {
        reading.fault(&at, format!("it needs {what}"), Some("or a shared `token`".to_owned()));
        None
    };
    let first = secrets.first().cloned();
    let proof = match (token, shape) {
        (Some(token), _) => Some(Proof::Token(token)),
        (None, ReceiptShape::Own) if secrets.is_empty() => need("`secret` (whsec_...)"),
        (None, ReceiptShape::Own) => Some(Proof::Standard(secrets)),
        (None, ReceiptShape::Twilio) => match first.or_else(|| account_token(kind)) {
            Some(secret) => Some(Proof::Twilio(secret)),
            None => need("`secret`: the token of the account"),
        },
        (None, ReceiptShape::Slack) => match first {
            Some(secret) => Some(Proof::Slack(secret)),
            None => need("`secret`: the signing secret of the app"),
        },
        (None, ReceiptShape::SendGrid) => match key {
            Some(key) => Some(Proof::SendGrid(key)),
            None => need("`key`: the verification key of the event webhook"),
        },
    };
    let usual = match proof {
        Some(Proof::SendGrid(_)) => WITHIN_LONG,
        _ => WITHIN_DEFAULT,
    };
    ReceiptsConfig { proof, shape, within: within.unwrap_or(usual) }
}

fn token(keys: &mut Table, reading: &mut Reading<'_>) -> Option<SecretString> {
    let node = keys.take("token")?;
    let token = reading.secret(&node)?;
    if TOKEN_CHARS_MIN <= token.expose_secret().chars().count() {
        return Some(token);
    }
    let help = "make one with `openssl rand -hex 32`".to_owned();
    let what = format!("a shared token has at least {TOKEN_CHARS_MIN} characters");
    reading.fault(&node, what, Some(help));
    None
}

/// What calls are made with: Twilio signs with the same.
fn account_token(kind: Option<&ChannelKind>) -> Option<SecretString> {
    let Some(ChannelKind::Http(http)) = kind else { return None };
    http.with.iter().find(|(name, _)| name == "auth_token").map(|(_, token)| token.clone())
}

#[cfg(test)]
mod tests {
    use super::super::tests::read_channels;
    use super::*;

    const TWILIO: &str =
        "type: http, preset: twilio, with: {account_sid: A, auth_token: hush, from: '+1'}";
    const SENDGRID: &str = "type: http, preset: sendgrid, with: {api_key: k, from: a@b.example}";
    const SLACK: &str = "type: http, preset: slack, with: {token: t, channel: c}";

    #[test]
    fn each_provider_has_its_own_proof_and_nothing_is_heard_without_one() {
        for (channel, proof, shape) in [
            (format!("{TWILIO}, receipts: on"), "Twilio", ReceiptShape::Twilio),
            (format!("{SENDGRID}, receipts: {{key: abc}}"), "SendGrid", ReceiptShape::SendGrid),
            (format!("{SLACK}, receipts: {{secret: s}}"), "Slack", ReceiptShape::Slack),
            (
                format!("{SLACK}, receipts: {{token: 0123456789abcdef}}"),
                "Token",
                ReceiptShape::Slack,
            ),
            ("type: console, receipts: {secret: whsec_x}".into(), "Standard", ReceiptShape::Own),
            (format!("{TWILIO}, receipts: off"), "None", ReceiptShape::Twilio),
            (TWILIO.to_owned(), "None", ReceiptShape::Twilio),
        ] {
            let (channels, faults) = read_channels(&format!("c: {{{channel}}}\n"));
            assert_eq!(faults, Vec::<String>::new(), "{channel}");
            let receipts = &channels[0].receipts;
            let told = format!("{:?}", receipts.proof);
            assert!(told.contains(proof) && !told.contains("hush"), "{channel}: {told}");
            assert_eq!(receipts.shape, shape);
            assert_eq!(receipts.hears() == Hears::Nothing, proof == "None");
        }
    }

    #[test]
    fn what_cannot_be_verified_is_a_mistake() {
        for (channel, what) in [
            ("type: console, receipts: on".to_owned(), "it needs `secret` (whsec_...)"),
            (format!("{SENDGRID}, receipts: on"), "it needs `key`"),
            (format!("{SLACK}, receipts: on"), "it needs `secret`"),
            ("type: console, receipts: {token: short}".to_owned(), "at least 16"),
            ("type: console, receipts: {secrets: x}".to_owned(), "did you mean `secret`"),
        ] {
            let (_, faults) = read_channels(&format!("c: {{{channel}}}\n"));
            assert!(faults[0].contains(what), "{channel}: {faults:?}");
        }
    }
}
