//! The words of a model file about texts: where they lie, what they may be, how rows are labelled.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::declare::fault::{Extent, Located};
use crate::declare::node::{Node, NodeKind};
use crate::declare::read::{Entries, Faults, OneOrMany, Read, record};
use crate::declare::scalar::{Whole, Words};

record! {
    /// Which texts are read, and how much of them, in characters.
    Characters {
        /// A shorter text says nothing. Default 1.
        at_least: Option<Located<Whole>>,
        /// What comes after so many is not read. Default, and at most, 2000.
        at_most: Option<Located<Whole>>,
    }

    /// The columns of labelled rows.
    Columns {
        /// What was written. Default `text`.
        text: Option<Words>,
        /// What it is. Default `label`.
        label: Option<Words>,
    }
}

/// What a text may be: names, each with what labelled rows say for it.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    /// Names with what rows say; only the name itself where that is not written.
    pub(crate) all: Vec<(Words, Vec<Words>)>,
    /// Where.
    pub(crate) extent: Extent,
}

impl Read for Classes {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let extent = node.extent;
        let all = if matches!(node.kind, NodeKind::Map(_)) {
            let Entries(all) = Entries::<OneOrMany<Words>>::read(node, faults)?;
            let named = |(key, OneOrMany(said)): (crate::declare::node::Key, _)| {
                (Words { text: key.text, extent: key.extent }, said)
            };
            all.into_iter().map(named).collect()
        } else {
            let OneOrMany(all) = OneOrMany::<Words>::read(node, faults)?;
            all.into_iter().map(|name| (name.clone(), vec![name])).collect()
        };
        Some(Self { all, extent })
    }
}

impl JsonSchema for Classes {
    fn schema_name() -> Cow<'static, str> {
        "Classes".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let said = generator.subschema_for::<OneOrMany<Words>>();
        json_schema!({"anyOf": [
            {"type": "array", "items": {"type": "string"}, "minItems": 2},
            {"type": "object", "additionalProperties": said, "minProperties": 2}
        ]})
    }
}
