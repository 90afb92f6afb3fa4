//! CloudEvents 1.0: `type` names the event, `subject` the customer, `data` holds the properties.
//!
//! The binary mode of HTTP, with its attributes in headers, is rewritten into this form on arrival.

use std::borrow::Cow;

use super::content::{Content, Name};
use super::item::{Field, Item};
use super::json::{Raw, Scanner};
use super::judge::{Meaning, NAME_BYTES_MAX, customer_text, message_id, name_text};
use super::record::Call;
use super::refusal::{Refusal, Refused};

/// Reads whose an event is, its id, its time and its kind.
pub(super) fn read<'a>(item: &Item<'a>) -> Result<Meaning<'a>, Refusal> {
    let customer = match customer_text(item.get(Field::Subject), "subject")? {
        Some(customer) => Some(customer),
        None => customer_of_data(item.get(Field::Data))?,
    };
    Ok(Meaning {
        customer,
        id: id(item)?,
        claimed: item.get(Field::Time),
        sent: Raw::Absent,
        call: Call::Track,
    })
}

/// Reads what an event says.
pub(super) fn content<'a>(item: &Item<'a>, content: &mut Content<'a>) -> Result<(), Refusal> {
    let name = name_text(item.get(Field::Type), "type", Refused::BadName)?
        .ok_or_else(|| Refusal::new(Refused::MissingEvent, "a CloudEvent needs `type`"))?;
    if item.get(Field::DataBase64) != Raw::Absent {
        let what = "`data_base64` is not read: send the properties as JSON in `data`";
        return Err(Refusal::new(Refused::BadProperties, what));
    }
    content.name = Name::Event(name);
    content.late_properties(item.get(Field::Data), "data")
}

/// Source and id together make an event the only one of its kind.
fn id<'a>(item: &Item<'a>) -> Result<Option<Cow<'a, str>>, Refusal> {
    let id = message_id(item.get(Field::Id), "id")?;
    let source = message_id(item.get(Field::Source), "source")?;
    let (Some(id), Some(source)) = (&id, source) else { return Ok(id) };
    let both = format!("{source}#{id}");
    if both.len() <= NAME_BYTES_MAX {
        return Ok(Some(both.into()));
    }
    Ok(Some(blake3::hash(both.as_bytes()).to_hex().to_string().into()))
}

/// Without a subject the data may name the customer.
fn customer_of_data(data: Raw<'_>) -> Result<Option<Cow<'_, str>>, Refusal> {
    let Raw::Object(json) = data else { return Ok(None) };
    let (mut customer, mut user, mut snake) = (Raw::Absent, Raw::Absent, Raw::Absent);
    Scanner::new(json).object(|scanner, key| {
        let field = match key {
            "customer" => &mut customer,
            "userId" => &mut user,
            "user_id" => &mut snake,
            _ => return scanner.skip(),
        };
        *field = scanner.value()?;
        Ok(())
    })?;
    let named = [(customer, "data.customer"), (user, "data.userId"), (snake, "data.user_id")];
    for (raw, field) in named {
        if let Some(found) = customer_text(raw, field)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The attributes of an event that came in headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `specversion`, `id`, `source`, `type`, `subject`, `time` and extensions, by lower-case name.
    pub pairs: Vec<(String, String)>,
}

impl Attributes {
    /// Rewrites the binary mode into the structured one: attributes around the data as it came.
    pub fn into_structured(self, data: &str) -> String {
        let mut json = String::from("{");
        for (name, value) in self.pairs {
            if name != "data" && name != "data_base64" {
                push_text(&mut json, &name);
                json.push(':');
                push_text(&mut json, &value);
                json.push(',');
            }
        }
        let data = data.trim();
        json.push_str("\"data\":");
        json.push_str(if data.is_empty() { "null" } else { data });
        json.push('}');
        json
    }
}

fn push_text(json: &mut String, text: &str) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if u32::from(c) < 0x20 => {
                json.push_str("\\u00");
                for digit in [u32::from(c) >> 4, u32::from(c) & 15] {
                    json.extend(char::from_digit(digit, 16));
                }
            }
            c => json.push(c),
        }
    }
    json.push('"');
}
