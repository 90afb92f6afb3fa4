//! Dead letters: a message that was refused, as it came, with where it came from and why in headers
//! that tools for Kafka Connect already know.

use super::{HEADERS_MAX, Message};

/// What the names of the headers we add begin with.
const PREFIX: &str = "__connect.errors.";
/// The header that says what to do.
const HINT: &str = "heedful.errors.hint";
/// The header that says when it was refused (RFC 3339).
const AT: &str = "heedful.errors.at";
/// Longest sentence kept in a header, in bytes.
const TEXT_BYTES_MAX: usize = 2_048;

/// Where a message came from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// Why it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// When (RFC 3339).
    pub at: String,
    /// What was being done: `decode`, `route`.
    pub stage: String,
    /// The closed reason.
    pub reason: String,
    /// What is wrong and where.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
}

/// A message of the topic of dead letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it came from.
    pub origin: Origin,
    /// Why it was refused.
    pub verdict: Verdict,
    /// As it came: key, value and the headers it had.
    pub message: Message,
}

impl DeadLetter {
    /// As it is written.
    pub fn into_message(self) -> Message {
        let Self { origin, verdict, mut message } = self;
        // A letter that is refused again tells of the last time only.
        message.headers.retain(|(name, _)| !is_ours(name));
        message.headers.truncate(HEADERS_MAX);
        for (name, value) in [
            ("topic", origin.topic),
            ("partition", origin.partition.to_string()),
            ("offset", origin.offset.to_string()),
            ("stage", verdict.stage),
            ("class.name", "heedful".to_owned()),
            ("exception.class.name", verdict.reason),
            ("exception.message", cut(verdict.detail)),
        ] {
            message.headers.push((format!("{PREFIX}{name}"), value.into_bytes()));
        }
        message.headers.push((HINT.to_owned(), cut(verdict.hint).into_bytes()));
        message.headers.push((AT.to_owned(), verdict.at.into_bytes()));
        message
    }

    /// Reads one back; what its headers do not say is empty. Other programs may have written it.
    pub fn from_message(mut message: Message) -> Self {
        let text = |name: &str| message.header(name).unwrap_or_default().to_owned();
        let of = |name: &str| text(&format!("{PREFIX}{name}"));
        let origin = Origin {
            topic: of("topic"),
            partition: of("partition").parse().unwrap_or(-1),
            offset: of("offset").parse().unwrap_or(-1),
        };
        let verdict = Verdict {
            at: text(AT),
            stage: of("stage"),
            reason: of("exception.class.name"),
            detail: of("exception.message"),
            hint: text(HINT),
        };
        message.headers.retain(|(name, _)| !is_ours(name));
        Self { origin, verdict, message }
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) || name == HINT || name == AT
}

fn cut(mut text: String) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_message_comes_back_as_it_was() {
        let message = Message {
            key: b"\xFFada".to_vec(),
            value: Some(b"{\"customer\": 7".to_vec()),
            headers: vec![("trace".to_owned(), b"abc".to_vec())],
        };
        let text = |text: &str| text.to_owned();
        let letter = DeadLetter {
            origin: Origin { topic: text("clicks"), partition: 3, offset: 17 },
            verdict: Verdict {
                at: text("2026-03-01T00:00:00.000Z"),
                stage: text("decode"),
                reason: text("malformed_json"),
                detail: text("at byte 14: the text ends too early"),
                hint: text("send whole JSON"),
            },
            message: message.clone(),
        };
        let written = letter.clone().into_message();
        assert_eq!((&written.key, &written.value), (&message.key, &message.value));
        assert_eq!(written.header("__connect.errors.topic"), Some("clicks"));
        assert_eq!(written.header("__connect.errors.exception.class.name"), Some("malformed_json"));
        assert_eq!(written.header("heedful.errors.hint"), Some("send whole JSON"));
        assert_eq!(DeadLetter::from_message(written.clone()), letter);
        // Refused again, after somebody brought it back headers and all.
        let again = DeadLetter { message: written, ..letter.clone() };
        assert_eq!(again.into_message().headers.len(), letter.into_message().headers.len());
    }

    #[test]
    fn long_sentences_are_cut_where_a_letter_ends() {
        let cut = cut("é".repeat(TEXT_BYTES_MAX));
        assert_eq!(cut.len(), TEXT_BYTES_MAX);
        let odd = super::cut(format!("a{}", "é".repeat(TEXT_BYTES_MAX)));
        assert_eq!(odd.len(), TEXT_BYTES_MAX - 1);
    }

    #[test]
    fn a_letter_of_another_program_is_read_as_far_as_it_says() {
        let headers = vec![("__connect.errors.exception.message".to_owned(), b"no".to_vec())];
        let letter = DeadLetter::from_message(Message { headers, ..Message::default() });
        assert_eq!((letter.verdict.detail.as_str(), letter.origin.partition), ("no", -1));
    }
}
