//! A message as it came, kept beside what was made of it: one that is refused goes back unchanged.

use std::convert::Infallible;

use minicbor::data::Type;
use minicbor::decode::Error as Damaged;
use minicbor::{Decoder, Encoder};

use super::output::Message;

/// Where a message's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'v> {
    /// It is the record.
    Record,
    /// It is what stands in the record behind so many bytes of ours.
    Behind(usize),
    /// The record was made of it.
    Own(&'v [u8]),
}

/// Writes what a message was, beside its record, into `packed`; nothing where that is all.
pub(super) fn pack(
    packed: &mut Vec<u8>,
    key: Option<&[u8]>,
    value: Value<'_>,
    headers: &[(&str, &[u8])],
) {
    let key = key.unwrap_or_default();
    if key.is_empty() && value == Value::Record && headers.is_empty() {
        return;
    }
    // Writing into memory does not fail.
    write(&mut Encoder::new(packed), key, value, headers).unwrap_or_default();
}

fn write(
    packed: &mut Encoder<&mut Vec<u8>>,
    key: &[u8],
    value: Value<'_>,
    headers: &[(&str, &[u8])],
) -> Result<(), minicbor::encode::Error<Infallible>> {
    packed.bytes(key)?;
    match value {
        Value::Record => packed.null()?,
        Value::Behind(ours) => packed.u64(ours as u64)?,
        Value::Own(own) => packed.bytes(own)?,
    };
    for (name, value) in headers {
        packed.str(name)?.bytes(value)?;
    }
    Ok(())
}

/// The message that a record was made of.
pub(super) fn unpacked(packed: &[u8], record: &[u8]) -> Message {
    let bare = || Message { value: Some(record.to_vec()), ..Message::default() };
    if packed.is_empty() { bare() } else { read(packed, record).unwrap_or_else(|_| bare()) }
}

fn read(packed: &[u8], record: &[u8]) -> Result<Message, Damaged> {
    let mut packed = Decoder::new(packed);
    let key = packed.bytes()?.to_vec();
    let value = match packed.datatype()? {
        Type::Null => {
            packed.null()?;
            record
        }
        Type::Bytes => packed.bytes()?,
        _ => {
            let ours = usize::try_from(packed.u64()?).map_err(Damaged::message)?;
            record.get(ours..).unwrap_or_default()
        }
    };
    let mut headers = Vec::new();
    while packed.position() < packed.input().len() {
        headers.push((packed.str()?.to_owned(), packed.bytes()?.to_vec()));
    }
    Ok(Message { key, value: Some(value.to_vec()), headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(key: Option<&[u8]>, value: Value<'_>, headers: &[(&str, &[u8])]) -> Vec<u8> {
        let mut packed = Vec::new();
        pack(&mut packed, key, value, headers);
        packed
    }

    #[test]
    fn a_message_comes_back_as_it_was() {
        let long = vec![7_u8; 70_000];
        let headers: [(&str, &[u8]); 3] = [("trace", b"\xFFt1"), ("trace", b""), ("long", &long)];
        for (key, value, came) in [
            (Some(b"\xFFada".as_slice()), Value::Record, b"judged{}".as_slice()),
            (Some(b"ada".as_slice()), Value::Behind(6), b"{}".as_slice()),
            (None, Value::Own(&long), &long),
            (None, Value::Record, b"judged{}".as_slice()),
        ] {
            for count in 0..=headers.len() {
                let packed = packed(key, value, &headers[..count]);
                let own = headers[..count].iter();
                let expected = Message {
                    key: key.unwrap_or_default().to_vec(),
                    value: Some(came.to_vec()),
                    headers: own
                        .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
                        .collect(),
                };
                assert_eq!(unpacked(&packed, b"judged{}"), expected);
            }
        }
        assert!(packed(None, Value::Record, &[]).is_empty(), "it costs nothing");
    }
}
