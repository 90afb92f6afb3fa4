//! What one flush writes: a head with a table of parts, one for each shard, and the parts. All of
//! it counts or none: a sum at the front tells.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::super::Error;
use crate::engine::time::Timestamp;

/// Length and sum.
pub(super) const PREFIX_BYTES: usize = 4 + SUM_BYTES;
/// Bytes of the sum that are kept: enough to tell a torn write.
const SUM_BYTES: usize = 8;
/// Version and number of parts.
const HEAD_BYTES: usize = 1 + 2;
/// Shard, first position, count, time, bytes.
const PART_BYTES: usize = 2 + 8 + 4 + 8 + 4;
/// Version of the layout.
const VERSION: u8 = 1;
/// Blocks begin at a multiple of this in memory.
const PAGE_BYTES: usize = 4_096;
/// Largest block, in bytes, beyond which a length is taken for damage.
pub(super) const BLOCK_BYTES_MAX: usize = 1 << 30;

/// One shard's part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) shard: u16,
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) appended_at: Timestamp,
    /// Where its records are in the block.
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Part {
    /// Position of its last record.
    pub(super) fn last(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count)).saturating_sub(1)
    }
}

/// A part that is being built.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) shard: u16,
    pub(super) first: u64,
    pub(super) count: u32,
    pub(super) appended_at: Timestamp,
    records: Vec<Bytes>,
    bytes: usize,
}

impl Draft {
    /// An empty one behind a position.
    pub(super) const fn new(shard: u16, behind: u64, appended_at: Timestamp) -> Self {
        let first = behind.saturating_add(1);
        Self { shard, first, count: 0, appended_at, records: Vec::new(), bytes: 0 }
    }

    /// Adds records: the positions of the first and the last.
    pub(super) fn add(&mut self, records: &[Bytes]) -> (u64, u64) {
        let first = self.last().saturating_add(u64::from(!records.is_empty()));
        for record in records {
            self.count = self.count.saturating_add(1);
            self.bytes = self.bytes.saturating_add(4).saturating_add(record.len());
            // Not copied: it shares the bytes.
            self.records.push(record.clone());
        }
        (first, self.last())
    }

    pub(super) fn last(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count)).saturating_sub(1)
    }
}

/// Bytes that a block takes in a file whose blocks begin at multiples of something.
pub(super) const fn padded(length: usize, aligned: usize) -> usize {
    PREFIX_BYTES.saturating_add(length).next_multiple_of(aligned)
}

/// Drafts as one block, padded with zeros, in a buffer; says where in it the block begins, so that
/// disks can take it as it lies in memory.
///
/// # Errors
/// When it would be too large.
pub(super) fn write(
    drafts: &[Draft],
    aligned: usize,
    buffer: &mut BytesMut,
) -> Result<usize, Error> {
    let size = drafts.iter().map(|draft| PART_BYTES + draft.bytes).sum::<usize>();
    let size = size.saturating_add(PREFIX_BYTES + HEAD_BYTES);
    let too_large = || Error::Storage("records of more than a gibibyte at once".to_owned());
    if BLOCK_BYTES_MAX < size {
        return Err(too_large());
    }
    let number = |size: usize| u32::try_from(size).map_err(|_| too_large());
    let all = padded(size - PREFIX_BYTES, aligned);
    buffer.clear();
    buffer.reserve(all + PAGE_BYTES);
    // It does not move any more: there is room.
    let from = buffer.as_ptr().align_offset(PAGE_BYTES).min(PAGE_BYTES);
    buffer.resize(from, 0);
    buffer.put_u32_le(number(size - PREFIX_BYTES)?);
    buffer.put_bytes(0, SUM_BYTES);
    buffer.put_u8(VERSION);
    buffer.put_u16_le(u16::try_from(drafts.len()).map_err(|_| too_large())?);
    for draft in drafts {
        buffer.put_u16_le(draft.shard);
        buffer.put_u64_le(draft.first);
        buffer.put_u32_le(draft.count);
        buffer.put_i64_le(draft.appended_at.as_millis());
        buffer.put_u32_le(number(draft.bytes)?);
    }
    for record in drafts.iter().flat_map(|draft| &draft.records) {
        buffer.put_u32_le(number(record.len())?);
        buffer.extend_from_slice(record);
    }
    let sum = buffer.get(from + PREFIX_BYTES..).map(sum).unwrap_or_default();
    if let Some(place) = buffer.get_mut(from + 4..from + PREFIX_BYTES) {
        place.copy_from_slice(&sum);
    }
    buffer.resize(from + all, 0);
    Ok(from)
}

