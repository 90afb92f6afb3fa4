//! Filters of our own, and the bounds on those that come with MiniJinja.

use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter};

use super::super::evaluate::civil_of;
use super::super::time::Zone;
use super::super::value::ValueRef;
use super::context::{LOCALE, ZONE};
use super::locale::{self, Language};

/// Longest text that a filter makes.
const MADE_BYTES_MAX: usize = super::DOCUMENT_BYTES_MAX;
/// Most bytes that one template prints, counting also what it prints into a variable.
const PRINTED_BYTES_MAX: usize = 4 * super::DOCUMENT_BYTES_MAX;

/// All filters that a template can use, sorted.
pub const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "bool",
    "capitalize",
    "count",
    "d",
    "date",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "money",
    "number",
    "percent",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "sum",
    "time",
    "title",
    "trim",
    "truncate",
    "unique",
    "upper",
];

/// All tests (`x is defined`) that a template can use, sorted.
pub const TESTS: &[&str] = &[
    "boolean",
    "defined",
    "divisibleby",
    "endingwith",
    "eq",
    "equalto",
    "escaped",
    "even",
    "false",
    "filter",
    "float",
    "ge",
    "greaterthan",
    "gt",
    "in",
    "int",
    "integer",
    "iterable",
    "le",
    "lessthan",
    "lower",
    "lt",
    "mapping",
    "ne",
    "none",
    "number",
    "odd",
    "safe",
    "sameas",
    "sequence",
    "startingwith",
    "string",
    "test",
    "true",
    "undefined",
    "upper",
];

/// Filters that make much out of little (`slice(1000000000)`) and have no place in a message, and
/// the one that would let what a customer typed into a page unescaped.
const REMOVED: [&str; 9] =
    ["batch", "slice", "format", "indent", "pprint", "zip", "chain", "tojson", "safe"];
/// Functions that do the same, or have none.
const REMOVED_GLOBALS: [&str; 4] = ["range", "namespace", "debug", "dict"];

/// Adds our filters and takes away what cannot be bounded.
pub(super) fn install(env: &mut Environment<'static>) {
    REMOVED.iter().for_each(|name| env.remove_filter(name));
    REMOVED_GLOBALS.iter().for_each(|name| env.remove_global(name));
    env.add_filter("date", date);
    env.add_filter("time", time);
    env.add_filter("percent", percent);
    env.add_filter("money", money);
    env.add_filter("number", number);
    env.add_filter("join", join);
    env.add_filter("replace", replace);
    env.add_filter("truncate", truncate);
    env.set_formatter(print);
}

/// `{{ customer.renews_at | date("d MMM") }}`, in the customer's zone and the text's language.
fn date(state: &State<'_, '_>, value: &Value, pattern: Option<&str>) -> Result<Value, Error> {
    let language = language(state);
    shown_moment(state, value, pattern.unwrap_or(language.date_pattern()), language)
}

/// `{{ event.next_update | time }}`: hours and minutes, in the customer's zone.
fn time(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    shown_moment(state, value, "HH:mm", language(state))
}

fn shown_moment(
    state: &State<'_, '_>,
    value: &Value,
    pattern: &str,
    language: Language,
) -> Result<Value, Error> {
    // What is not known stays so: `default` can still say something else.
    if value.is_undefined() {
        return Ok(value.clone());
    }
    let zone = state.lookup(ZONE).and_then(|zone| Zone::parse(zone.as_str()?));
    let zone = zone.unwrap_or_else(Zone::utc);
    let moment = match value.as_str() {
        Some(text) => civil_of(ValueRef::Str(text), &zone),
        None => plain_number(value).and_then(|number| civil_of(ValueRef::Num(number), &zone)),
    };
    let Some(moment) = moment else {
        return Err(refused(format!("`{value}` is no date or time")));
    };
    locale::write_moment(moment, pattern, language).map(Value::from).map_err(refused)
}

/// `{{ score.churn | percent }}`: 0.74 as `74%`; `percent(1)` shows one decimal.
fn percent(state: &State<'_, '_>, value: &Value, decimals: Option<u8>) -> Result<Value, Error> {
    let language = language(state);
    shown_number(value, |number| language.percent(number, decimals.unwrap_or(0)))
}

/// `{{ event.total | money("EUR") }}`.
fn money(state: &State<'_, '_>, value: &Value, currency: &str) -> Result<Value, Error> {
    let language = language(state);
    shown_number(value, |number| language.money(number, currency))
}

/// `{{ event.points | number }}`: grouped by thousands; `number(2)` shows two decimals, without it
/// at most two.
fn number(state: &State<'_, '_>, value: &Value, decimals: Option<u8>) -> Result<Value, Error> {
    let language = language(state);
    shown_number(value, |number| match decimals {
        Some(decimals) => language.number(number, decimals),
        None => language.short_number(number),
    })
}

fn shown_number(value: &Value, show: impl FnOnce(f64) -> String) -> Result<Value, Error> {
    if value.is_undefined() {
        return Ok(value.clone());
    }
    let number = plain_number(value).or_else(|| value.as_str()?.trim().parse().ok());
    match number.filter(|number: &f64| number.is_finite()) {
        Some(number) => Ok(show(number).into()),
        None => Err(refused(format!("`{value}` is no number"))),
    }
}

fn plain_number(value: &Value) -> Option<f64> {
    value.is_number().then(|| f64::try_from(value.clone()).ok()).flatten()
}

/// `join` of MiniJinja without its options, and with a bound: a long separator between many items
/// must not fill the memory.
fn join(value: &Value, separator: Option<&str>) -> Result<String, Error> {
    let mut made = String::new();
    for (index, item) in value.try_iter()?.enumerate() {
        if 0 < index {
            push(&mut made, separator.unwrap_or(""))?;
        }
        match item.as_str() {
            Some(text) => push(&mut made, text)?,
            None => push(&mut made, &item.to_string())?,
        }
    }
    Ok(made)
}

/// `replace` of MiniJinja with a bound.
fn replace(text: &str, from: &str, to: &str) -> Result<String, Error> {
    let mut made = String::new();
    for (index, part) in text.split(from).enumerate() {
        if 0 < index {
            push(&mut made, to)?;
        }
        push(&mut made, part)?;
    }
    Ok(made)
}

fn push(made: &mut String, part: &str) -> Result<(), Error> {
    if MADE_BYTES_MAX < made.len() + part.len() {
        return Err(refused(format!("a filter makes more than {MADE_BYTES_MAX} bytes")));
    }
    made.push_str(part);
    Ok(())
}

/// `{{ event.summary | truncate(80) }}`: at most so many characters, the last of them an ellipsis
/// if something was cut off.
pub fn truncate(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length.saturating_sub(1)).collect();
    kept.trim_end().to_owned() + "\u{2026}"
}

/// Prints a value. What is printed into a variable (`{% set x %}`) does not pass the bounded
/// writer, so it is counted here.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    #[derive(Debug, Default)]
    struct Printed(usize);

    let printed = state.get_or_insert_extension(Printed::default());
    printed.0 = printed.0.saturating_add(value.as_str().map_or(1, str::len));
    if PRINTED_BYTES_MAX < printed.0 {
        return Err(refused(format!("the text prints more than {PRINTED_BYTES_MAX} bytes")));
    }
    escape_formatter(out, state, value)
}

fn language(state: &State<'_, '_>) -> Language {
    let locale = state.lookup(LOCALE);
    Language::of(locale.as_ref().and_then(Value::as_str).unwrap_or(""))
}

fn refused(why: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, why)
}
