//! Typed values of properties and traits, owned in state and borrowed in flight.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::text::Text;

/// A value kept in a customer's state. JSON `null` is not a value: it clears what stood there.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Num(f64),
    /// A text.
    Str(Text),
    /// A list.
    List(Box<[Self]>),
    /// An object, sorted by key, each key once.
    Map(Box<[(Box<str>, Self)]>),
}

impl Value {
    /// A borrowed view.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Bool(flag) => ValueRef::Bool(*flag),
            Self::Num(number) => ValueRef::Num(*number),
            Self::Str(text) => ValueRef::Str(text),
            Self::List(items) => ValueRef::List(items),
            Self::Map(fields) => ValueRef::Map(fields),
        }
    }
}

/// A value looked at, wherever it is kept. `Missing` is what a name without a value gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// Nothing is known under that name.
    Missing,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Num(f64),
    /// A text.
    Str(&'a str),
    /// A list.
    List(&'a [Value]),
    /// An object, sorted by key.
    Map(&'a [(Box<str>, Value)]),
}

impl<'a> ValueRef<'a> {
    /// The member `key` of an object; `Missing` for everything else.
    pub fn member(self, key: &str) -> Self {
        match self {
            Self::Map(fields) => fields
                .binary_search_by(|(name, _)| (**name).cmp(key))
                .ok()
                .and_then(|index| fields.get(index))
                .map_or(Self::Missing, |(_, value)| value.as_ref()),
            _ => Self::Missing,
        }
    }

    /// Follows a path of members.
    pub fn at(self, path: &[Box<str>]) -> Self {
        path.iter().fold(self, |value, key| value.member(key))
    }

    /// How the value of an object (`per`, `same`) is written: texts as they are, numbers and truth
    /// values in their shortest form; missing values, lists and objects name nothing.
    pub fn to_name(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Str(text) => Some(Cow::Borrowed(text)),
            Self::Num(number) => Some(Cow::Owned(number.to_string())),
            Self::Bool(flag) => Some(Cow::Borrowed(if flag { "true" } else { "false" })),
            Self::Missing | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// An owned copy; `None` when missing.
    pub fn to_value(self) -> Option<Value> {
        Some(match self {
            Self::Missing => return None,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Num(number) => Value::Num(number),
            Self::Str(text) => Value::Str(text.into()),
            Self::List(items) => Value::List(items.into()),
            Self::Map(fields) => Value::Map(fields.into()),
        })
    }

    /// Whether nothing is known.
    pub fn is_missing(self) -> bool {
        matches!(self, Self::Missing)
    }

    /// Order of two values of one kind (numbers, texts); `None` when they cannot be compared.
    pub fn order(self, other: ValueRef<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Num(left), ValueRef::Num(right)) => left.partial_cmp(&right),
            (Self::Str(left), ValueRef::Str(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    /// Equality of two values of one kind; `None` when the kinds differ or one is missing.
    pub fn equals(self, other: ValueRef<'_>) -> Option<bool> {
        match (self, other) {
            (Self::Bool(left), ValueRef::Bool(right)) => Some(left == right),
            (Self::Num(left), ValueRef::Num(right)) => {
                left.partial_cmp(&right).map(Ordering::is_eq)
            }
            (Self::Str(left), ValueRef::Str(right)) => Some(left == right),
            (Self::List(left), ValueRef::List(right)) => Some(left == right),
            (Self::Map(left), ValueRef::Map(right)) => Some(left == right),
            _ => None,
        }
    }
}

/// A property of an event in flight: borrowed from the bytes where it can be.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Property<'a> {
    /// The event does not carry it.
    #[default]
    Missing,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Num(f64),
    /// A text without escapes, borrowed.
    Str(&'a str),
    /// A text with escapes, a list or an object.
    Owned(Value),
}

impl Property<'_> {
    /// A borrowed view.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::Missing => ValueRef::Missing,
            Self::Bool(flag) => ValueRef::Bool(*flag),
            Self::Num(number) => ValueRef::Num(*number),
            Self::Str(text) => ValueRef::Str(text),
            Self::Owned(value) => value.as_ref(),
        }
    }
}
