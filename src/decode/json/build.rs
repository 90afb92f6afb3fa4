//! Owned values from JSON, for what has to outlive the bytes.

use super::Fault;
use super::scan::{Raw, Scanner};
use crate::engine::value::{Property, Value};

impl<'a> Raw<'a> {
    /// An owned value; `None` for `null` and for what is absent. `null` inside lists and objects
    /// is left out, because it is not a value.
    pub fn to_value(self) -> Option<Value> {
        Some(match self {
            Self::Absent | Self::Null => return None,
            Self::True => Value::Bool(true),
            Self::False => Value::Bool(false),
            Self::Num(number) => Value::Num(number),
            Self::Text(text) => Value::Str(text.decode().into()),
            Self::List(json) | Self::Object(json) => return build(&mut Scanner::new(json)).ok()?,
        })
    }

    /// A property in flight: borrowed where it can be.
    pub fn to_property(self) -> Property<'a> {
        match self {
            Self::True => Property::Bool(true),
            Self::False => Property::Bool(false),
            Self::Num(number) => Property::Num(number),
            Self::Text(super::Text::Plain(text)) => Property::Str(text),
            other => other.to_value().map_or(Property::Missing, Property::Owned),
        }
    }
}

/// Passes one value and owns it. Recursion ends at the scanner's bound on depth.
fn build(scanner: &mut Scanner<'_>) -> Result<Option<Value>, Fault> {
    if scanner.at_object() {
        let mut fields: Vec<(Box<str>, Option<Value>)> = Vec::new();
        scanner.object(|scanner, key| {
            fields.push((key.into(), build(scanner)?));
            Ok(())
        })?;
        // Sorted by key with the later of equal keys first, so that it is the one kept.
        fields.reverse();
        fields.sort_by(|(left, _), (right, _)| left.cmp(right));
        fields.dedup_by(|(later, _), (earlier, _)| later == earlier);
        let fields = fields.into_iter().filter_map(|(key, value)| Some((key, value?)));
        return Ok(Some(Value::Map(fields.collect())));
    }
    if scanner.at_list() {
        let mut items = Vec::new();
        scanner.list(|scanner| {
            items.extend(build(scanner)?);
            Ok(())
        })?;
        return Ok(Some(Value::List(items.into())));
    }
    Ok(scanner.value()?.to_value())
}
