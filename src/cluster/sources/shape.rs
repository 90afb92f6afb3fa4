//! A message of somebody else's topic as a line that `decode` takes, by what the file says about the
//! topic. Pure.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::config::{Naming, Place, SourceConfig, SourceFormat};
use crate::decode::{Refusal, Refused};
use crate::engine::time::Timestamp;
use crate::kafka::event;
use crate::kafka::reading::Seen;

/// Whole numbers from here on are milliseconds since 1970, and seconds below: the year 5138, or
/// March of 1973.
const MILLIS_FROM: i64 = 100_000_000_000;

/// The line that a message stands for; `None` when it says nothing.
///
/// # Errors
/// Why it is no event.
pub(super) fn line<'m>(
    source: &SourceConfig,
    seen: &'m Seen,
) -> Result<Option<Cow<'m, [u8]>>, Refusal> {
    let Some(value) = seen.value.as_deref().filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let line = match source.format {
        SourceFormat::CloudEvents => event::line(&seen.headers, value)?,
        SourceFormat::JsonSchema => Cow::Borrowed(behind_schema(value)),
        SourceFormat::Json | SourceFormat::Segment | SourceFormat::PostHog => Cow::Borrowed(value),
        // Both are JSON by now.
        SourceFormat::Avro | SourceFormat::Protobuf => Cow::Borrowed(value),
    };
    if source.is_as_it_comes() {
        return Ok(Some(line));
    }
    let parsed: Value = serde_json::from_slice(&line)
        .map_err(|error| Refusal::new(Refused::MalformedJson, error.to_string()))?;
    let Value::Object(members) = parsed else {
        return Err(Refusal::new(Refused::NotAnObject, "an event must be a JSON object"));
    };
    let message = Message { seen, members };
    let line =
        if source.event.is_some() { message.mapped(source) } else { message.placed(source) }?;
    Ok(Some(Cow::Owned(line.to_string().into_bytes())))
}

/// The JSON behind what a serializer puts before it: a zero and a number of four bytes, or a one and
/// an id of sixteen. Where the number stands in a header there is nothing before it.
fn behind_schema(value: &[u8]) -> &[u8] {
    match value {
        [0, _, _, _, _, json @ ..] => json,
        [1, rest @ ..] => rest.get(16..).unwrap_or_default(),
        json => json,
    }
}

impl SourceConfig {
    /// Whether nothing of its messages is to be changed.
    fn is_as_it_comes(&self) -> bool {
        let Self { topic: _, format: _, customer, event, at, id, with } = self;
        customer.is_none() && event.is_none() && at.is_none() && id.is_none() && with.is_none()
    }
}

struct Message<'m> {
    seen: &'m Seen,
    members: Map<String, Value>,
}

