//! Single values of the format: texts, names, lengths of time, shares, times of day.

use std::borrow::Cow;

use jiff::civil;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::fault::{Extent, Located};
use super::node::{Embedded, Meaning, Node, NodeKind, shorten};
use super::read::{Faults, Read, word};
use crate::engine::policy::{AtMost, Share};
use crate::engine::time::{Span, Zone};
use crate::engine::value::Value;

/// Longest name of a trigger, model, purpose, channel or tag, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest text of any other kind, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Implements [`JsonSchema`] for a type that is one text or number in the file.
macro_rules! schema {
    ($name:ty, $title:literal, $json:tt) => {
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($json)
            }
        }
    };
}

/// A plain text and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// The text.
    pub(crate) text: Box<str>,
    /// Where.
    pub(crate) extent: Extent,
}

schema!(Words, "Text", {"type": ["string", "number", "boolean"]});

impl Read for Words {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        if TEXT_BYTES_MAX < text.len() {
            let message = format!("this text has more than {TEXT_BYTES_MAX} bytes");
            faults.error("E005", node.extent, message, None);
            return None;
        }
        Some(Self { text, extent: node.extent })
    }
}

/// A name: lower-case letters, digits, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// The name.
    pub(crate) text: Box<str>,
    /// Where.
    pub(crate) extent: Extent,
}

schema!(Name, "Name", {
    "type": "string",
    "pattern": "^[a-z0-9][a-z0-9._-]{0,63}$",
    "description": "A name: lower-case letters, digits, `-`, `_` and `.`."
});

impl Read for Name {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        if is_name(&text) {
            return Some(Self { text, extent: node.extent });
        }
        let better: String = text
            .chars()
            .take(NAME_BYTES_MAX)
            .flat_map(char::to_lowercase)
            .map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' })
            .collect();
        let help = format!(
            "use lower-case letters, digits, `-`, `_` and `.`, at most {NAME_BYTES_MAX}: `{}`",
            better.trim_matches('-')
        );
        faults.error("E005", node.extent, format!("`{}` cannot be a name", shorten(&text)), help);
        None
    }
}

/// Whether a text can be a name.
pub(crate) fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= NAME_BYTES_MAX
        && text.as_bytes().first().is_some_and(|first| letter(*first))
        && text.bytes().all(|byte| letter(byte) || matches!(byte, b'-' | b'_' | b'.'))
}

/// A text in another language: a condition or a template. Faults inside it are shown in the file.
#[derive(Clone, Debug)]
pub(crate) struct Line(pub(crate) Embedded);

schema!(Line, "Expression", {
    "type": ["string", "boolean", "number"],
    "description": "A condition or expression, such as `event.cart_value >= 20` or `count(\"Logged In\", \"14d\") == 0`."
});

impl Read for Line {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        Some(Self(Embedded::new(&text, node.extent, faults.text.slice(node.extent))))
    }
}

schema!(Span, "Duration", {
    "type": "string",
    "pattern": "^\\s*([0-9]+w)?\\s*([0-9]+d)?\\s*([0-9]+h)?\\s*([0-9]+m)?\\s*([0-9]+s)?\\s*([0-9]+ms)?\\s*$",
    "minLength": 2,
    "description": "A length of time: `90s`, `3m`, `8h30m`, `36h`, `14d`, `2w`."
});

impl Read for Span {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        if let Some(span) = Self::parse(&text).filter(|span| *span <= SPAN_MAX) {
            return Some(span);
        }
        let message = format!("`{}` is not a length of time", shorten(&text));
        faults.error("E005", node.extent, message, span_help(&text));
        None
    }
}

/// Longest time taken anywhere: ten years.
const SPAN_MAX: Span = Span::DAY.times(3_660);
/// Longest time for which an outreach, a rest or a window of the governor can be meant: what is
/// older is not remembered of a customer.
pub(crate) const LIFE_MAX: Span = Span::DAY.times(400);

/// A time longer than nothing; otherwise notes it.
pub(crate) fn some_time(span: &Located<Span>, faults: &mut Faults<'_>) -> Option<Span> {
    if span.value == Span::ZERO {
        faults.error("E005", span.extent, "this must be longer than nothing", None);
        return None;
    }
    Some(span.value)
}

