//! What `kafka.sources:` says: topics of others, where in their messages things are, what they mean.

use super::node::{Kind, Node};
use super::table::{Reading, Table};

/// Most topics that are brought in.
const SOURCES_MAX: usize = 64;

/// A topic of others, and how it becomes events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceConfig {
    /// The topic.
    pub topic: String,
    /// How its messages are laid out.
    pub format: SourceFormat,
    /// Where the customer's id is; without it, where the format has it.
    pub customer: Option<Place>,
    /// What the event is called; without it, as the format says.
    pub event: Option<Naming>,
    /// When it happened; without it, as the format says, or when the message was written.
    pub at: Option<Place>,
    /// What makes it the only one; without it, as the format says, or where the message lies.
    pub id: Option<Place>,
    /// Where its properties are; without it the whole message, when its names are mapped.
    pub with: Option<Place>,
}

/// How messages are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFormat {
    /// Any JSON object.
    Json,
    /// The same, behind the number of its schema, as serializers with a schema registry write it.
    JsonSchema,
    /// Avro, behind the number of its schema.
    Avro,
    /// Protocol Buffers, behind the number of its schema and the message's place in it.
    Protobuf,
    /// As Segment and `RudderStack` send it.
    Segment,
    /// As `PostHog` sends it.
    PostHog,
    /// `CloudEvents` 1.0, attributes in headers or around the data.
    CloudEvents,
}

/// Where something is in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The key.
    Key,
    /// A header.
    Header(String),
    /// A member of the value, and of that a member, ...
    Field(Vec<String>),
}

/// What an event is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Always the same.
    Constant(String),
    /// What stands there.
    At(Place),
}

/// Whether schemas can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Registry {
    /// The file names a registry.
    Named,
    /// It names none, or this build asks none.
    Absent,
}

/// Reads `sources:`. `ours` is what the names of our own topics begin with, and the events topic.
pub(super) fn sources(
    node: Node,
    (prefix, events): (&str, &str),
    registry: Registry,
    reading: &mut Reading<'_>,
) -> Vec<SourceConfig> {
    let Kind::List(items) = node.kind else {
        let help = "each begins with `- topic: NAME`".to_owned();
        reading.fault(&node, "expected a list of topics", Some(help));
        return Vec::new();
    };
    let mut sources: Vec<SourceConfig> = Vec::new();
    for item in items {
        if sources.len() == SOURCES_MAX {
            reading.fault(&item, format!("at most {SOURCES_MAX} topics are brought in"), None);
            break;
        }
        let place = item.clone();
        let Some(source) = source(item, registry, reading) else { continue };
        let topic = &source.topic;
        if topic == events || topic.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')) {
            let help = "events that Heedful writes itself would come in again".to_owned();
            reading.fault(&place, format!("`{topic}` is a topic of Heedful's own"), Some(help));
        } else if sources.iter().any(|other| other.topic == source.topic) {
            reading.fault(&place, format!("`{topic}` is brought in twice"), None);
        } else {
            sources.push(source);
        }
    }
    sources
}

fn source(node: Node, registry: Registry, reading: &mut Reading<'_>) -> Option<SourceConfig> {
    let mut table = reading.table(node);
    let topic =
        table.need("topic", reading).and_then(|node| super::kafka::topic_name(&node, reading));
    let format = table.take("format").map(|node| format(&node, registry, reading));
    let customer = place(&mut table, "customer", reading);
    let event = table.take("event").and_then(|node| {
        let text = reading.text(&node)?;
        match parse(&text) {
            Some(place) => Some(Naming::At(place)),
            None if text.trim().is_empty() => {
                reading.fault(&node, "it is empty", None);
                None
            }
            None => Some(Naming::Constant(text)),
        }
    });
    let at = place(&mut table, "at", reading);
    let id = place(&mut table, "id", reading);
    let with_node = table.take("with");
    let with = with_node.as_ref().and_then(|node| {
        let place = one_place(node, reading)?;
        if matches!(place, Place::Field(_)) {
            return Some(place);
        }
        reading.fault(node, "properties can only be in a field", Some(FIELD.to_owned()));
        None
    });
    if event.is_none()
        && (with.is_some())
        && let Some(node) = &with_node
    {
        let help = "add `event: NAME`, or `event: field:PATH`".to_owned();
        reading.fault(node, "`with` needs `event` beside it", Some(help));
    }
    table.end(reading);
    let format = match format {
        None => SourceFormat::Json,
        Some(format) => format?,
    };
    Some(SourceConfig { topic: topic?, format, customer, event, at, id, with })
}

