//! A YAML file as a tree in which every value knows its line and column.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::fault::Fault;

/// Largest configuration file read, in bytes.
pub(super) const FILE_BYTES_MAX: usize = 256 * 1024;
/// Most YAML events in it: a file that repeats itself by aliases ends here.
const EVENTS_MAX: usize = 20_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: u64,
    pub(super) column: u64,
    pub(super) kind: Kind,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    /// No key takes one, so its value is not kept.
    Float,
    Text(String),
    List(Vec<Node>),
    /// In the order of the file. The parser refuses a key that occurs twice.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Reads a file's text. An empty file is an empty map.
    pub(super) fn parse(origin: &str, text: &str) -> Result<Self, Fault> {
        if FILE_BYTES_MAX < text.len() {
            let message = format!("the file is larger than {FILE_BYTES_MAX} bytes");
            return Err(Fault::of(origin, message));
        }
        let budget = serde_saphyr::budget! { max_events: EVENTS_MAX, max_aliases: 64 };
        let options = serde_saphyr::options! { budget: budget, strict_booleans: true };
        let parsed = serde_saphyr::from_str_with_options::<Self>(text, options);
        let node = parsed.map_err(|error| {
            let fault = Fault::of(origin, first_line(&error.without_snippet().to_string()));
            let Some(place) = error.location() else { return fault };
            let fault = fault.at(place.line(), place.column(), text);
            if fault.mentions("${") {
                return fault.help("inside `{...}` or `[...]`, put `${NAME}` in quotes");
            }
            fault
        })?;
        Ok(match node.kind {
            Kind::Null => Self { kind: Kind::Map(Vec::new()), ..node },
            _ => node,
        })
    }

    /// What it is, in a word for people.
    pub(super) fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a yes or no",
            Kind::Int(_) | Kind::Float => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a block of keys",
        }
    }
}

/// The parser's message goes on with the place and a drawing of it, which we show ourselves.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.split_once(" at line ").map_or(line, |(said, _)| said).to_owned()
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        let place = spanned.referenced;
        Ok(Self { line: place.line(), column: place.column(), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyKind)
    }
}

struct AnyKind;

impl<'de> Visitor<'de> for AnyKind {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Kind, E> {
        Ok(Kind::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Kind, E> {
        i64::try_from(number).map(Kind::Int).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Float)
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Kind::Map(entries))
    }
}