/// The length of a block behind its prefix, and the sum that it must have.
pub(super) fn prefix(bytes: &[u8]) -> Option<(usize, [u8; SUM_BYTES])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    (length <= BLOCK_BYTES_MAX).then_some((length, *rest.first_chunk()?))
}

/// The sum over what is behind a prefix.
pub(super) fn sum(bytes: &[u8]) -> [u8; SUM_BYTES] {
    let mut sum = [0; SUM_BYTES];
    for (place, byte) in sum.iter_mut().zip(blake3::hash(bytes).as_bytes()) {
        *place = *byte;
    }
    sum
}

/// The parts of a block, given what is behind its prefix.
pub(super) fn parts(block: &[u8]) -> Option<Vec<Part>> {
    let (version, rest) = block.split_first()?;
    let (count, mut table) = rest.split_first_chunk()?;
    let count = usize::from(u16::from_le_bytes(*count));
    let mut from = HEAD_BYTES.checked_add(count.checked_mul(PART_BYTES)?)?;
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let (shard, rest) = table.split_first_chunk()?;
        let (first, rest) = rest.split_first_chunk()?;
        let (records, rest) = rest.split_first_chunk()?;
        let (millis, rest) = rest.split_first_chunk()?;
        let (bytes, rest) = rest.split_first_chunk()?;
        table = rest;
        let to = from.checked_add(usize::try_from(u32::from_le_bytes(*bytes)).ok()?)?;
        parts.push(Part {
            shard: u16::from_le_bytes(*shard),
            first: u64::from_le_bytes(*first),
            count: u32::from_le_bytes(*records),
            appended_at: Timestamp::from_millis(i64::from_le_bytes(*millis)),
            from,
            to,
        });
        from = to;
    }
    (*version == VERSION && from == block.len()).then_some(parts)
}

/// The first of some records, and what is behind it.
pub(super) fn record(records: &Bytes) -> Option<(Bytes, Bytes)> {
    let length = usize::try_from(u32::from_le_bytes(*records.first_chunk()?)).ok()?;
    let end = length.checked_add(4)?;
    (end <= records.len()).then(|| (records.slice(4..end), records.slice(end..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gives_back_what_it_was_made_of_and_shows_every_flipped_bit() {
        let at = Timestamp::from_millis(7);
        let mut first = Draft::new(0, 4, at);
        assert_eq!(first.add(&[Bytes::from_static(b"ab"), Bytes::from_static(b"")]), (5, 6));
        assert_eq!(first.add(&[]), (6, 6));
        let mut second = Draft::new(3, 0, at);
        second.add(&[Bytes::from_static(b"xyz")]);
        let mut buffer = BytesMut::new();
        let from = write(&[first, second], 512, &mut buffer).unwrap();
        let padded_block = &buffer[from..];
        assert_eq!(padded_block.as_ptr().align_offset(PAGE_BYTES), 0);
        assert_eq!(padded_block.len(), 512);
        let (length, _) = prefix(padded_block).unwrap();
        assert_eq!(padded(length, 512), 512);
        assert!(padded_block[PREFIX_BYTES + length..].iter().all(|byte| *byte == 0));
        let block = &padded_block[..padded(length, 1)];
        let (length, expected) = prefix(block).unwrap();
        assert_eq!((length, expected), (block.len() - PREFIX_BYTES, sum(&block[PREFIX_BYTES..])));
        let found = parts(&block[PREFIX_BYTES..]).unwrap();
        let told: Vec<_> = found.iter().map(|part| (part.shard, part.first, part.last())).collect();
        assert_eq!(told, [(0, 5, 6), (3, 1, 1)]);
        let whole = Bytes::from(block[PREFIX_BYTES..].to_vec());
        let (one, rest) = record(&whole.slice(found[0].from..found[0].to)).unwrap();
        assert_eq!((&one[..], record(&rest).unwrap().0.len()), (&b"ab"[..], 0));
        for bit in 0..(block.len() - PREFIX_BYTES) * 8 {
            let mut damaged = block[PREFIX_BYTES..].to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(sum(&damaged), expected, "{bit}");
        }
        for cut in 0..whole.len() {
            assert_eq!(parts(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(record(&Bytes::from_static(&[255, 255, 255, 255, 0])), None);
    }
}
