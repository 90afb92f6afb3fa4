//! Reads a block of keys: takes what is known, expands `${VARIABLES}`, and reports the rest.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};

use super::Env;
use super::fault::{Fault, Faults};
use super::node::{Kind, Node};
use crate::engine::time::Span;

/// Shortest key, in characters.
const KEY_CHARS_MIN: usize = 32;
/// How alike a word must be to be suggested instead (1 is equal).
const LIKENESS_MIN: f64 = 0.7;

/// What is needed while one file is read.
pub(super) struct Reading<'a> {
    pub(super) origin: &'a str,
    pub(super) text: &'a str,
    pub(super) env: &'a dyn Env,
    pub(super) faults: Faults,
}

/// A block of keys, of which each may be taken once.
pub(super) struct Table {
    // Where it stands, for what is missing from it.
    line: u64,
    column: u64,
    entries: Vec<(String, Node, Node)>,
    known: Vec<&'static str>,
}

impl Reading<'_> {
    /// Reports a fault at a node.
    pub(super) fn fault(&mut self, node: &Node, message: impl Into<String>, help: Option<String>) {
        self.fault_at(node.line, node.column, message, help);
    }

    fn fault_at(
        &mut self,
        line: u64,
        column: u64,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let fault = Fault::of(self.origin, message).at(line, column, self.text);
        self.faults.push(match help {
            Some(help) => fault.help(help),
            None => fault,
        });
    }

    /// The entries of a block of keys; a fault and nothing when it is something else.
    pub(super) fn table(&mut self, node: Node) -> Table {
        let Node { line, column, .. } = node;
        let mut entries = Vec::new();
        match node.kind {
            Kind::Map(pairs) => {
                for (key, value) in pairs {
                    match &key.kind {
                        Kind::Text(name) => entries.push((name.clone(), key, value)),
                        _ => self.fault(&key, format!("a key is {}, not a text", key.what()), None),
                    }
                }
            }
            Kind::Null => {}
            _ => {
                let found = node.what();
                self.fault(&node, format!("expected a block of keys, found {found}"), None);
            }
        }
        Table { line, column, entries, known: Vec::new() }
    }

    /// The text of a scalar, with `${NAME}` and `${NAME:-default}` expanded.
    pub(super) fn text(&mut self, node: &Node) -> Option<String> {
        let raw = match &node.kind {
            Kind::Text(text) => text.clone(),
            Kind::Int(number) => number.to_string(),
            Kind::Bool(flag) => flag.to_string(),
            Kind::Float | Kind::Null | Kind::List(_) | Kind::Map(_) => {
                self.fault(node, format!("expected a text, found {}", node.what()), None);
                return None;
            }
        };
        match expand(&raw, self.env) {
            Ok(text) => Some(text),
            Err(message) => {
                self.fault(node, message, None);
                None
            }
        }
    }

    /// A secret. A bare number is refused, because YAML may have changed its digits.
    pub(super) fn secret(&mut self, node: &Node) -> Option<SecretString> {
        if !matches!(node.kind, Kind::Text(_)) {
            let help = "write it in quotes, or better as `${NAME}`".to_owned();
            self.fault(node, format!("expected a text, found {}", node.what()), Some(help));
            return None;
        }
        let text = self.text(node)?;
        if text.is_empty() {
            self.fault(node, "the secret is empty", None);
            return None;
        }
        Some(SecretString::from(text))
    }

    /// A secret that things are signed or hashed with: too long to be guessed.
    pub(super) fn key(&mut self, node: &Node) -> Option<SecretString> {
        let key = self.secret(node)?;
        if KEY_CHARS_MIN <= key.expose_secret().chars().count() {
            return Some(key);
        }
        let help = "make one with `openssl rand -hex 32`".to_owned();
        self.fault(node, format!("a key has at least {KEY_CHARS_MIN} characters"), Some(help));
        None
    }

    /// One secret, or a list of them.
    pub(super) fn secrets(&mut self, node: Node) -> Vec<SecretString> {
        match node.kind {
            Kind::List(items) => items.iter().filter_map(|item| self.secret(item)).collect(),
            _ => self.secret(&node).into_iter().collect(),
        }
    }

    /// Anything that reads itself from a text; `expected` says what, for people.
    pub(super) fn parsed<T: FromStr>(&mut self, node: &Node, expected: &str) -> Option<T> {
        let text = self.text(node)?;
        if let Ok(value) = text.parse() {
            return Some(value);
        }
        // The text as written, not as expanded: a variable's value may be a secret.
        self.fault(node, format!("expected {expected}"), None);
        None
    }

    /// A whole number within bounds.
    pub(super) fn number<T>(&mut self, node: &Node, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: FromStr + PartialOrd + Display,
    {
        let text = self.text(node)?;
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        if number.is_none() {
            let (least, most) = (bounds.start(), bounds.end());
            self.fault(node, format!("expected a number from {least} to {most}"), None);
        }
        number
    }

    /// A length of time (`15s`, `8h30m`).
    pub(super) fn span(&mut self, node: &Node) -> Option<Span> {
        let text = self.text(node)?;
        let span = Span::parse(&text).filter(|span| Span::ZERO < *span);
        if span.is_none() {
            self.fault(node, "expected a length of time like `15s`, `10m` or `90d`", None);
        }
        span
    }

    /// A yes or no.
    pub(super) fn yes(&mut self, node: &Node) -> Option<bool> {
        let text = self.text(node)?;
        match text.as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => {
                self.fault(node, "expected `on` or `off`", None);
                None
            }
        }
    }

    /// One word of a closed list.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*value);
        }
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let one_of = format!("it is one of `{}`", all.join("`, `"));
        match &node.kind {
            Kind::Text(written) if *written == text => {
                let help = suggestion(&text, &all).unwrap_or(one_of);
                self.fault(node, format!("`{text}` is not known here"), Some(help));
            }
            // The value of a variable may be a secret.
            _ => self.fault(node, "the value of this is not known here", Some(one_of)),
        }
        None
    }
}

