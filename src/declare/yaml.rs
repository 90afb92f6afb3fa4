//! The only room that knows the YAML crate: text in, nodes or a fault with a human hint out.

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, Spanned};

use super::fault::{Extent, Text};
use super::node::{Key, Meaning, Node, NodeKind, Scalar};

/// Longest file taken, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 256 * 1024;
/// Deepest nesting taken, in levels: the format itself needs seven.
const DEPTH_LEVELS_MAX: usize = 24;
/// Most nodes taken in one file.
const NODES_MAX: usize = 20_000;

/// A syntax fault.
#[derive(Debug)]
pub(crate) struct Broken {
    /// What is wrong.
    pub(crate) message: String,
    /// Where.
    pub(crate) extent: Extent,
    /// What to do.
    pub(crate) help: Option<String>,
}

/// Reads one document.
pub(crate) fn parse(text: &Text) -> Result<Node, Broken> {
    if FILE_BYTES_MAX < text.text.len() {
        return Err(Broken {
            message: format!(
                "the file has {} bytes; at most {FILE_BYTES_MAX} are read",
                text.text.len()
            ),
            extent: Extent::default(),
            help: Some("split it: one trigger or model per file".to_owned()),
        });
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_LEVELS_MAX,
            max_nodes: NODES_MAX,
            max_events: 4 * NODES_MAX,
            flow_nesting_limit: DEPTH_LEVELS_MAX,
            max_aliases: 0,
            max_anchors: 0,
            max_documents: 1,
            max_merge_keys: 0,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(&text.text, options) {
        Ok(raw) => Ok(settle(raw, text)),
        Err(error) => Err(translate(&error, text)),
    }
}

/// What the crate hands over, before it is settled against the source.
enum Raw {
    Text(String),
    // For these the text is taken from the source, because `1.10` is a version to some.
    Nothing,
    Bool(bool),
    Number(f64),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<KeyText>, Spanned<Self>)>),
}

