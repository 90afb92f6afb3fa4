//! A row as a mail: text with HTML beside it, the headers that let people leave, and nothing that a
//! customer typed where it would be read as a header or an address.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use lettre::{Address, address::Envelope};

use crate::dispatch::fill;
use crate::store::record::OutboxRow;

/// Longest subject, in characters.
const SUBJECT_CHARS_MAX: usize = 250;
/// Longest address that mail knows.
const ADDRESS_BYTES_MAX: usize = 254;

/// Who a mail is from.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
}

/// A mail as it goes over the line.
#[derive(Debug)]
pub(super) struct Mail {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Reads `Shop <hello@shop.example>`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn mailbox(key: &str, text: &str) -> Result<Mailbox, String> {
    // The crate panics over a name with a line break.
    if text.chars().any(is_control) {
        return Err(format!("`{key}` holds control characters"));
    }
    let read = text.parse::<Mailbox>();
    read.map_err(|_| format!("`{key}` is not like `Shop <hello@shop.example>`"))
}

/// Writes a mail. It depends on the row alone, so that it is the same at every attempt.
///
/// # Errors
/// Why there is none, in a sentence.
pub(super) fn write(row: &OutboxRow, sender: &Sender) -> Result<Mail, String> {
    let field = |name: &str| row.content.iter().find(|field| &*field.name == name);
    let text = |name: &str| field(name).map(|field| &*field.text).filter(|text| !text.is_empty());
    let subject = text("subject").or_else(|| text("title")).ok_or("it has no `subject`")?;
    let to = address(row.address.as_deref().unwrap_or_default())?;
    let decided_at = u64::try_from(row.decided_at_ms).unwrap_or(0);
    let id = format!("<{}@{}>", row.decision, sender.from.email.domain());
    let mut mail = Message::builder()
        .from(sender.from.clone())
        .to(Mailbox::new(None, to))
        .subject(one_line(subject))
        .date(SystemTime::UNIX_EPOCH + Duration::from_millis(decided_at))
        .message_id(Some(id))
        // So that nobody's absence is announced to us.
        .raw_header(header("Auto-Submitted", "auto-generated")?);
    if let Some(reply_to) = &sender.reply_to {
        mail = mail.reply_to(reply_to.clone());
    }
    if let Some(link) = text(fill::FIELD) {
        mail = mail.raw_header(header("List-Unsubscribe", &format!("<{link}>"))?);
        // Mail programs post over TLS or not at all.
        if link.starts_with("https://") {
            let one_click = "List-Unsubscribe=One-Click";
            mail = mail.raw_header(header("List-Unsubscribe-Post", one_click)?);
        }
    }
    let part =
        |kind: ContentType, text: &str| SinglePart::builder().header(kind).body(text.to_owned());
    let made = match (text("body"), text("html")) {
        (Some(plain), None) => mail.singlepart(part(ContentType::TEXT_PLAIN, plain)),
        (None, Some(html)) => mail.singlepart(part(ContentType::TEXT_HTML, html)),
        (Some(plain), Some(html)) => mail.multipart(
            MultiPart::alternative()
                .boundary(format!("heedful-{}", row.decision))
                .singlepart(part(ContentType::TEXT_PLAIN, plain))
                .singlepart(part(ContentType::TEXT_HTML, html)),
        ),
        (None, None) => return Err("it has neither `body` nor `html`".to_owned()),
    };
    let made = made.map_err(|error| format!("it cannot be written as a mail: {error}"))?;
    Ok(Mail { envelope: made.envelope().clone(), bytes: made.formatted() })
}

/// One address, and nothing that could be read as more: no name, no list, no comment, no route.
fn address(text: &str) -> Result<Address, String> {
    let strange = |c: char| is_control(c) || c.is_whitespace() || "<>()[]\\\",;:".contains(c);
    if text.is_empty() || ADDRESS_BYTES_MAX < text.len() || text.contains(strange) {
        return Err("the customer's address is not one".to_owned());
    }
    text.parse().map_err(|_| "the customer's address is not one".to_owned())
}

fn one_line(text: &str) -> String {
    let plain = text.chars().map(|c| if is_control(c) { ' ' } else { c });
    plain.take(SUBJECT_CHARS_MAX).collect()
}

/// What ends a line or steers something, in any alphabet.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn header(name: &'static str, value: &str) -> Result<HeaderValue, String> {
    // A link is one long word, which must not be folded.
    if value.chars().any(|c| is_control(c) || !c.is_ascii()) {
        return Err(format!("`{name}` would hold characters it must not"));
    }
    let name = HeaderName::new_from_ascii_str(name);
    Ok(HeaderValue::dangerous_new_pre_encoded(name, value.to_owned(), value.to_owned()))
}
