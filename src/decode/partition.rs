//! Which shard owns a customer: the partition that Kafka's own clients would choose for the key.

use super::record::Subject;
use super::refusal::{Refusal, Refused};

/// A partition that others write to: what lies in it may belong elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its number, from 0.
    pub number: u16,
    /// How many there are.
    pub of: u16,
}

impl Partition {
    /// Checks that an event lies where its customer belongs: the owner of this partition must not
    /// know customers whose state another owns. What is about everyone belongs in no partition: its
    /// owner alone would hear of it.
    ///
    /// # Errors
    /// When it belongs elsewhere.
    #[inline]
    pub fn check(self, subject: Subject<'_>) -> Result<(), Refusal> {
        match subject {
            Subject::Customer(customer) => match shard_of(customer, self.of) {
                home if home == self.number => Ok(()),
                home => Err(self.misplaced(customer, home)),
            },
            Subject::Everyone => Err(self.half_heard()),
        }
    }

    #[cold]
    fn misplaced(self, customer: &str, home: u16) -> Refusal {
        let Self { number, of } = self;
        let what = format!(
            "it came in partition {number} of {of}, and customer `{customer}` belongs in \
             partition {home}: producers must use the customer's id as key and the partitioner \
             `murmur2` (Java's default; `partitioner=murmur2_random` of librdkafka)"
        );
        Refusal::new(Refused::WrongPartition, what)
    }

    #[cold]
    fn half_heard(self) -> Refusal {
        let Self { number, of } = self;
        let what = format!(
            "it is about everyone and came in partition {number} of {of}, which a part of the \
             customers belong to: send it over HTTP, or through a topic of `kafka.sources`"
        );
        Refusal::new(Refused::BroadcastInPartition, what)
    }
}

/// The shard that owns a customer, from 0.
///
/// `murmur2` of the id's bytes, made positive, modulo the number of shards: what Kafka's Java client
/// does by default, and librdkafka as `murmur2_random`. So one machine and a cluster agree about
/// shards, and any producer that keys its events by customer puts them where they belong. Stores on
/// disk and topics depend on it: it never changes.
pub fn shard_of(customer: &str, shards: u16) -> u16 {
    let positive = murmur2(customer.as_bytes()) & 0x7FFF_FFFF;
    u16::try_from(positive % u32::from(shards.max(1))).unwrap_or_default()
}

/// Austin Appleby's `MurmurHash2` for 32 bits, with the seed that Kafka uses.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_B28C;
    const MIX: u32 = 0x5BD1_E995;
    let mix = |word: u32| {
        let word = word.wrapping_mul(MIX);
        (word ^ (word >> 24)).wrapping_mul(MIX)
    };
    // Ids are far shorter than four gigabytes; the hash counts their bytes in 32 bits.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = words
        .iter()
        .fold(SEED ^ length, |hash, word| hash.wrapping_mul(MIX) ^ mix(u32::from_le_bytes(*word)));
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, byte| (tail << 8) | u32::from(*byte));
        hash = (hash ^ tail).wrapping_mul(MIX);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(MIX);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_java_client() {
        // The vectors of Kafka's own test of its `Utils.murmur2`.
        let known = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ];
        for (text, hash) in known {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn an_event_that_lies_elsewhere_is_told_where_it_belongs() {
        let here = |number| Partition { number, of: 8 }.check(Subject::Customer("a"));
        assert_eq!(here(4), Ok(()));
        let refused = here(5).unwrap_err();
        assert_eq!(refused.reason, Refused::WrongPartition);
        for part in ["partition 5 of 8", "`a` belongs in partition 4", "murmur2"] {
            assert!(refused.to_string().contains(part), "{refused}");
        }
    }

    #[test]
    fn what_is_about_everyone_belongs_in_no_partition() {
        let refused = Partition { number: 0, of: 1 }.check(Subject::Everyone).unwrap_err();
        assert_eq!(refused.reason, Refused::BroadcastInPartition);
        assert!(refused.to_string().contains("send it over HTTP"), "{refused}");
    }

    #[test]
    fn customers_are_shared_out_evenly_and_stay_where_they_are() {
        let homes = ["", "a", "u00040886", "客户"].map(|id| shard_of(id, 8));
        assert_eq!(homes, [1, 4, 4, 1]);
        let mut counts = [0_u32; 8];
        for number in 0..80_000 {
            counts[usize::from(shard_of(&format!("u{number:08}"), 8))] += 1;
        }
        assert!(counts.iter().all(|count| (9_500..10_500).contains(count)), "{counts:?}");
        assert_eq!(shard_of("a", 1), 0);
    }
}
