//! A value of Avro as JSON: numbers as numbers, times and dates as text. Pure.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::civil::{Date, Time};
use jiff::{SignedDuration, Span};
use serde_json::{Map, Value};

use crate::engine::time::Timestamp;

/// Nesting past which a value is refused. Events nest less.
const DEPTH_MAX: usize = 64;
/// Digits behind the point past which a decimal is refused.
const SCALE_MAX: usize = 64;

/// # Errors
/// What of the value has no place in JSON.
pub(super) fn json(value: &Avro, schema: &Schema) -> Result<Value, String> {
    let mut names = BTreeMap::new();
    name(schema, &mut names);
    Reader { names }.value(value, Some(schema), DEPTH_MAX)
}

struct Reader<'s> {
    names: BTreeMap<String, &'s Schema>,
}

impl<'s> Reader<'s> {
    fn value(
        &self,
        value: &Avro,
        schema: Option<&'s Schema>,
        depth: usize,
    ) -> Result<Value, String> {
        let below = depth.checked_sub(1).ok_or_else(|| format!("it nests past {DEPTH_MAX}"))?;
        let schema = match schema {
            Some(Schema::Ref { name }) => self.names.get(&name.to_string()).copied(),
            schema => schema,
        };
        Ok(match (value, schema) {
            (Avro::Record(fields), schema) => {
                let of = |name: &str| match schema {
                    Some(Schema::Record(record)) => {
                        record.fields.iter().find(|field| field.name == name)
                    }
                    _ => None,
                };
                let each = fields.iter().map(|(name, value)| {
                    let schema = of(name).map(|field| &field.schema);
                    Ok((name.clone(), self.value(value, schema, below)?))
                });
                Value::Object(each.collect::<Result<Map<_, _>, String>>()?)
            }
            (Avro::Map(entries), schema) => {
                let of = match schema {
                    Some(Schema::Map(map)) => Some(&*map.types),
                    _ => None,
                };
                let each = entries
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.value(value, of, below)?)));
                // In the order of their names: those of a map come in any.
                let sorted = each.collect::<Result<BTreeMap<_, _>, String>>()?;
                Value::Object(sorted.into_iter().collect())
            }
            (Avro::Array(items), schema) => {
                let of = match schema {
                    Some(Schema::Array(array)) => Some(&*array.items),
                    _ => None,
                };
                let each = items.iter().map(|item| self.value(item, of, below));
                Value::Array(each.collect::<Result<_, _>>()?)
            }
            (Avro::Union(index, value), Some(Schema::Union(union))) => {
                let index = usize::try_from(*index).unwrap_or(usize::MAX);
                self.value(value, union.variants().get(index), below)?
            }
            (Avro::Union(_, value), _) => self.value(value, None, below)?,
            (Avro::Decimal(decimal), Some(Schema::Decimal(kind))) => {
                let digits: Vec<u8> = decimal.try_into().map_err(told)?;
                self::decimal(&digits, kind.scale)?
            }
            (plain, _) => self::plain(plain)?,
        })
    }
}

