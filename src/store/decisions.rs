//! Decisions: by id, of one customer, or of all, newest first.

use std::collections::BTreeSet;

use super::commit::from_json;
use super::record::DecisionRecord;
use super::{Error, Page, Store, keys};
use crate::decode::shard_of;
use crate::engine::id::DecisionId;
use crate::engine::time::Timestamp;

/// Lines looked at for one page; past it a page is given out short.
pub const SCAN_MAX: usize = 20_000;

/// Which decisions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionFilter {
    /// Of this customer.
    pub customer: Option<String>,
    /// Of this trigger.
    pub trigger: Option<String>,
    /// With this verdict.
    pub verdict: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// First decided at or after this.
    pub since: Option<Timestamp>,
    /// First decided before this.
    pub until: Option<Timestamp>,
    /// Of customers of these shards; of all without.
    pub shards: Option<BTreeSet<u16>>,
}

impl Store {
    /// One decision.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn decision(&self, id: DecisionId) -> Result<Option<DecisionRecord>, Error> {
        let Some(key) = self.spaces.decision_ids.get(id.as_bytes())? else { return Ok(None) };
        let value = self.spaces.decisions.get(&key)?;
        value.map(|value| read(&key, &value)).transpose()
    }

    /// A page of decisions, newest first.
    ///
    /// # Errors
    /// When the cursor is none of this list, or the store cannot be read.
    pub fn decisions(
        &self,
        filter: &DecisionFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<DecisionRecord>, Error> {
        let bounds = Bounds::of(filter, after)?;
        match &filter.customer {
            Some(customer) => self.decisions_of(customer, filter, &bounds, limit),
            None => self.all_decisions(filter, &bounds, limit),
        }
    }

    fn decisions_of(
        &self,
        customer: &str,
        filter: &DecisionFilter,
        bounds: &Bounds,
        limit: usize,
    ) -> Result<Page<DecisionRecord>, Error> {
        let from = keys::of_customer(customer, &bounds.first);
        let to = keys::of_customer(customer, &bounds.last);
        let mut collector = Collector::new(limit);
        for guard in self.spaces.decisions.range(from..=to) {
            let (key, value) = guard.into_inner()?;
            let Some(place) = keys::place_of(&key) else { continue };
            if bounds.is_cursor(&place) {
                continue;
            }
            if collector.is_full() {
                return Ok(collector.more());
            }
            let record = read(&key, &value)?;
            let line = IndexLine::of(&record);
            let passes = line.passes(filter, self.shards());
            collector.look(place, passes.then_some(record));
        }
        Ok(collector.last())
    }

    fn all_decisions(
        &self,
        filter: &DecisionFilter,
        bounds: &Bounds,
        limit: usize,
    ) -> Result<Page<DecisionRecord>, Error> {
        let mut collector = Collector::new(limit);
        for guard in self.spaces.decisions_by_time.range(bounds.first..=bounds.last) {
            let (key, value) = guard.into_inner()?;
            let Some(place) = keys::place_of(&key) else { continue };
            if bounds.is_cursor(&place) {
                continue;
            }
            if collector.is_full() {
                return Ok(collector.more());
            }
            let line = IndexLine::parse(&value);
            let found = match line.filter(|line| line.passes(filter, self.shards())) {
                Some(line) => {
                    let key = keys::of_customer(line.customer, &place);
                    let value = self.spaces.decisions.get(&key)?;
                    value.map(|value| read(&key, &value)).transpose()?
                }
                None => None,
            };
            collector.look(place, found);
        }
        Ok(collector.last())
    }

    /// Drops decisions that were made before a time, oldest first, at most so many; says how many
    /// went. Those that still wait are kept.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prune_decisions(&self, before: Timestamp, count_max: usize) -> Result<usize, Error> {
        let mut write = self.db.batch();
        let mut dropped = 0;
        let oldest = keys::place(before, &[u8::MAX; 16]);
        // From the oldest on: the order is newest first.
        for guard in self.spaces.decisions_by_time.range(oldest..).rev().take(count_max) {
            let (key, value) = guard.into_inner()?;
            let Some(place) = keys::place_of(&key) else { continue };
            if keys::time_of(&place) >= before {
                break;
            }
            let Some(line) = IndexLine::parse(&value) else { continue };
            if line.verdict == "deferred" {
                continue;
            }
            write.remove(&self.spaces.decisions, keys::of_customer(line.customer, &place));
            write.remove(&self.spaces.decision_ids, keys::id_of(&place));
            write.remove(&self.spaces.decisions_by_time, key);
            dropped += 1;
        }
        self.guarded(|| write.commit())?;
        Ok(dropped)
    }
}

