//! JSON Schemas of the file formats, for editors: made from the same words that read the files.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use super::SourceKind;
use super::words::model::Model;
use super::words::policy::Policy;
use super::words::trigger::Trigger;

/// The schema of a kind of file, draft-07 (editors know nothing newer for sure), as JSON text.
pub fn schema(kind: SourceKind) -> String {
    let text = match kind {
        SourceKind::Trigger => text::<Trigger>(),
        SourceKind::Policy => text::<Policy>(),
        SourceKind::Model => text::<Model>(),
        SourceKind::Asset | SourceKind::Fitted => "true".to_owned(),
    };
    text + "\n"
}

fn text<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft07().for_deserialize();
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    // A value made of maps and texts can always be written.
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}

/// An optional word is left out, never empty: `null` is not offered. Line breaks of the source's
/// comments become spaces.
fn tidy(schema: &mut serde_json::Value) {
    match schema {
        serde_json::Value::Object(fields) => {
            if let Some(serde_json::Value::Array(types)) = fields.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(serde_json::Value::Array(choices)) = fields.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                if let [serde_json::Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    fields.remove("anyOf");
                    merge(fields, only);
                }
            }
            if let Some(serde_json::Value::String(text)) = fields.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            fields.values_mut().for_each(tidy);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// In draft-07 nothing counts beside `$ref`: a description stays only if the reference is wrapped.
fn merge(
    fields: &mut serde_json::Map<String, serde_json::Value>,
    only: serde_json::Map<String, serde_json::Value>,
) {
    if only.contains_key("$ref") && !fields.is_empty() {
        fields.insert("allOf".to_owned(), serde_json::json!([only]));
    } else {
        fields.extend(only);
    }
}

#[cfg(test)]
mod tests;
