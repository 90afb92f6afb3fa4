//! Texts that state keeps: short ones stand in place.

use std::fmt;
use std::ops::Deref;

/// A text. One of as many bytes as most have stands in place: a customer's locale is looked at with
/// every event and changes often, and the way to another place in memory costs more than the look.
#[derive(Clone)]
pub struct Text(Form);

/// Bytes of a text that stand in place.
const IN_PLACE: usize = 22;

#[derive(Clone)]
enum Form {
    /// So many of these bytes, which are UTF-8; the others are 0.
    InPlace(u8, [u8; IN_PLACE]),
    Elsewhere(Box<str>),
}

impl Text {
    /// Its bytes: to compare them is faster than to compare texts.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Form::InPlace(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Form::Elsewhere(text) => text.as_bytes(),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            // It was a text when it was put there.
            Form::InPlace(..) => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Form::Elsewhere(text) => text,
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut bytes = [0; IN_PLACE];
        let place = bytes.get_mut(..text.len()).zip(u8::try_from(text.len()).ok());
        let Some((place, length)) = place else { return Self(Form::Elsewhere(text.into())) };
        place.copy_from_slice(text.as_bytes());
        Self(Form::InPlace(length, bytes))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        if text.len() <= IN_PLACE { Self::from(&*text) } else { Self(Form::Elsewhere(text.into())) }
    }
}

impl From<std::borrow::Cow<'_, str>> for Text {
    fn from(text: std::borrow::Cow<'_, str>) -> Self {
        match text {
            std::borrow::Cow::Borrowed(text) => Self::from(text),
            std::borrow::Cow::Owned(text) => Self::from(text),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        same_bytes(self.as_bytes(), other.as_bytes())
    }
}

/// Whether two texts are the same. Names and ids are short: what compares them stands where it is
/// needed instead of being called, and takes two looks at each.
#[inline]
pub fn same_bytes(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let eights = |text: &[u8]| Some((*text.first_chunk::<8>()?, *text.last_chunk::<8>()?));
    let fours = |text: &[u8]| Some((*text.first_chunk::<4>()?, *text.last_chunk::<4>()?));
    match one.len() {
        0..4 => one.iter().zip(other).all(|(one, other)| one == other),
        4..8 => fours(one) == fours(other),
        8..=16 => eights(one) == eights(other),
        _ => one == other,
    }
}

impl Eq for Text {}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Value;
    use super::*;

    #[test]
    fn the_same_bytes_are_found_to_be_the_same_and_no_others() {
        for length in 0..40 {
            let text: Vec<u8> = (0..length).collect();
            assert!(same_bytes(&text, &text.clone()));
            assert!(!same_bytes(&text, &[&text[..], b"x"].concat()));
            for place in 0..text.len() {
                let mut other = text.clone();
                other[place] ^= 0x40;
                assert!(!same_bytes(&text, &other), "{length} {place}");
            }
        }
    }

    #[test]
    fn texts_of_any_length_come_back_and_a_value_stays_small() {
        for length in 0..60 {
            let text: String = "aé家".chars().cycle().take(length).collect();
            let kept = [Text::from(&*text), Text::from(text.clone())];
            for kept in &kept {
                assert_eq!((&**kept, kept.as_bytes()), (&*text, text.as_bytes()));
            }
            assert_eq!(kept[0], kept[1]);
            assert_ne!(kept[0], Text::from(format!("{text}.")));
        }
        assert_eq!(size_of::<Value>(), 24);
    }
}
