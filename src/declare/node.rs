//! A YAML document as a tree of nodes that know their bytes, so that every later fault can point.

use super::fault::Extent;
use crate::engine::value::Value;

/// A node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its bytes; for a list or mapping under a key, the key's: that is where a caret helps.
    pub(crate) extent: Extent,
    /// What it is.
    pub(crate) kind: NodeKind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    /// A single value.
    Scalar(Scalar),
    /// `[a, b]` or `- a`.
    List(Vec<Node>),
    /// `{a: b}` or `a: b`, in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Its text.
    pub(crate) text: Box<str>,
    /// Its bytes.
    pub(crate) extent: Extent,
}

/// A single value.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// Its text: as written when plain, without quotes and indentation otherwise.
    pub(crate) text: Box<str>,
    /// What it means under YAML 1.2.
    pub(crate) meaning: Meaning,
}

/// What a scalar means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaning {
    /// Nothing: empty, `~`, `null`.
    Nothing,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Number(f64),
    /// A text.
    Text,
}

impl Node {
    /// The value it stands for where any value may stand; `None` for nothing (`null`).
    pub(crate) fn to_value(&self) -> Option<Value> {
        Some(match &self.kind {
            NodeKind::Scalar(scalar) => match scalar.meaning {
                Meaning::Nothing => return None,
                Meaning::Bool(flag) => Value::Bool(flag),
                Meaning::Number(number) => Value::Num(number),
                Meaning::Text => Value::Str((&*scalar.text).into()),
            },
            NodeKind::List(items) => Value::List(items.iter().filter_map(Self::to_value).collect()),
            NodeKind::Map(fields) => {
                let mut fields: Vec<(Box<str>, Value)> = fields
                    .iter()
                    .filter_map(|(key, node)| Some((key.text.clone(), node.to_value()?)))
                    .collect();
                fields.sort_by(|left, right| left.0.cmp(&right.0));
                Value::Map(fields.into())
            }
        })
    }

    /// Whether nothing is written there.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(&self.kind, NodeKind::Scalar(scalar) if scalar.meaning == Meaning::Nothing)
    }

    /// What it is, for messages.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            NodeKind::List(_) => "a list".to_owned(),
            NodeKind::Map(_) => "a mapping".to_owned(),
            NodeKind::Scalar(scalar) => match scalar.meaning {
                Meaning::Nothing => "nothing".to_owned(),
                Meaning::Bool(_) | Meaning::Number(_) => format!("`{}`", scalar.text),
                Meaning::Text => format!("`{}`", shorten(&scalar.text)),
            },
        }
    }
}

/// Characters of a text that a message quotes at most.
const QUOTED_CHARS_MAX: usize = 40;

/// A text short enough for a message.
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or("").trim();
    if line.chars().count() <= QUOTED_CHARS_MAX && line.len() == text.trim().len() {
        return line.to_owned();
    }
    let kept: String = line.chars().take(QUOTED_CHARS_MAX).collect();
    format!("{}...", kept.trim_end())
}

/// A text inside a file: maps its own bytes back to the bytes of the file.
#[derive(Clone, Debug)]
pub(crate) struct Embedded {
    /// The text.
    pub(crate) text: Box<str>,
    /// All its bytes in the file.
    pub(crate) extent: Extent,
    // For each character that is not white space: its byte in the text and its byte in the file.
    map: Vec<(u32, u32)>,
}

impl Embedded {
    /// Aligns a scalar with its source. Quotes, indentation and folding only ever add or remove
    /// white space, so the n-th visible character of the one is the n-th of the other.
    pub(crate) fn new(text: &str, extent: Extent, source: &str) -> Self {
        // A block may begin and end with a quote that belongs to it.
        let count = text.chars().filter(|letter| !letter.is_whitespace()).count();
        let inside = Some(visible(source, Quotes::Around))
            .filter(|inside| inside.len() == count)
            .unwrap_or_else(|| visible(source, Quotes::None));
        let map = text
            .char_indices()
            .filter(|(_, letter)| !letter.is_whitespace())
            .zip(inside)
            .filter_map(|((at, _), from)| {
                Some((
                    u32::try_from(at).ok()?,
                    extent.start.checked_add(u32::try_from(from).ok()?)?,
                ))
            })
            .collect();
        Self { text: text.into(), extent, map }
    }

    /// A text whose own bytes cannot be found in the file: every fault points at all of it.
    pub(crate) fn unaligned(text: &str, extent: Extent) -> Self {
        Self { text: text.into(), extent, map: Vec::new() }
    }

    /// The bytes of the file that a stretch of the text came from.
    pub(crate) fn extent_of(&self, start: usize, end: usize) -> Extent {
        let (start, end) = (clamp(start), clamp(end.max(start + 1)));
        let first = self.map.partition_point(|(at, _)| *at < start);
        let Some((_, from)) = self.map.get(first).copied().or(self.map.last().copied()) else {
            return self.extent;
        };
        let past = self.map.partition_point(|(at, _)| *at < end);
        let last = past.checked_sub(1).and_then(|last| self.map.get(last));
        let to = last.map_or(from, |(at, to)| to + self.width(*at));
        // Past the last character the caret stands right behind it.
        if first == self.map.len() {
            return Extent { start: to, end: to };
        }
        Extent { start: from, end: to.max(from + 1) }
    }

    /// Bytes of the character that begins at a byte of the text.
    fn width(&self, at: u32) -> u32 {
        let letter = self.text.get(at as usize..).and_then(|rest| rest.chars().next());
        letter.and_then(|letter| u32::try_from(letter.len_utf8()).ok()).unwrap_or(1)
    }
}

fn clamp(byte: usize) -> u32 {
    u32::try_from(byte).unwrap_or(u32::MAX)
}

/// Whether the first and the last character of a source may be quotes around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Around,
    None,
}

/// Bytes, inside the source of a scalar, of its visible characters, escapes counted as one.
fn visible(source: &str, quotes: Quotes) -> Vec<usize> {
    let quote = source.chars().next().filter(|first| {
        let quoted = matches!(first, '"' | '\'') && 1 < source.len() && source.ends_with(*first);
        quoted && quotes == Quotes::Around
    });
    let inner = if quote.is_some() { source.get(1..source.len() - 1) } else { Some(source) };
    let offset = usize::from(quote.is_some());
    let mut found = Vec::new();
    let mut letters = inner.unwrap_or("").char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' && quote == Some('"') {
            let Some((_, escaped)) = letters.next() else { break };
            let digits = match escaped {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            for _ in 0..digits {
                letters.next();
            }
            let blank = matches!(escaped, 'n' | 't' | 'r' | '_' | 'N' | 'L' | 'P');
            if !blank && !escaped.is_whitespace() {
                found.push(at + offset);
            }
            continue;
        }
        if letter == '\'' && quote == Some('\'') {
            letters.next_if(|(_, letter)| *letter == '\'');
        }
        if !letter.is_whitespace() {
            found.push(at + offset);
        }
    }
    found
}
