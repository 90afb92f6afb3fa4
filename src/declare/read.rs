//! From nodes to the words of the format: each type reads itself, notes what is wrong, goes on.
//!
//! Nothing stops at the first fault: a record with a broken field is read without that field, so
//! that one run shows everything.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::fault::{Extent, Fault, Located, Severity, Text};
use super::node::{Key, Node, NodeKind};
use super::suggest;

/// Where faults of one file go.
#[derive(Debug)]
pub(crate) struct Faults<'a> {
    /// The file.
    pub(crate) text: &'a Text,
    /// All faults so far.
    pub(crate) list: &'a mut Vec<Fault>,
}

impl Faults<'_> {
    /// Notes an error.
    pub(crate) fn error(
        &mut self,
        code: &'static str,
        extent: Extent,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.note(Severity::Error, code, extent, message.into(), help.into());
    }

    /// Notes an error that may only follow from a word that is broken already.
    pub(crate) fn follows(
        &mut self,
        sound: Sound,
        code: &'static str,
        extent: Extent,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        if sound == Sound::Whole {
            self.error(code, extent, message, help);
        }
    }

    /// Notes what a record lacks, unless that only follows from a broken word in it.
    pub(crate) fn lacks(
        &mut self,
        record: &impl Record,
        code: &'static str,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.follows(record.sound(), code, record.extent(), message, help);
    }

    /// Notes a warning.
    pub(crate) fn warning(
        &mut self,
        code: &'static str,
        extent: Extent,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.note(Severity::Warning, code, extent, message.into(), help.into());
    }

    fn note(
        &mut self,
        severity: Severity,
        code: &'static str,
        extent: Extent,
        message: String,
        help: Option<String>,
    ) {
        let place = self.text.place(extent.start);
        self.list.push(Fault { code, severity, message, place, extent, help });
    }
}

/// Whether every word of a record could be read. What only follows from a broken word is no news:
/// a `for` that cannot be read is not missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sound {
    /// Every one.
    Whole,
    /// At least one is wrong.
    Broken,
}

/// A type that can be read from a node.
pub(crate) trait Read: Sized {
    /// Reads it; `None` when it is wrong, which has been noted then.
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self>;
}

/// What every record knows of itself.
pub(crate) trait Record {
    /// Where it stands.
    fn extent(&self) -> Extent;
    /// Whether every word in it could be read.
    fn sound(&self) -> Sound;
}