impl Table {
    /// Takes a key's value, if the file has it.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        let index = self.entries.iter().position(|(name, _, _)| name == key)?;
        Some(self.entries.remove(index).2)
    }

    /// Looks at a key's value, if it has not been taken.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(name, _, _)| name == key).map(|(_, _, value)| value)
    }

    /// Whether a key is there and has not been taken.
    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Puts in the keys of another block that this one does not have.
    pub(super) fn fill(&mut self, other: Self) {
        for entry in other.entries {
            if !self.has(&entry.0) {
                self.entries.push(entry);
            }
        }
    }

    /// Takes all that is left: for blocks whose keys are names.
    pub(super) fn take_rest(&mut self) -> Vec<(String, Node, Node)> {
        std::mem::take(&mut self.entries)
    }

    /// Takes a key that must be there.
    pub(super) fn need(&mut self, key: &'static str, reading: &mut Reading<'_>) -> Option<Node> {
        let found = self.take(key);
        if found.is_none() {
            let (line, column) = (self.line, self.column);
            reading.fault_at(line, column, format!("`{key}` is missing here"), None);
        }
        found
    }

    /// Reports the keys that nothing took.
    pub(super) fn end(self, reading: &mut Reading<'_>) {
        for (name, key, _) in &self.entries {
            let help = suggestion(name, &self.known)
                .unwrap_or_else(|| format!("known here: `{}`", self.known.join("`, `")));
            reading.fault(key, format!("`{name}` is not known here"), Some(help));
        }
    }
}

/// The most alike of some words, as a question.
pub(super) fn suggestion(word: &str, known: &[&str]) -> Option<String> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| LIKENESS_MIN <= *likeness)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| format!("did you mean `{candidate}`?"))
}

/// Replaces `${NAME}` and `${NAME:-default}` by what the environment says; `$$` is a dollar.
///
/// The message on failure never carries a variable's value.
fn expand(text: &str, env: &dyn Env) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(tail) = after.strip_prefix('{') {
            let (inside, tail) =
                tail.split_once('}').ok_or("`${` is not closed by `}`".to_owned())?;
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            let value = env.var(name).filter(|value| !value.is_empty());
            let value = value.or_else(|| default.map(str::to_owned)).ok_or_else(|| {
                format!(
                    "the environment variable `{name}` is not set, and `${{{name}}}` has no default"
                )
            })?;
            out.push_str(&value);
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "A" => Some("alpha".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_expanded_once() {
        for (text, expected) in [
            ("plain", "plain"),
            ("x-${A}-${A}", "x-alpha-alpha"),
            ("${EMPTY:-b}", "b"),
            ("${B:-}", ""),
            ("costs $5, $$${A}", "costs $5, $alpha"),
            ("${B:-${A}", "${A"),
        ] {
            assert_eq!(expand(text, &env).as_deref(), Ok(expected), "{text}");
        }
        assert!(expand("${B}", &env).unwrap_err().contains("`B`"));
        assert!(expand("a ${A", &env).unwrap_err().contains("not closed"));
    }

    #[test]
    fn a_near_miss_is_suggested_and_a_far_one_is_not() {
        let known = ["channels", "listen", "triggers"];
        assert_eq!(suggestion("chanels", &known), Some("did you mean `channels`?".to_owned()));
        assert_eq!(suggestion("zzz", &known), None);
    }
}