impl Message<'_> {
    /// An event of our own form, made of what stands where the file says.
    fn mapped(self, source: &SourceConfig) -> Result<Value, Refusal> {
        let named = match &source.event {
            Some(Naming::Constant(name)) => name.clone(),
            Some(Naming::At(place)) => self.need(place, "event", Refused::MissingEvent)?,
            None => return Err(Refusal::new(Refused::MissingEvent, "the topic names no event")),
        };
        let fallback = Place::Key;
        let customer = source.customer.as_ref().unwrap_or(&fallback);
        let customer = self.need(customer, "customer", Refused::MissingCustomer)?;
        let mut line = Map::new();
        let mut set = |name: &str, value: Value| drop(line.insert(name.to_owned(), value));
        set("event", named.into());
        set("customer", customer.into());
        match (&source.at, self.seen.at) {
            (Some(place), _) => set("at", self.instant(place)?.into()),
            (None, Some(at)) => set("at", at.to_string().into()),
            (None, None) => {}
        }
        if let Some(place) = &source.id {
            set("id", self.need(place, "id", Refused::BadId)?.into());
        }
        let with = match &source.with {
            Some(Place::Field(path)) => self.field(path).cloned().unwrap_or_else(|| json!({})),
            _ => Value::Object(self.members),
        };
        set("with", with);
        Ok(Value::Object(line))
    }

    /// The event as it came, with what the file says in the place where its form has it.
    fn placed(mut self, source: &SourceConfig) -> Result<Value, Refusal> {
        let (customer, at, id) = match source.format {
            SourceFormat::Json | SourceFormat::JsonSchema => ("customer", "at", "id"),
            SourceFormat::Avro | SourceFormat::Protobuf => ("customer", "at", "id"),
            SourceFormat::Segment => ("userId", "timestamp", "messageId"),
            SourceFormat::PostHog => ("distinct_id", "timestamp", "uuid"),
            SourceFormat::CloudEvents => ("subject", "time", "id"),
        };
        let mut set = Vec::new();
        if let Some(place) = &source.customer {
            set.push((customer, self.need(place, "customer", Refused::MissingCustomer)?));
        }
        if let Some(place) = &source.at {
            set.push((at, self.instant(place)?));
        }
        if let Some(place) = &source.id {
            set.push((id, self.need(place, "id", Refused::BadId)?));
        }
        for (name, text) in set {
            self.members.insert(name.to_owned(), text.into());
        }
        Ok(Value::Object(self.members))
    }

    fn field(&self, path: &[String]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.members.get(first)?, |value, part| value.get(part))
    }

    /// A text, or a whole number as text.
    fn text(&self, place: &Place) -> Option<String> {
        let of_bytes = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let text = match place {
            Place::Key => of_bytes(self.seen.key.as_deref()?),
            Place::Header(name) => {
                let (_, value) = self.seen.headers.iter().find(|(header, _)| header == name)?;
                of_bytes(value)
            }
            Place::Field(path) => match self.field(path)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) if !number.is_f64() => Some(number.to_string()),
                _ => None,
            },
        };
        text.filter(|text| !text.is_empty())
    }

    fn need(&self, place: &Place, what: &str, reason: Refused) -> Result<String, Refusal> {
        self.text(place).ok_or_else(|| {
            let place = told(place);
            let hint =
                format!("the message has no text for `{what}` in {place}: see `kafka.sources`");
            Refusal::new(reason, hint)
        })
    }

    fn instant(&self, place: &Place) -> Result<String, Refusal> {
        let text = self.need(place, "at", Refused::BadTimestamp)?;
        let Ok(number) = text.parse::<i64>() else { return Ok(text) };
        let millis = if number < MILLIS_FROM { number.saturating_mul(1_000) } else { number };
        Ok(Timestamp::from_millis(millis).to_string())
    }
}