/// A value that holds no other.
fn plain(value: &Avro) -> Result<Value, String> {
    Ok(match value {
        Avro::Boolean(value) => (*value).into(),
        Avro::Int(value) => (*value).into(),
        Avro::Long(value) => (*value).into(),
        Avro::Float(value) => number(f64::from(*value))?,
        Avro::Double(value) => number(*value)?,
        Avro::String(text) | Avro::Enum(_, text) => text.as_str().into(),
        Avro::Bytes(bytes) | Avro::Fixed(_, bytes) => BASE64_STANDARD.encode(bytes).into(),
        Avro::Uuid(id) => id.to_string().into(),
        Avro::BigDecimal(decimal) => decimal_text(&decimal.to_plain_string())?,
        Avro::Date(days) => {
            let since = Span::new().try_days(i64::from(*days)).map_err(told)?;
            let date = Date::constant(1970, 1, 1).checked_add(since).map_err(told)?;
            date.to_string().into()
        }
        Avro::TimeMillis(millis) => time(SignedDuration::from_millis(i64::from(*millis)))?,
        Avro::TimeMicros(micros) => time(SignedDuration::from_micros(*micros))?,
        Avro::TimestampMillis(millis) | Avro::LocalTimestampMillis(millis) => instant(*millis),
        Avro::TimestampMicros(micros) | Avro::LocalTimestampMicros(micros) => {
            instant(micros.div_euclid(1_000))
        }
        Avro::TimestampNanos(nanos) | Avro::LocalTimestampNanos(nanos) => {
            instant(nanos.div_euclid(1_000_000))
        }
        Avro::Duration(span) => {
            let (months, days): (u32, u32) = (span.months().into(), span.days().into());
            let seconds = f64::from(u32::from(span.millis())) / 1_000.0;
            format!("P{months}M{days}DT{seconds}S").into()
        }
        Avro::Null
        | Avro::Union(..)
        | Avro::Array(_)
        | Avro::Map(_)
        | Avro::Record(_)
        | Avro::Decimal(_) => Value::Null,
    })
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn number(value: f64) -> Result<Value, String> {
    serde_json::Number::from_f64(value)
        .map(Value::Number)
        .ok_or_else(|| format!("`{value}` is no number that can be counted with"))
}

fn instant(millis: i64) -> Value {
    Timestamp::from_millis(millis).to_string().into()
}

fn time(since_midnight: SignedDuration) -> Result<Value, String> {
    let time = Time::midnight().checked_add(since_midnight);
    Ok(time.map_err(told)?.to_string().into())
}

/// A decimal of `scale` digits behind the point as a number; the digits are a whole number of two's
/// complement, its largest byte first.
fn decimal(bytes: &[u8], scale: usize) -> Result<Value, String> {
    let refused = || format!("a decimal of {} bytes and scale {scale} is too long", bytes.len());
    let negative = bytes.first().is_some_and(|first| *first & 0x80 != 0);
    let mut whole = [if negative { 0xff } else { 0 }; 16];
    let from = whole.len().checked_sub(bytes.len()).ok_or_else(refused)?;
    whole.get_mut(from..).ok_or_else(refused)?.copy_from_slice(bytes);
    if SCALE_MAX < scale {
        return Err(refused());
    }
    let whole = i128::from_be_bytes(whole);
    decimal_text(&format!("{whole}e-{scale}"))
}

/// The nearest number to a decimal.
fn decimal_text(text: &str) -> Result<Value, String> {
    let near: f64 = text.parse().map_err(told)?;
    number(near)
}

fn name<'s>(schema: &'s Schema, names: &mut BTreeMap<String, &'s Schema>) {
    if let Some(own) = schema.name()
        && !matches!(schema, Schema::Ref { .. })
        && names.insert(own.to_string(), schema).is_some()
    {
        return;
    }
    match schema {
        Schema::Record(record) => {
            record.fields.iter().for_each(|field| name(&field.schema, names));
        }
        Schema::Array(array) => name(&array.items, names),
        Schema::Map(map) => name(&map.types, names),
        Schema::Union(union) => union.variants().iter().for_each(|each| name(each, names)),
        _ => {}
    }
}

/// Whether a type of a schema stands within itself.
pub(super) fn refers_to_itself(schema: &str) -> bool {
    // What is no JSON is told by whoever parses it for good.
    let Ok(parsed) = serde_json::from_str::<Value>(schema) else { return false };
    within(&parsed, "", &mut Vec::new())
}

fn within(schema: &Value, space: &str, around: &mut Vec<String>) -> bool {
    match schema {
        Value::String(name) => around.contains(&full(name, space)),
        Value::Array(variants) => variants.iter().any(|each| within(each, space, around)),
        Value::Object(members) => {
            let text = |key: &str| members.get(key).and_then(Value::as_str);
            if text("type") == Some("record") || text("type") == Some("error") {
                let own =
                    full(text("name").unwrap_or_default(), text("namespace").unwrap_or(space));
                let space = own.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
                around.push(own);
                let fields = members.get("fields").and_then(Value::as_array);
                let found = fields
                    .into_iter()
                    .flatten()
                    .any(|field| field.get("type").is_some_and(|of| within(of, &space, around)));
                around.pop();
                return found;
            }
            ["type", "items", "values"]
                .iter()
                .filter_map(|key| members.get(*key))
                .any(|of| within(of, space, around))
        }
        _ => false,
    }
}