/// Whether a customer belongs to one of these shards, of so many there are.
pub(super) fn is_in(these: Option<&BTreeSet<u16>>, customer: &str, shards: u16) -> bool {
    these.is_none_or(|these| these.contains(&shard_of(customer, shards)))
}

/// A stored decision.
pub(super) fn read(key: &[u8], value: &[u8]) -> Result<DecisionRecord, Error> {
    from_json("the decision", key, value)
}

/// What a filter looks at, so that what does not pass need not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IndexLine<'a> {
    pub(super) customer: &'a str,
    trigger: &'a str,
    verdict: &'a str,
    reason: &'a str,
}

impl<'a> IndexLine<'a> {
    pub(super) fn of(record: &'a DecisionRecord) -> Self {
        Self {
            customer: &record.customer,
            trigger: &record.trigger,
            verdict: &record.verdict,
            reason: record.reason.as_deref().unwrap_or_default(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // None of them holds control characters.
        [self.customer, self.trigger, self.verdict, self.reason].join("\0").into_bytes()
    }

    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut parts = std::str::from_utf8(bytes).ok()?.split('\0');
        let customer = parts.next()?;
        let (trigger, verdict) = (parts.next()?, parts.next()?);
        Some(Self { customer, trigger, verdict, reason: parts.next().unwrap_or_default() })
    }

    fn passes(&self, filter: &DecisionFilter, shards: u16) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted == found)
        };
        is(&filter.trigger, self.trigger)
            && is(&filter.verdict, self.verdict)
            && is(&filter.reason, self.reason)
            && is_in(filter.shards.as_ref(), self.customer, shards)
    }
}

/// The stretch of an order by time that a page may come from.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) first: keys::Place,
    pub(super) last: keys::Place,
    cursor: Option<keys::Place>,
}

impl Bounds {
    pub(super) fn of(filter: &DecisionFilter, after: Option<&str>) -> Result<Self, Error> {
        let cursor = after.map(keys::parse_cursor).transpose()?;
        // Newest first: what is before `until` begins one millisecond earlier.
        let newest = filter.until.map_or([0; keys::PLACE_BYTES], |until| {
            keys::place(until - crate::engine::time::Span::from_millis(1), &[0; 16])
        });
        let oldest = filter
            .since
            .map_or([u8::MAX; keys::PLACE_BYTES], |since| keys::place(since, &[u8::MAX; 16]));
        let first = cursor.map_or(newest, |cursor| cursor.max(newest));
        Ok(Self { first, last: oldest.max(first), cursor })
    }

    pub(super) fn is_cursor(&self, place: &keys::Place) -> bool {
        self.cursor.as_ref() == Some(place)
    }
}

/// Fills a page.
pub(super) struct Collector<T> {
    items: Vec<T>,
    limit: usize,
    looked_at: usize,
    last: Option<keys::Place>,
}

impl<T> Collector<T> {
    pub(super) fn new(limit: usize) -> Self {
        Self { items: Vec::new(), limit: limit.max(1), looked_at: 0, last: None }
    }

    pub(super) fn is_full(&self) -> bool {
        self.limit <= self.items.len() || SCAN_MAX <= self.looked_at
    }

    pub(super) fn look(&mut self, place: keys::Place, found: Option<T>) {
        self.looked_at += 1;
        self.last = Some(place);
        self.items.extend(found);
    }

    pub(super) fn more(self) -> Page<T> {
        Page { next: self.last.as_ref().map(keys::cursor), items: self.items }
    }

    pub(super) fn last(self) -> Page<T> {
        Page { items: self.items, next: None }
    }
}