/// A time longer than nothing and no longer than [`LIFE_MAX`]; otherwise notes it.
pub(crate) fn life_time(span: &Located<Span>, faults: &mut Faults<'_>) -> Option<Span> {
    if LIFE_MAX < span.value {
        let message = format!("this is longer than {LIFE_MAX}");
        faults.error("E070", span.extent, message, None);
        return None;
    }
    some_time(span, faults)
}

/// What was probably meant by a text that is no length of time.
pub(crate) fn span_help(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let unit = text.get(digits.len()..).unwrap_or("").trim();
    let letter = ["ms", "s", "m", "h", "d", "w"].into_iter().find(|letter| match *letter {
        "ms" => unit.starts_with("milli"),
        "s" => unit.starts_with("sec"),
        "m" => unit.starts_with("min"),
        "h" => unit.starts_with("ho") || unit.starts_with("hr"),
        "d" => unit.starts_with("day"),
        _ => unit.starts_with("week"),
    });
    match letter {
        Some(letter) if !digits.is_empty() => format!("write `{digits}{letter}`"),
        _ if !digits.is_empty() && unit.is_empty() => {
            format!(
                "name the unit: `{digits}m` for minutes, `{digits}h` for hours, `{digits}d` for days"
            )
        }
        _ => {
            "largest unit first, whole numbers: `90s`, `3m`, `8h30m`, `36h`, `14d`, `2w`".to_owned()
        }
    }
}

schema!(Share, "Share", {
    "type": "string",
    "pattern": "^[0-9]+(\\.[0-9]{1,2})?\\s*%$",
    "description": "A part of all: `10%`, `0.5%`."
});

impl Read for Share {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        if let Some(share) = parse_share(&text) {
            return Some(share);
        }
        let help = match text.trim().parse::<f64>() {
            Ok(number) if 0.0 < number && number < 1.0 => {
                format!("write it in per cent: `{}%`", number * 100.0)
            }
            Ok(number) => format!("write it in per cent: `{number}%`"),
            Err(_) => "write it in per cent, with two decimals at most: `10%`, `0.5%`".to_owned(),
        };
        let message = format!("`{}` is not a share between 0% and 100%", shorten(&text));
        faults.error("E005", node.extent, message, help);
        None
    }
}

/// Reads `12.34%` exactly, as hundredths of a per cent.
pub(crate) fn parse_share(text: &str) -> Option<Share> {
    let number = text.trim().strip_suffix('%')?.trim_end();
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let part = match part.len() {
        1 => part.parse::<u16>().ok()?.checked_mul(10)?,
        2 => part.parse::<u16>().ok()?,
        _ => return None,
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || whole.is_empty() {
        return None;
    }
    let hundredths = whole.parse::<u16>().ok()?.checked_mul(100)?.checked_add(part)?;
    (hundredths <= 10_000).then_some(Share(hundredths))
}

schema!(PerCent, "PercentagePoints", {
    "type": "string",
    "pattern": "^[0-9]+(\\.[0-9]+)?\\s*pp$",
    "description": "Percentage points: `0.5pp`."
});

/// Percentage points: `0.5pp`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerCent(pub(crate) f64);

impl Read for PerCent {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        let number = text.trim().strip_suffix("pp").and_then(|text| text.trim().parse().ok());
        if let Some(points) = number.filter(|points: &f64| (0.0..=100.0).contains(points)) {
            return Some(Self(points));
        }
        let message = format!("`{}` is not a number of percentage points", shorten(&text));
        faults.error("E005", node.extent, message, "write `0.5pp`".to_owned());
        None
    }
}

impl Read for f64 {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        if let NodeKind::Scalar(scalar) = &node.kind
            && let Meaning::Number(number) = scalar.meaning
        {
            if !number.is_finite() {
                faults.error("E005", node.extent, "this number has no value", None);
            }
            return number.is_finite().then_some(number);
        }
        let message = format!("a number is wanted here, not {}", node.describe());
        faults.error("E004", node.extent, message, None);
        None
    }
}

/// A whole number from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) u32);

schema!(Whole, "Count", {"type": "integer", "minimum": 0, "maximum": 1_000_000});