fn full(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") }
}

#[cfg(test)]
mod tests {
    use apache_avro::Decimal;
    use apache_avro::reader::datum::GenericDatumReader;
    use apache_avro::writer::datum::GenericDatumWriter;
    use serde_json::json;

    use super::*;

    fn order() -> Schema {
        let schema = json!({
            "type": "record", "name": "Order", "namespace": "shop", "fields": [
                {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
                {"name": "note", "type": ["null", "string"]},
                {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "due", "type": {"type": "int", "logicalType": "date"}},
                {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID"]}},
                {"name": "before", "type": "State"},
                {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
                    {"name": "sku", "type": "string"}, {"name": "count", "type": "long"}]}}},
                {"name": "extra", "type": {"type": "map", "values": "double"}}
            ]
        });
        Schema::parse(&schema).unwrap()
    }

    #[test]
    fn an_order_becomes_what_a_person_would_write() {
        let schema = order();
        let line = Avro::Record(vec![
            ("sku".to_owned(), Avro::String("a-1".to_owned())),
            ("count".to_owned(), Avro::Long(3)),
        ]);
        let value = Avro::Record(vec![
            ("total".to_owned(), Avro::Decimal(Decimal::from((-1_995_i16).to_be_bytes()))),
            ("note".to_owned(), Avro::Union(0, Box::new(Avro::Null))),
            ("at".to_owned(), Avro::TimestampMillis(1_700_000_000_000)),
            ("due".to_owned(), Avro::Date(20_000)),
            ("state".to_owned(), Avro::Enum(1, "PAID".to_owned())),
            ("before".to_owned(), Avro::Enum(0, "NEW".to_owned())),
            ("lines".to_owned(), Avro::Array(vec![line])),
            ("extra".to_owned(), Avro::Map([("w".to_owned(), Avro::Double(1.5))].into())),
        ]);
        let writer = GenericDatumWriter::builder(&schema).build().unwrap();
        let bytes = writer.write_value_to_vec(value).unwrap();
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        let read = reader.read_value(&mut &bytes[..]).unwrap();
        assert_eq!(
            json(&read, &schema).unwrap(),
            json!({"total": -19.95, "note": null, "at": "2023-11-14T22:13:20.000Z",
                   "due": "2024-10-04", "state": "PAID", "before": "NEW",
                   "lines": [{"sku": "a-1", "count": 3}], "extra": {"w": 1.5}})
        );
    }

    #[test]
    fn what_has_no_place_in_json_is_told() {
        for value in [Avro::Double(f64::NAN), Avro::Float(f32::INFINITY), Avro::Date(i32::MAX)] {
            assert!(json(&value, &Schema::Null).is_err(), "{value:?}");
        }
        let deep = (0..DEPTH_MAX).fold(Avro::Int(1), |inner, _| Avro::Array(vec![inner]));
        assert!(json(&deep, &Schema::Null).unwrap_err().contains("nests"));
        assert!(decimal(&[1; 17], 0).is_err());
    }

    #[test]
    fn decimals_keep_their_sign_and_point() {
        for (bytes, scale, told) in [
            (&[0x00][..], 2, 0.0),
            (&[0x7f], 1, 12.7),
            (&[0xff], 0, -1.0),
            (&[0x01, 0x00], 3, 0.256),
        ] {
            assert_eq!(decimal(bytes, scale).unwrap(), json!(told), "{bytes:?}");
        }
    }

    #[test]
    fn a_type_within_itself_is_seen_and_one_beside_itself_is_not() {
        let list = r#"{"type":"record","name":"a.Node","fields":[
            {"name":"next","type":["null","Node"]}]}"#;
        let mapped = r#"{"type":"record","name":"Tree","fields":[
            {"name":"kids","type":{"type":"map","values":{"type":"array","items":"Tree"}}}]}"#;
        assert!(refers_to_itself(list) && refers_to_itself(mapped));
        let twice = r#"{"type":"record","name":"P","fields":[
            {"name":"a","type":{"type":"record","name":"Q","fields":[]}},{"name":"b","type":"Q"}]}"#;
        assert!(!refers_to_itself(twice) && !refers_to_itself("\"string\""));
    }
}
