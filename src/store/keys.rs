//! Keys of the store: how things are found, by whom, and newest first.

use crate::engine::time::Timestamp;

use super::Error;

/// Keys of `meta`.
pub(super) const FORMAT: &str = "format";
pub(super) const SHARDS: &str = "shards";
pub(super) const INSTANCE: &str = "instance";
pub(super) const DEAD_LETTERS_DROPPED: &str = "dead_letters_dropped";
pub(super) const ERASED_SINCE_COMPACTION: &str = "erased_since_compaction";

/// Where a shard's mark stands in `meta`.
pub(super) fn mark(shard: u16) -> String {
    format!("mark/{shard:05}")
}

/// Where `meta` says up to where a shard's part of the changelog is in the store.
pub(super) fn changelog(shard: u16) -> String {
    format!("changelog/{shard:05}")
}

/// Where the counts of a trigger stand in `meta`; each shard has its own.
pub(super) fn funnel(shard: u16, trigger: &str) -> String {
    format!("funnel/{shard:05}/{trigger}")
}

/// What all keys of a shard's funnels begin with.
pub(super) fn funnels(shard: u16) -> String {
    format!("funnel/{shard:05}/")
}

/// A customer within a shard.
pub(super) fn customer(shard: u16, id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + id.len());
    put_customer(&mut key, shard, id);
    key
}

/// The same in place of what stood there.
pub(super) fn put_customer(key: &mut Vec<u8>, shard: u16, id: &str) {
    key.clear();
    key.extend_from_slice(&shard.to_be_bytes());
    key.extend_from_slice(id.as_bytes());
}

/// Bytes of a place in an order by time: the time turned round, so that the newest comes first,
/// then the id.
pub(super) const PLACE_BYTES: usize = 24;

/// A place in an order by time, newest first.
pub(super) type Place = [u8; PLACE_BYTES];

/// The place of something.
pub(super) fn place(at: Timestamp, id: &[u8; 16]) -> Place {
    let mut place = [0; PLACE_BYTES];
    let (left, right) = place.split_at_mut(8);
    left.copy_from_slice(&newest_first(at).to_be_bytes());
    right.copy_from_slice(id);
    place
}

/// The time of a place.
pub(super) fn time_of(place: &Place) -> Timestamp {
    let (time, _) = place.split_at(8);
    let turned = time.try_into().map_or(u64::MAX, u64::from_be_bytes);
    Timestamp::from_millis(i64::try_from(u64::MAX - turned).unwrap_or(i64::MAX))
}

/// The id of a place.
pub(super) fn id_of(place: &Place) -> [u8; 16] {
    let (_, id) = place.split_at(8);
    id.try_into().unwrap_or_default()
}

fn newest_first(at: Timestamp) -> u64 {
    u64::MAX - u64::try_from(at.as_millis()).unwrap_or(0)
}

/// Something of one customer, by place. Ids hold no control characters, so the zero ends them.
pub(super) fn of_customer(customer: &str, place: &Place) -> Vec<u8> {
    let mut key = owned_by(customer);
    key.extend_from_slice(place);
    key
}

/// What all keys of one customer's things begin with.
pub(super) fn owned_by(customer: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(customer.len() + 1 + PLACE_BYTES);
    key.extend_from_slice(customer.as_bytes());
    key.push(0);
    key
}

/// The place at the end of a key.
pub(super) fn place_of(key: &[u8]) -> Option<Place> {
    key.last_chunk().copied()
}

/// A place as a cursor.
pub(super) fn cursor(place: &Place) -> String {
    place.iter().fold(String::with_capacity(2 * PLACE_BYTES), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
        text
    })
}

/// The place that a cursor stands for.
pub(super) fn parse_cursor(text: &str) -> Result<Place, Error> {
    let refused = || Error::Cursor(text.chars().take(64).collect());
    let mut place = [0; PLACE_BYTES];
    let digits = text.as_bytes();
    if digits.len() != 2 * PLACE_BYTES {
        return Err(refused());
    }
    for (byte, pair) in place.iter_mut().zip(digits.as_chunks::<2>().0) {
        let pair = std::str::from_utf8(pair).map_err(|_| refused())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| refused())?;
    }
    Ok(place)
}

/// The first key after all that begin with `prefix`; `None` when there is none.
pub(super) fn after_all(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_places_come_first_and_cursors_give_them_back() {
        let at = |millis| place(Timestamp::from_millis(millis), &[7; 16]);
        assert!(at(2_000) < at(1_000));
        assert_eq!(time_of(&at(1_000)), Timestamp::from_millis(1_000));
        assert_eq!(id_of(&at(1_000)), [7; 16]);
        assert_eq!(parse_cursor(&cursor(&at(1_000))).unwrap(), at(1_000));
        for wrong in ["", "zz", &"x".repeat(48), &"é".repeat(24)] {
            assert!(parse_cursor(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_end_of_a_prefix() {
        assert_eq!(after_all(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_all(&[1, 255]), Some(vec![2]));
        assert_eq!(after_all(&[255]), None);
    }
}
