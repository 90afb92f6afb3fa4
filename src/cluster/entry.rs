//! Changes of a shard as messages of the changelog, and back.

use crate::store::changes::{Change, Kind};

/// What separates the letter of a kind from the id.
const SEPARATOR: u8 = b'/';

/// The key of a change: what is newest under it stands.
pub fn key(change: &Change) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + change.id.len());
    key.push(letter(change.kind));
    if !change.id.is_empty() {
        key.push(SEPARATOR);
        key.extend_from_slice(change.id.as_bytes());
    }
    key
}

/// The change that a message stands for; `None` when it is none that this version knows.
pub fn change(shard: u16, key: &[u8], value: Option<&[u8]>) -> Option<Change> {
    let (letter, rest) = key.split_first()?;
    let id = match rest {
        [] => "",
        [SEPARATOR, id @ ..] => std::str::from_utf8(id).ok()?,
        _ => return None,
    };
    Some(Change {
        shard,
        kind: kind(*letter)?,
        id: id.to_owned(),
        value: value.map(<[u8]>::to_vec),
    })
}

// The letters are in topics: they never change.
const fn letter(kind: Kind) -> u8 {
    match kind {
        Kind::Customer => b'c',
        Kind::Decision => b'd',
        Kind::Outbox => b'o',
        Kind::Task => b't',
        Kind::Message => b'i',
        Kind::Exposure => b'x',
        Kind::Funnel => b'f',
        Kind::Known => b'k',
        Kind::Listed => b'l',
        Kind::Mark => b'm',
    }
}

const fn kind(letter: u8) -> Option<Kind> {
    Some(match letter {
        b'c' => Kind::Customer,
        b'd' => Kind::Decision,
        b'o' => Kind::Outbox,
        b't' => Kind::Task,
        b'i' => Kind::Message,
        b'x' => Kind::Exposure,
        b'f' => Kind::Funnel,
        b'k' => Kind::Known,
        b'l' => Kind::Listed,
        b'm' => Kind::Mark,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_comes_back_as_it_was_written() {
        for (kind, id, written) in [
            (Kind::Customer, "ada/1", "c/ada/1"),
            (Kind::Decision, "0a", "d/0a"),
            (Kind::Outbox, "0a", "o/0a"),
            (Kind::Task, "0a", "t/0a"),
            (Kind::Message, "ada\0fa", "i/ada\0fa"),
            (Kind::Exposure, "ada\0cart", "x/ada\0cart"),
            (Kind::Funnel, "cart", "f/cart"),
            (Kind::Known, "sms\0id:SM1", "k/sms\0id:SM1"),
            (Kind::Listed, "email\0\0fa", "l/email\0\0fa"),
            (Kind::Mark, "", "m"),
        ] {
            for value in [None, Some(b"{}".to_vec())] {
                let told = Change { shard: 3, kind, id: id.to_owned(), value };
                assert_eq!(key(&told), written.as_bytes());
                assert_eq!(change(3, &key(&told), told.value.as_deref()), Some(told));
            }
        }
        // What a later version writes is passed over.
        assert_eq!(change(0, b"z/1", Some(b"")), None);
        assert_eq!(change(0, b"", None), None);
    }
}
