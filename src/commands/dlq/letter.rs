//! A letter as commands show it, wherever it is kept.

use std::fmt;

use serde::Serialize;

use crate::store::record::DeadLetter;

/// Which letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LetterId {
    /// Of a store: the how manyth newest, from 1.
    Stored(usize),
    /// Of the topic: partition and offset.
    Topic(u16, u64),
}

impl LetterId {
    /// Reads `17` or `3/17`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            Some((partition, offset)) => {
                Some(Self::Topic(partition.parse().ok()?, offset.parse().ok()?))
            }
            None => text.parse().ok().map(Self::Stored),
        }
    }
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stored(number) => write!(f, "{number}"),
            Self::Topic(partition, offset) => write!(f, "{partition}/{offset}"),
        }
    }
}

/// A letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Letter {
    pub(super) id: String,
    pub(super) at: String,
    pub(super) from: String,
    pub(super) reason: String,
    pub(super) detail: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) hint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) headers: Vec<(String, String)>,
    pub(super) value: Option<String>,
}

impl Letter {
    /// One of the store, by its place among the newest, from 0.
    pub(super) fn of_store((index, letter): (usize, DeadLetter)) -> Self {
        let DeadLetter { at, source, reason, detail, sample } = letter;
        Self {
            id: LetterId::Stored(index + 1).to_string(),
            at,
            from: source,
            reason,
            detail,
            hint: String::new(),
            key: None,
            headers: Vec::new(),
            value: Some(sample),
        }
    }

    /// Its value, laid out when it is JSON.
    pub(super) fn shown_value(&self) -> String {
        let Some(value) = &self.value else { return "(no value)".to_owned() };
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(value);
        let laid_out = parsed.and_then(|value| serde_json::to_string_pretty(&value));
        laid_out.unwrap_or_else(|_| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_shown() {
        for text in ["17", "3/17"] {
            assert_eq!(LetterId::parse(text).unwrap().to_string(), text);
        }
        for wrong in ["", "a", "3/", "/3", "3/a", "70000/1"] {
            assert_eq!(LetterId::parse(wrong), None, "{wrong}");
        }
    }
}
