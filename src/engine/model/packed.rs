//! Signed bytes as hexadecimal text: half the size of a list of numbers, and quick to read.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

use super::TEXT_WEIGHTS_MAX;

const DIGITS: [u8; 16] = *b"0123456789abcdef";

pub(super) fn serialize<S: Serializer>(bytes: &[i8], to: S) -> Result<S::Ok, S::Error> {
    let digit =
        |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    let text: String = bytes
        .iter()
        .flat_map(|byte| {
            let [byte] = byte.to_le_bytes();
            [digit(byte >> 4), digit(byte & 15)]
        })
        .collect();
    to.serialize_str(&text)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Box<[i8]>, D::Error> {
    from.deserialize_str(Hex)
}

struct Hex;

impl Visitor<'_> for Hex {
    type Value = Box<[i8]>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("weights in hexadecimal")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if 2 * TEXT_WEIGHTS_MAX < text.len() {
            return Err(E::custom(format!("at most {TEXT_WEIGHTS_MAX} weights are allowed")));
        }
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let pair = |[high, low]: &[u8; 2]| Some(nibble(*high)? << 4 | nibble(*low)?);
        let bytes: Option<Box<[i8]>> =
            pairs.iter().map(|digits| pair(digits).map(|byte| i8::from_le_bytes([byte]))).collect();
        match bytes {
            Some(bytes) if rest.is_empty() => Ok(bytes),
            Some(_) | None => Err(E::custom("the weights are not hexadecimal")),
        }
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