fn told(place: &Place) -> String {
    match place {
        Place::Key => "its key".to_owned(),
        Place::Header(name) => format!("its header `{name}`"),
        Place::Field(path) => format!("its field `{}`", path.join(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::reading::StampedBy;

    fn seen(key: &str, value: &str, headers: &[(&str, &str)]) -> Seen {
        let text = |text: &str| text.as_bytes().to_vec();
        Seen {
            partition: 0,
            offset: 7,
            at: Some(Timestamp::from_millis(1_000)),
            stamped_by: StampedBy::Producer,
            key: Some(text(key)),
            value: Some(text(value)),
            headers: headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), text(value)))
                .collect(),
        }
    }

    fn source(format: SourceFormat) -> SourceConfig {
        let topic = "t".to_owned();
        SourceConfig { topic, format, customer: None, event: None, at: None, id: None, with: None }
    }

    fn field(path: &str) -> Place {
        Place::Field(path.split('.').map(str::to_owned).collect())
    }

    fn told(source: &SourceConfig, seen: &Seen) -> Value {
        serde_json::from_slice(&line(source, seen).unwrap().unwrap()).unwrap()
    }

    #[test]
    fn what_needs_no_mapping_passes_byte_for_byte_and_nothing_is_ignored() {
        let json = source(SourceFormat::Json);
        let came = seen("k", "{\"customer\" : \"ada\"}", &[]);
        assert_eq!(&*line(&json, &came).unwrap().unwrap(), came.value.as_deref().unwrap());
        let gone = Seen { value: None, ..came };
        assert_eq!(line(&json, &gone).unwrap(), None);
    }

    #[test]
    fn a_table_of_orders_becomes_events() {
        let orders = SourceConfig {
            customer: Some(field("buyer.id")),
            event: Some(Naming::Constant("Order Placed".to_owned())),
            at: Some(field("created")),
            id: Some(field("no")),
            with: Some(field("order")),
            ..source(SourceFormat::Json)
        };
        let value = r#"{"buyer":{"id":42},"created":1700000000,"no":"o1","order":{"total":9.5}}"#;
        assert_eq!(
            told(&orders, &seen("x", value, &[])),
            json!({"customer": "42", "event": "Order Placed", "id": "o1",
                   "at": "2023-11-14T22:13:20.000Z", "with": {"total": 9.5}})
        );
        let whole = SourceConfig {
            customer: None,
            event: Some(Naming::At(Place::Header("type".to_owned()))),
            at: None,
            id: None,
            with: None,
            ..orders.clone()
        };
        assert_eq!(
            told(&whole, &seen("ada", r#"{"total":9}"#, &[("type", "Paid")])),
            json!({"customer": "ada", "event": "Paid", "at": "1970-01-01T00:00:01.000Z",
                   "with": {"total": 9}})
        );
        let refused = line(&orders, &seen("x", "{}", &[])).unwrap_err();
        assert_eq!(refused.reason, Refused::MissingCustomer);
        assert!(refused.what.contains("its field `buyer.id`"), "{refused}");
        assert_eq!(line(&orders, &seen("x", "[1]", &[])).unwrap_err().reason, Refused::NotAnObject);
    }

    #[test]
    fn a_customer_from_elsewhere_is_put_where_the_form_has_it() {
        for (format, member) in [
            (SourceFormat::Json, "customer"),
            (SourceFormat::Segment, "userId"),
            (SourceFormat::PostHog, "distinct_id"),
            (SourceFormat::CloudEvents, "subject"),
        ] {
            let keyed = SourceConfig { customer: Some(Place::Key), ..source(format) };
            let line = told(&keyed, &seen("ada", r#"{"event":"Order"}"#, &[]));
            assert_eq!((&line[member], &line["event"]), (&json!("ada"), &json!("Order")));
        }
    }

    #[test]
    fn json_stands_behind_the_number_of_its_schema() {
        let schema = source(SourceFormat::JsonSchema);
        let json = r#"{"customer":"ada","event":"Order"}"#;
        let (number, id) = ([0, 0, 0, 0, 7].to_vec(), [&[1][..], &[9; 16]].concat());
        for before in [number, id, Vec::new()] {
            let value = [before, json.as_bytes().to_vec()].concat();
            let came = Seen { value: Some(value), ..seen("k", "", &[]) };
            assert_eq!(&*line(&schema, &came).unwrap().unwrap(), json.as_bytes());
        }
        assert_eq!(behind_schema(&[1, 2]), b"");
    }

    #[test]
    fn both_modes_of_cloud_events_are_read() {
        let headers =
            [("ce_specversion", "1.0"), ("ce_id", "1"), ("ce_source", "/s"), ("ce_type", "Order")];
        let keyed =
            SourceConfig { customer: Some(Place::Key), ..source(SourceFormat::CloudEvents) };
        let line = told(&keyed, &seen("ada", r#"{"total":9}"#, &headers));
        assert_eq!((&line["subject"], &line["data"]["total"]), (&json!("ada"), &json!(9)));
        let structured = r#"{"specversion":"1.0","type":"Order","subject":"bob","data":{}}"#;
        let whole = source(SourceFormat::CloudEvents);
        assert_eq!(told(&whole, &seen("ada", structured, &[]))["subject"], "bob");
    }
}
