//! The committed schemas are current, take our own files, and refuse what the reader refuses.

use std::fs;

use super::*;
use crate::declare::fault::Text;
use crate::declare::node::{Meaning, Node, NodeKind};
use crate::declare::yaml;

const KINDS: [(SourceKind, &str); 3] = [
    (SourceKind::Trigger, "schemas/trigger.json"),
    (SourceKind::Policy, "schemas/policy.json"),
    (SourceKind::Model, "schemas/model.json"),
];

#[test]
fn the_committed_schemas_are_current() {
    for (kind, path) in KINDS {
        let current = schema(kind);
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(path, &current).unwrap();
        }
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert!(committed == current, "{path} is old: run with UPDATE_EXPECTED=1");
    }
}

/// As an editor sees it.
fn json(node: &Node) -> serde_json::Value {
    match &node.kind {
        NodeKind::List(items) => items.iter().map(json).collect(),
        NodeKind::Map(fields) => {
            fields.iter().map(|(key, node)| (key.text.to_string(), json(node))).collect()
        }
        NodeKind::Scalar(scalar) => match scalar.meaning {
            Meaning::Nothing => serde_json::Value::Null,
            Meaning::Bool(flag) => flag.into(),
            Meaning::Number(number) if number.fract() == 0.0 => {
                serde_json::from_str(&format!("{number:.0}")).unwrap()
            }
            Meaning::Number(number) => number.into(),
            Meaning::Text => scalar.text.to_string().into(),
        },
    }
}

fn complaints(kind: SourceKind, path: &str) -> Vec<String> {
    let text = Text::new(path.into(), fs::read_to_string(path).unwrap().into());
    let value = json(&yaml::parse(&text).unwrap());
    let schema: serde_json::Value = serde_json::from_str(&schema(kind)).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    validator.iter_errors(&value).map(|error| error.to_string()).collect()
}

#[test]
fn our_own_files_satisfy_the_schemas() {
    for (folder, kind) in [("triggers", SourceKind::Trigger), ("models", SourceKind::Model)] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let path = path.to_str().unwrap();
            let kind = if path.ends_with("policy.yaml") { SourceKind::Policy } else { kind };
            if path.ends_with(".yaml") {
                assert_eq!(complaints(kind, path), Vec::<String>::new(), "{path}");
            }
        }
    }
}

#[test]
fn an_editor_sees_what_the_reader_would_refuse() {
    for name in [
        "06-camel-case-word",
        "08-no-owner",
        "09-duration-in-words",
        "share-as-number",
        "time-of-day",
        "language-missing",
        "policy-consent",
        "model-type",
    ] {
        let kind = if name.starts_with("policy") {
            SourceKind::Policy
        } else if name.starts_with("model") {
            SourceKind::Model
        } else {
            SourceKind::Trigger
        };
        let path = format!("tests/declare/bad/{name}.yaml");
        assert!(!complaints(kind, &path).is_empty(), "{name}");
    }
}
