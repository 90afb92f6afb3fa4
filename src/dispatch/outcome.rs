//! What a call came to: the classes of result that decide whether it is tried again.

use crate::engine::time::{Span, Timestamp};

/// The longest rest that a channel may ask for.
pub const RETRY_AFTER_MAX: Span = Span::HOUR;

/// What one call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// The channel took it.
    Delivered,
    /// The same, and it told by what name it knows it.
    DeliveredAs {
        /// The name.
        name: String,
    },
    /// The channel took it, and it goes out when a person confirms it.
    Accepted {
        /// By what name the channel knows it.
        name: String,
        /// Who is to confirm it, where that is known.
        by: Option<String>,
        /// How often it is to be asked whether they did.
        every: Span,
        /// For how long.
        within: Span,
    },
    /// The channel refused it for good: trying again cannot help.
    Rejected {
        /// Why, in a sentence.
        why: String,
    },
    /// It certainly was not taken, and may be later.
    NotSent {
        /// Why, in a sentence.
        why: String,
        /// Not before this, if the channel said so.
        not_before: Option<Timestamp>,
    },
    /// The same, for a reason that lies in this message alone: the channel works.
    PutOff {
        /// Why, in a sentence.
        why: String,
    },
    /// It may or may not have been taken.
    Unknown {
        /// Why, in a sentence.
        why: String,
    },
}

/// What the other side says of a call whose result was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It took it.
    Taken {
        /// By what name it knows it, where it says so.
        name: Option<String>,
    },
    /// It knows of none.
    Absent,
    /// It cannot be asked now, or what it says is neither.
    Unclear {
        /// Why, in a sentence.
        why: String,
    },
}

impl CallResult {
    /// The word in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Delivered | Self::DeliveredAs { .. } => "delivered",
            Self::Accepted { .. } => "accepted",
            Self::Rejected { .. } => "rejected",
            Self::NotSent { .. } | Self::PutOff { .. } => "retry",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// Why, in a sentence; empty when it was delivered.
    pub fn why(&self) -> &str {
        match self {
            Self::Delivered | Self::DeliveredAs { .. } | Self::Accepted { .. } => "",
            Self::Rejected { why }
            | Self::NotSent { why, .. }
            | Self::PutOff { why }
            | Self::Unknown { why } => why,
        }
    }
}

/// What an HTTP status means, by the table of Standard Webhooks and our own reading of what is
/// ambiguous: a gateway that gave up may have passed the request on.
pub fn of_status(status: u16, retry_after: Option<&str>, now: Timestamp) -> CallResult {
    let why = said(status);
    match status {
        200..300 => CallResult::Delivered,
        // A redirect would lead a signed body somewhere that nobody checked.
        300..400 => CallResult::Rejected { why: format!("{why}, redirects are not followed") },
        408 | 425 | 429 | 503 => {
            let not_before = retry_after.and_then(|text| rest_until(text, now));
            CallResult::NotSent { why, not_before }
        }
        400..500 => CallResult::Rejected { why },
        _ => CallResult::Unknown { why },
    }
}

/// The instant of a `Retry-After`, in seconds or as a date, bounded.
pub(super) fn rest_until(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    let until = match text.parse::<i64>() {
        Ok(seconds) if 0 <= seconds => now + Span::SECOND.times(seconds),
        Ok(_) => return None,
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text).ok()?;
            Timestamp::from_millis(date.timestamp().as_millisecond())
        }
    };
    Some(until.max(now).min(now + RETRY_AFTER_MAX))
}

/// The status in words. What the body said is left out: it may repeat what was sent.
pub(super) fn said(status: u16) -> String {
    let words = match status {
        301 | 302 | 303 | 307 | 308 => " (redirect)",
        400 => " (bad request)",
        401 => " (not authorised)",
        403 => " (forbidden)",
        404 => " (not found)",
        408 => " (request timeout)",
        410 => " (gone)",
        429 => " (too many requests)",
        500 => " (server error)",
        502 => " (bad gateway)",
        503 => " (unavailable)",
        504 => " (gateway timeout)",
        _ => "",
    };
    format!("it answered {status}{words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
    }

    #[test]
    fn every_status_has_its_class() {
        for (statuses, word) in [
            (&[200, 201, 202, 204, 299][..], "delivered"),
            (&[300, 301, 302, 303, 304, 307, 308], "rejected"),
            (&[400, 401, 403, 404, 409, 410, 413, 422, 451, 499], "rejected"),
            (&[408, 425, 429, 503], "retry"),
            (&[500, 501, 502, 504, 507, 520, 599, 100, 101, 999], "unknown"),
        ] {
            for status in statuses {
                assert_eq!(of_status(*status, None, now()).word(), word, "{status}");
            }
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        for (text, expected) in [
            ("120", Some("2026-03-01T12:02:00Z")),
            ("0", Some("2026-03-01T12:00:00Z")),
            ("999999999999", Some("2026-03-01T13:00:00Z")),
            ("Sun, 01 Mar 2026 12:05:00 GMT", Some("2026-03-01T12:05:00Z")),
            ("Sun, 01 Mar 2026 11:00:00 GMT", Some("2026-03-01T12:00:00Z")),
            ("Tue, 01 Mar 2033 11:00:00 GMT", Some("2026-03-01T13:00:00Z")),
            ("-5", None),
            ("soon", None),
            ("", None),
        ] {
            let CallResult::NotSent { not_before, .. } = of_status(429, Some(text), now()) else {
                panic!("429 is tried again");
            };
            assert_eq!(not_before, expected.and_then(Timestamp::parse), "{text}");
        }
    }
}