/// A place in a record: what happens when the word is absent is part of its type.
pub(crate) trait Field: Sized {
    /// Reads the node under the word.
    fn present(node: &Node, faults: &mut Faults<'_>) -> Self;
    /// The word is not there; `owner` is where it should be.
    fn absent(word: &str, owner: Extent, faults: &mut Faults<'_>) -> Self;
    /// The word is there, but misspelt, which has been noted.
    fn misspelt() -> Self;
    /// Whether nothing came of it.
    fn is_lost(&self) -> bool;
}

/// A word that must be there. `None` once its absence or a fault in it has been noted.
#[derive(Clone, Debug)]
pub(crate) struct Need<T>(pub(crate) Option<T>);

impl<T: Read> Field for Need<T> {
    fn present(node: &Node, faults: &mut Faults<'_>) -> Self {
        if node.is_nothing() {
            faults.error("E003", node.extent, "nothing is written here", None);
            return Self(None);
        }
        Self(T::read(node, faults))
    }

    fn absent(word: &str, owner: Extent, faults: &mut Faults<'_>) -> Self {
        faults.error("E003", owner, format!("`{word}` is missing here"), missing_help(word));
        Self(None)
    }

    fn misspelt() -> Self {
        Self(None)
    }

    fn is_lost(&self) -> bool {
        self.0.is_none()
    }
}

impl<T: Read> Field for Option<T> {
    fn present(node: &Node, faults: &mut Faults<'_>) -> Self {
        if node.is_nothing() {
            let help = "write a value, or leave the word out".to_owned();
            faults.error("E003", node.extent, "nothing is written here", help);
            return None;
        }
        T::read(node, faults)
    }

    fn absent(_: &str, _: Extent, _: &mut Faults<'_>) -> Self {
        None
    }

    fn misspelt() -> Self {
        None
    }

    fn is_lost(&self) -> bool {
        self.is_none()
    }
}

/// What to write where a word is missing.
fn missing_help(word: &str) -> Option<String> {
    Some(
        match word {
            "owner" => "say who answers for it: `owner: team@example.com`",
            "about" => "say in a sentence what it is for",
            "kind" => "`kind: behavior`, `kind: status` or `kind: lifecycle`",
            "purpose" => "consent, quiet hours and caps follow from it: `purpose: marketing`",
            "via" => "name the channels in the order to try them: `via: [email, in_app]`",
            "when" => "say what makes it fire: `when: {event: Order Completed}`",
            "message" => "give the text by language: `message: {en: {title: ..., body: ...}}`",
            "every" => "say how often it is computed anew: `every: 1h`",
            "bands" => "name the ranges by their lower edge: `bands: {healthy: 70, at_risk: 0}`",
            _ => return None,
        }
        .to_owned(),
    )
}

/// The fields of a mapping that is being read as a record.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    owner: Extent,
    fields: &'n [(Key, Node)],
    // Words that were probably meant by ones that do not belong here.
    meant: Vec<String>,
    sound: Sound,
}

impl<'n> Fields<'n> {
    /// Opens a mapping and notes the words that do not belong there.
    pub(crate) fn open(node: &'n Node, words: &[&str], faults: &mut Faults<'_>) -> Option<Self> {
        let NodeKind::Map(fields) = &node.kind else {
            let known = words.iter().map(|word| plain(word)).collect::<Vec<_>>().join("`, `");
            faults.error(
                "E004",
                node.extent,
                format!("a mapping is wanted here, not {}", node.describe()),
                format!("its words: `{known}`"),
            );
            return None;
        };
        let mut sound = Sound::Whole;
        let mut meant = Vec::new();
        for (key, _) in fields {
            if !words.iter().any(|word| plain(word) == &*key.text) {
                let known = words.iter().map(|word| plain(word));
                let help = alias_help(&key.text, words).or_else(|| suggest::help(&key.text, known));
                sound = Sound::Broken;
                let message = format!("`{}` is not a word of this place", key.text);
                let near = help.as_deref().and_then(|help| help.strip_prefix("did you mean `"));
                meant.extend(near.and_then(|near| near.strip_suffix("`?")).map(str::to_owned));
                faults.error("E002", key.extent, message, help);
            }
        }
        Some(Self { owner: node.extent, fields, meant, sound })
    }

    /// Reads one field.
    pub(crate) fn take<F: Field>(&mut self, word: &str, faults: &mut Faults<'_>) -> F {
        let word = plain(word);
        match self.fields.iter().find(|(key, _)| &*key.text == word) {
            Some((_, node)) => {
                let field = F::present(node, faults);
                if field.is_lost() {
                    self.sound = Sound::Broken;
                }
                field
            }
            None if self.meant.iter().any(|meant| meant == word) => F::misspelt(),
            None => F::absent(word, self.owner, faults),
        }
    }

    /// Whether every word was read.
    pub(crate) const fn sound(&self) -> Sound {
        self.sound
    }
}

/// Words that people bring along from other tools.
fn alias_help(written: &str, words: &[&str]) -> Option<String> {
    let meant = match written {
        "condition" | "conditions" | "filter" | "only_if" | "where" | "unless" => "if",
        "channel" | "channels" | "to" => "via",
        "cooldown" | "frequency" | "every" => "once_per",
        "ttl" | "expires" | "expire_after" | "valid_for" => "expires_after",
        "on" | "trigger_on" | "then" => "when",
        "events" => "event",
        "hold" | "wait" | "after" | "within" => "for",
        "description" | "summary" => "about",
        "name" | "id" => "trigger",
        "text" | "content" => "message",
        "holdback" | "control" => "holdout",
        "variants" | "variations" => "arms",
        _ => return None,
    };
    let meant = words.iter().map(|word| plain(word)).find(|word| *word == meant)?;
    Some(format!("did you mean `{meant}`?"))
}

/// A Rust field name as the word in the file (`r#if` is `if`).
fn plain(word: &str) -> &str {
    word.strip_prefix("r#").unwrap_or(word)
}

/// Declares a record: its words with what they mean. One list makes the reader and the schema.
macro_rules! record {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, schemars::JsonSchema)]
        #[schemars(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
            #[schemars(skip)]
            pub(crate) extent: $crate::declare::fault::Extent,
            #[schemars(skip)]
            pub(crate) sound: $crate::declare::read::Sound,
        }

        impl $crate::declare::read::Record for $name {
            fn extent(&self) -> $crate::declare::fault::Extent {
                self.extent
            }

            fn sound(&self) -> $crate::declare::read::Sound {
                self.sound
            }
        }

        impl $crate::declare::read::Read for $name {
            fn read(
                node: &$crate::declare::node::Node,
                faults: &mut $crate::declare::read::Faults<'_>,
            ) -> Option<Self> {
                let words = &[$(stringify!($field)),*];
                let mut fields = $crate::declare::read::Fields::open(node, words, faults)?;
                Some(Self {
                    $($field: fields.take(stringify!($field), faults),)*
                    extent: node.extent,
                    sound: fields.sound(),
                })
            }
        }
    )*};
}
pub(crate) use record;