/// A key, whatever it looks like: `0`, `-0.3` and `true` are keys too.
struct KeyText(String);

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(KeyText)
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(flag))
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Raw, E> {
        self.visit_i128(i128::from(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Raw, E> {
        self.visit_i128(i128::from(number))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Raw, E> {
        // Digits are read again as a float: integers past 2^53 lose their last digits, as in JSON.
        Ok(number.to_string().parse().map_or(Raw::Nothing, Raw::Number))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Raw, E> {
        Ok(number.to_string().parse().map_or(Raw::Nothing, Raw::Number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw::Number(number))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut fields = Vec::new();
        while let Some(key) = access.next_key::<Spanned<KeyText>>()? {
            if NODES_MAX < fields.len() {
                return Err(A::Error::custom("too many keys"));
            }
            fields.push((key, access.next_value()?));
        }
        Ok(Raw::Map(fields))
    }
}

fn settle(raw: Spanned<Raw>, text: &Text) -> Node {
    let extent = extent_of(raw.referenced);
    let plain =
        |meaning| NodeKind::Scalar(Scalar { text: text.slice(extent).trim().into(), meaning });
    let kind = match raw.value {
        Raw::Text(content) => {
            NodeKind::Scalar(Scalar { text: content.into(), meaning: Meaning::Text })
        }
        Raw::Nothing => plain(Meaning::Nothing),
        Raw::Bool(flag) => plain(Meaning::Bool(flag)),
        Raw::Number(number) => plain(Meaning::Number(number)),
        Raw::List(items) => {
            NodeKind::List(items.into_iter().map(|item| settle(item, text)).collect())
        }
        Raw::Map(fields) => NodeKind::Map(
            fields
                .into_iter()
                .map(|(key, value)| {
                    let key = Key { text: key.value.0.into(), extent: extent_of(key.referenced) };
                    let mut node = settle(value, text);
                    if !matches!(node.kind, NodeKind::Scalar(_)) || node.is_nothing() {
                        node.extent = key.extent;
                    }
                    (key, node)
                })
                .collect(),
        ),
    };
    let extent = match &kind {
        // The crate gives a mapping only its first byte; its first key says more.
        NodeKind::Map(fields) => fields.first().map_or(extent, |(key, _)| key.extent),
        _ => extent,
    };
    Node { extent, kind }
}

fn extent_of(location: Location) -> Extent {
    let span = location.span();
    let start = span.byte_offset().and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
    let length = span.byte_len().and_then(|length| u32::try_from(length).ok()).unwrap_or(0);
    Extent { start, end: start.saturating_add(length) }
}

/// Turns the crate's fault into one for people. The hints answer what people really write.
fn translate(error: &Error, text: &Text) -> Broken {
    let error = error.without_snippet();
    let location = error.location();
    let extent = location.map(|location| text_extent(location, text)).unwrap_or_default();
    let (message, help) = match error {
        Error::UnsupportedTag { tag, .. } => return tag_fault(tag, extent, text),
        Error::DuplicateMappingKey { key, .. } => (
            format!("`{}` appears twice here", key.as_deref().unwrap_or("a key")),
            Some("keep one of them".to_owned()),
        ),
        Error::Budget { breach, .. } => budget_fault(breach),
        Error::Unexpected { .. } if text.slice(extent).starts_with('{') => braces_fault(),
        _ => syntax_fault(error, extent, text),
    };
    Broken { message, extent, help }
}

fn tag_fault(tag: &str, extent: Extent, text: &Text) -> Broken {
    // The crate points behind the tag; the caret belongs under it.
    let end = extent.start as usize;
    let start = text.text.get(..end).and_then(|before| before.rfind(tag)).unwrap_or(end);
    let line = text.text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or(tag);
    let line = line.split(" #").next().unwrap_or(line).trim_end();
    let extent = Extent {
        start: u32::try_from(start).unwrap_or(extent.start),
        end: u32::try_from(start + tag.len()).unwrap_or(extent.end),
    };
    Broken {
        message: format!("`{tag}` outside of quotes is a YAML tag, not a condition"),
        extent,
        help: Some(format!(
            "put it in quotes: \"{line}\", or say `{} == false`",
            tag.trim_start_matches('!')
        )),
    }
}

fn braces_fault() -> (String, Option<String>) {
    (
        "a text that begins with `{` is read as a mapping".to_owned(),
        Some("put the whole text in quotes: \"{{ ... }}\", or write it below `|`".to_owned()),
    )
}

fn budget_fault(breach: &serde_saphyr::budget::BudgetBreach) -> (String, Option<String>) {
    use serde_saphyr::budget::BudgetBreach as Breach;
    match breach {
        Breach::Anchors { .. } | Breach::Aliases { .. } | Breach::MergeKeys { .. } => (
            "anchors (`&`), aliases (`*`) and merges (`<<`) are not part of this format".to_owned(),
            Some("write the value out; a text that begins with `&` or `*` needs quotes".to_owned()),
        ),
        Breach::Documents { .. } => (
            "a file holds one document".to_owned(),
            Some("remove `---`, and put each trigger or model into its own file".to_owned()),
        ),
        Breach::Depth { .. } => (format!("nested deeper than {DEPTH_LEVELS_MAX} levels"), None),
        _ => ("the file is too large for what it declares".to_owned(), None),
    }
}

/// Faults of the scanner: it names tokens, people think of texts, quotes and indentation.
fn syntax_fault(error: &Error, extent: Extent, text: &Text) -> (String, Option<String>) {
    let raw = error.to_string();
    let message = raw.rsplit_once(" at line ").map_or(&*raw, |(message, _)| message);
    let place = text.place(extent.start);
    let line = text.text.lines().nth(place.line.saturating_sub(1) as usize).unwrap_or("");
    let hint = |message: &str, help: &str| (message.to_owned(), Some(help.to_owned()));
    if message.starts_with("mapping values are not allowed") {
        return if line.contains("| default:") {
            hint(
                "`: ` inside a text needs quotes, and `| default: ...` is Liquid",
                "write {{ name | default(\"there\") }} and put the whole text in quotes",
            )
        } else if line.trim_start().find(": ").is_some_and(|first| {
            line.trim_start().get(first + 2..).is_some_and(|rest| rest.contains(':'))
        }) {
            hint(
                "`:` inside a text needs quotes",
                "put the whole text behind the first `:` in quotes",
            )
        } else {
            hint(
                "this line is indented deeper than the one it belongs to",
                "align it with its neighbours",
            )
        };
    }
    if message.starts_with("tabs disallowed") {
        return hint("a tab indents this line", "indent with spaces");
    }
    if message.starts_with("unexpected character") {
        let letter = text.slice(extent);
        return (
            format!("a text cannot begin with `{letter}` outside of quotes"),
            Some("put it in quotes".to_owned()),
        );
    }
    if message.starts_with("block sequence entries are not allowed") {
        return hint("a list cannot begin here", "begin it on the next line, or write [a, b]");
    }
    if message.contains("quoted scalar") && message.contains("indentation") {
        return hint("a quote that was opened above is not closed", "close it on its own line");
    }
    if message.contains("trailing content after") {
        return hint(
            "there is text behind the closing quote",
            "quote the whole text, or nothing of it",
        );
    }
    if message.contains("alias") {
        return hint("a text cannot begin with `*` or `&` outside of quotes", "put it in quotes");
    }
    (format!("this is not YAML: {message}"), None)
}

/// The bytes of a location, which may know only a line and a column.
fn text_extent(location: Location, text: &Text) -> Extent {
    let extent = extent_of(location);
    if location.span().byte_offset().is_some_and(|_| extent != Extent::default()) {
        return extent;
    }
    let line = usize::try_from(location.line()).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(location.column()).unwrap_or(1).saturating_sub(1);
    text.extent_at(line, column)
}