impl Read for Whole {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let number = f64::read(node, faults)?;
        if number.fract() == 0.0 && (0.0..=1_000_000.0).contains(&number) {
            return format!("{number:.0}").parse().ok().map(Self);
        }
        faults.error("E005", node.extent, "a whole number from 0 to 1000000 is wanted here", None);
        None
    }
}

schema!(AtMost, "CountOrShare", {
    "oneOf": [
        {"type": "integer", "minimum": 0, "maximum": 1_000_000},
        {"type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,2})?\\s*%$"}
    ],
    "description": "A whole number, or a part of all: `500`, `2%`."
});

impl Read for AtMost {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        if let NodeKind::Scalar(scalar) = &node.kind
            && matches!(scalar.meaning, Meaning::Number(_))
        {
            return Whole::read(node, faults).map(|count| Self::Count(count.0));
        }
        Share::read(node, faults).map(Self::Part)
    }
}

/// A whole number with a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rank(pub(crate) i32);

schema!(Rank, "Rank", {"type": "integer", "minimum": -1_000_000, "maximum": 1_000_000});

impl Read for Rank {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let number = f64::read(node, faults)?;
        if number.fract() == 0.0 && number.abs() <= 1_000_000.0 {
            return format!("{number:.0}").parse().ok().map(Self);
        }
        faults.error("E005", node.extent, "a whole number is wanted here", None);
        None
    }
}

impl Read for bool {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        if let NodeKind::Scalar(scalar) = &node.kind
            && let Meaning::Bool(flag) = scalar.meaning
        {
            return Some(flag);
        }
        let message = format!("`true` or `false` is wanted here, not {}", node.describe());
        faults.error("E004", node.extent, message, None);
        None
    }
}

/// A time of day: `"09:30"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock(pub(crate) civil::Time);

schema!(Clock, "TimeOfDay", {
    "type": "string",
    "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$",
    "description": "A time of day on a 24-hour clock: \"09:30\"."
});

impl Read for Clock {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let time = text
            .split_once(':')
            .filter(|(hour, minute)| digits(hour) && digits(minute))
            .and_then(|(hour, minute)| {
                civil::Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
            });
        if time.is_none() {
            let message = format!("`{}` is not a time of day", shorten(&text));
            let help = "two digits each, from \"00:00\" to \"23:59\": \"09:30\"".to_owned();
            faults.error("E005", node.extent, message, help);
        }
        time.map(Self)
    }
}

/// A local date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LocalTime(pub(crate) civil::DateTime);

schema!(LocalTime, "LocalDateTime", {
    "type": "string",
    "description": "A date and time on the customer's wall clock: `2026-12-24T18:00`, or a date."
});

impl Read for LocalTime {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        let local = parse_local(&text);
        if local.is_none() {
            let message = format!("`{}` is not a date and time", shorten(&text));
            let help = "write `2026-12-24` or `2026-12-24T18:00`".to_owned();
            faults.error("E005", node.extent, message, help);
        }
        local.map(Self)
    }
}

/// Reads a date, or a date and time, without an offset.
pub(crate) fn parse_local(text: &str) -> Option<civil::DateTime> {
    let text = text.trim();
    let shaped = text.len() <= 32
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'T' | b':' | b'.'));
    if !shaped {
        return None;
    }
    if text.contains('T') {
        text.parse().ok()
    } else {
        text.parse::<civil::Date>().ok().map(|date| date.to_datetime(civil::Time::midnight()))
    }
}

schema!(Zone, "TimeZone", {
    "type": "string",
    "description": "An IANA time zone: `Europe/Amsterdam`."
});

impl Read for Zone {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        let text = word(node, faults)?;
        let zone = Self::parse(&text);
        if zone.is_none() {
            let message = format!("`{}` is not a time zone", shorten(&text));
            let help = "use an IANA name such as `Europe/Amsterdam` or `Asia/Shanghai`".to_owned();
            faults.error("E005", node.extent, message, help);
        }
        zone
    }
}

/// Any value, as events and traits carry them. `None` is nothing (`null`).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Anything(pub(crate) Option<Value>);

schema!(Anything, "Anything", true);

impl Read for Anything {
    fn read(node: &Node, _: &mut Faults<'_>) -> Option<Self> {
        Some(Self(node.to_value()))
    }
}