/// Declares a closed choice of words.
macro_rules! choice {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal $(| $other:literal)*,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            const WORDS: &'static [&'static str] = &[$($word, $($other,)*)*];
        }

        impl $crate::declare::read::Read for $name {
            fn read(
                node: &$crate::declare::node::Node,
                faults: &mut $crate::declare::read::Faults<'_>,
            ) -> Option<Self> {
                match &*$crate::declare::read::word(node, faults)? {
                    $($word $(| $other)* => Some(Self::$variant),)*
                    written => {
                        let known = Self::WORDS.iter().copied();
                        faults.error(
                            "E006",
                            node.extent,
                            format!("`{written}` is not one of the choices"),
                            $crate::declare::suggest::help(written, known),
                        );
                        None
                    }
                }
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "enum": Self::WORDS})
            }
        }
    )*};
}
pub(crate) use choice;

/// The text of a scalar, whatever it looks like.
pub(crate) fn word(node: &Node, faults: &mut Faults<'_>) -> Option<Box<str>> {
    match &node.kind {
        NodeKind::Scalar(scalar) if !node.is_nothing() => Some(scalar.text.clone()),
        _ => {
            let message = format!("a text is wanted here, not {}", node.describe());
            faults.error("E004", node.extent, message, None);
            None
        }
    }
}

impl<T: Read> Read for Located<T> {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        Some(Self::new(T::read(node, faults)?, node.extent))
    }
}

/// One value or a list of them.
#[derive(Clone, Debug)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T: Read> Read for OneOrMany<T> {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        match &node.kind {
            NodeKind::List(items) => {
                if items.is_empty() {
                    faults.error("E004", node.extent, "this list is empty", None);
                }
                Some(Self(items.iter().filter_map(|item| T::read(item, faults)).collect()))
            }
            _ => Some(Self(T::read(node, faults).into_iter().collect())),
        }
    }
}

/// One value, a list of them, or none: an empty list says so.
#[derive(Clone, Debug)]
pub(crate) struct NoneOrMany<T>(pub(crate) Vec<T>);

impl<T: Read> Read for NoneOrMany<T> {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        match &node.kind {
            NodeKind::List(items) if items.is_empty() => Some(Self(Vec::new())),
            _ => OneOrMany::read(node, faults).map(|OneOrMany(items)| Self(items)),
        }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let NodeKind::List(items) = &node.kind else {
            let message = format!("a list is wanted here, not {}", node.describe());
            faults.error("E004", node.extent, message, "begin each entry with `- `".to_owned());
            return None;
        };
        Some(items.iter().filter_map(|item| T::read(item, faults)).collect())
    }
}

/// A mapping whose keys are names.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(Key, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Read> Read for Entries<T> {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let NodeKind::Map(fields) = &node.kind else {
            let message = format!("a mapping is wanted here, not {}", node.describe());
            faults.error("E004", node.extent, message, None);
            return None;
        };
        let read = |(key, node): &(Key, Node)| Some((key.clone(), T::read(node, faults)?));
        Some(Self(fields.iter().filter_map(read).collect()))
    }
}

/// Passes a schema through a wrapper that does not show in the file.
macro_rules! transparent {
    ($name:ident => $inner:ty) => {
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<$inner>()
            }
        }
    };
    ($($name:ident),*) => {$(
        impl<T: JsonSchema> JsonSchema for $name<T> {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                generator.subschema_for::<T>()
            }
        }
    )*};
}

pub(crate) use transparent;

transparent!(Located, Need);

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]})
    }
}

impl<T: JsonSchema> JsonSchema for NoneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("NoneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

impl<T: JsonSchema> JsonSchema for Entries<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Entries{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<T>();
        schemars::json_schema!({"type": "object", "additionalProperties": value})
    }
}