/// The formats that need no registry.
const FORMATS: [(&str, SourceFormat); 5] = [
    ("json", SourceFormat::Json),
    ("json-schema", SourceFormat::JsonSchema),
    ("segment", SourceFormat::Segment),
    ("posthog", SourceFormat::PostHog),
    ("cloudevents", SourceFormat::CloudEvents),
];
/// The formats that need one.
const BINARY: [(&str, SourceFormat); 2] =
    [("avro", SourceFormat::Avro), ("protobuf", SourceFormat::Protobuf)];

fn format(node: &Node, registry: Registry, reading: &mut Reading<'_>) -> Option<SourceFormat> {
    let is_built = cfg!(feature = "schema-registry");
    let is_binary = |text: &str| BINARY.iter().any(|(word, _)| *word == text);
    if registry == Registry::Absent && matches!(&node.kind, Kind::Text(text) if is_binary(text)) {
        let (what, help) = if is_built {
            let help = "add `registry: {url: http://HOST:8081}` to `kafka:`";
            ("without a registry its schemas cannot be had", help)
        } else {
            let help = "build it with `--features schema-registry`";
            ("this build of Heedful asks no schema registry", help)
        };
        reading.fault(node, what, Some(help.to_owned()));
        return None;
    }
    match is_built {
        true => reading.word(node, &[&FORMATS[..], &BINARY].concat()),
        false => reading.word(node, &FORMATS),
    }
}

const FIELD: &str = "`field:PATH`, for instance `field:order.user_id`";

fn place(table: &mut Table, key: &'static str, reading: &mut Reading<'_>) -> Option<Place> {
    let node = table.take(key)?;
    one_place(&node, reading)
}

fn one_place(node: &Node, reading: &mut Reading<'_>) -> Option<Place> {
    let text = reading.text(node)?;
    let place = parse(&text);
    if place.is_none() {
        let help = format!("`key`, `header:NAME` or {FIELD}");
        reading.fault(node, "expected a place in a message", Some(help));
    }
    place
}

fn parse(text: &str) -> Option<Place> {
    match text.split_once(':') {
        None if text == "key" => Some(Place::Key),
        Some(("header", name)) if !name.is_empty() => Some(Place::Header(name.to_owned())),
        Some(("field", path)) if path.split('.').all(|part| !part.is_empty()) => {
            Some(Place::Field(path.split('.').map(str::to_owned).collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::fault::Faults;
    use super::*;

    const NO_REGISTRY: &str = if cfg!(feature = "schema-registry") {
        "without a registry"
    } else {
        "asks no schema registry"
    };

    fn read(text: &str) -> (Vec<SourceConfig>, Vec<String>) {
        let env = |_: &str| None;
        let root = Node::parse("heedful.yaml", text).unwrap();
        let mut reading =
            Reading { origin: "heedful.yaml", text, env: &env, faults: Faults::default() };
        let sources = sources(root, ("heedful", "clicks"), Registry::Absent, &mut reading);
        (sources, reading.faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_topic_is_enough_and_everything_can_be_said() {
        let (sources, faults) = read(
            "- topic: a\n- topic: orders\n  format: cloudevents\n  customer: header:x-user\n  \
             event: Order Placed\n  at: field:order.at\n  id: key\n  with: field:order\n",
        );
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!((sources[0].format, &sources[0].customer), (SourceFormat::Json, &None));
        let field =
            |path: &[&str]| Place::Field(path.iter().map(|part| (*part).to_owned()).collect());
        let expected = SourceConfig {
            topic: "orders".to_owned(),
            format: SourceFormat::CloudEvents,
            customer: Some(Place::Header("x-user".to_owned())),
            event: Some(Naming::Constant("Order Placed".to_owned())),
            at: Some(field(&["order", "at"])),
            id: Some(Place::Key),
            with: Some(field(&["order"])),
        };
        assert_eq!(sources[1], expected);
    }

    #[test]
    fn what_is_wrong_is_told_where_it_stands() {
        for (text, at, what) in [
            ("topic: a\n", "1:1", "a list of topics"),
            ("- format: json\n", "1:3", "`topic` is missing"),
            ("- topic: a\n  format: xml\n", "2:11", "`xml` is not known"),
            ("- topic: a\n  format: avro\n", "2:11", NO_REGISTRY),
            ("- topic: a\n  customer: user\n", "2:13", "a place in a message"),
            ("- topic: a\n  customer: field:a..b\n", "2:13", "a place in a message"),
            ("- topic: a\n  event: x\n  with: key\n", "3:9", "only be in a field"),
            ("- topic: a\n  with: field:b\n", "2:9", "needs `event`"),
            ("- topic: a\n- topic: a\n", "2:3", "twice"),
            ("- topic: clicks\n", "1:3", "Heedful's own"),
            ("- topic: heedful.decisions\n", "1:3", "Heedful's own"),
        ] {
            let (_, faults) = read(text);
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert!(faults[0].contains(at) && faults[0].contains(what), "{text}: {faults:?}");
        }
    }
}
