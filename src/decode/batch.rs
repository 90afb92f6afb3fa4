//! The body of one request, or one recorded line: its events judged, then encoded for the log.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::cloudevent::Attributes;
use super::content::Content;
use super::item::{Field, Item, SpecialsOnly, Tracks};
use super::json::{self, Fault, Raw, Scanner};
use super::judge::{self, Arrival, Clock, Judged};
use super::record::{Call, Freshness, HEADER_BYTES, Record, Subject};
use super::refusal::{Refusal, Refused};
use super::{instant, shard_of};
use crate::engine::time::Timestamp;

/// Most events taken in one body.
pub const EVENTS_MAX: usize = 2_500;

/// A body read: nothing is lost, nothing is encoded yet.
///
/// A body is one or more JSON values, white space between them. Each is one event, a list of events,
/// or an object with a list `batch` and what holds for all of them.
#[derive(Debug, Default)]
pub struct Body<'a> {
    /// With their index in the body.
    events: Vec<(usize, Result<Judged<'a>, RefusedEvent<'a>>)>,
    not_for_us: usize,
    keys: Vec<Cow<'a, str>>,
    sent: Option<Timestamp>,
    freshness: Freshness,
    seen: usize,
    tracks: Tracks<Option<Field>>,
    /// About how many bytes the records will have.
    record_bytes: usize,
}

/// An event refused, and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEvent<'a> {
    /// Why and where.
    pub refusal: Refusal,
    /// The event as it came.
    pub json: &'a str,
}

/// What a body gives to the log.
#[derive(Debug, Default)]
pub struct Encoded {
    /// Records in the order of the body.
    pub accepted: Vec<Accepted>,
    /// Events that only their time forbids.
    pub refused: Vec<(Refusal, String)>,
    /// Events that claimed to be from the future and count as of now.
    pub ahead: usize,
}

/// A record and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its shard.
    pub home: Home,
    /// Its bytes.
    pub record: Bytes,
}

/// Where a record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// To the shard of its customer.
    Shard(u16),
    /// To every shard.
    Everywhere,
}

impl<'a> Body<'a> {
    /// Reads a body. `path_call` is the call that the address names, for events that do not say.
    ///
    /// # Errors
    /// When the body as a whole cannot be read: not JSON, or too many events.
    pub fn read(bytes: &'a [u8], path_call: Option<Call>) -> Result<Self, Refusal> {
        let mut scanner = Scanner::new(json::text(bytes)?);
        let mut body = Self::default();
        if !scanner.more() {
            return Err(Refusal::new(Refused::MalformedJson, "the body is empty"));
        }
        while scanner.more() {
            if scanner.at_object() {
                body.object(&mut scanner, path_call)?;
            } else if scanner.at_list() {
                scanner.list(|scanner| body.event(scanner, path_call))?;
            } else {
                return Err(not_an_object(&mut scanner));
            }
            if EVENTS_MAX < body.seen {
                let what =
                    format!("at most {EVENTS_MAX} events are taken at once: send smaller batches");
                return Err(Refusal::new(Refused::TooManyEvents, what));
            }
        }
        Ok(body)
    }

    /// The keys by which the sender shows who they are, from the body.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| &**key)
    }

    /// Events that were refused.
    pub fn refused(&self) -> impl Iterator<Item = &RefusedEvent<'a>> {
        self.events.iter().filter_map(|(_, event)| event.as_ref().err())
    }

    /// Events whose sender says that they are not for us.
    pub const fn not_for_us(&self) -> usize {
        self.not_for_us
    }

    /// Events that were not refused and are for us.
    pub fn good(&self) -> usize {
        self.events.iter().filter(|(_, event)| event.is_ok()).count()
    }

    /// Makes records of the good events. `fresh_id` gives an id to an event that has none.
    pub fn encode(
        &mut self,
        arrival: Arrival,
        shards: u16,
        mut fresh_id: impl FnMut() -> String,
    ) -> Encoded {
        let mut encoded = Encoded::default();
        let arrival = match self.freshness {
            Freshness::Live => arrival,
            Freshness::Historical => Arrival { freshness: Freshness::Historical, ..arrival },
        };
        let mut bytes = Vec::with_capacity(self.record_bytes);
        let mut places: Vec<(Home, Range<usize>)> = Vec::with_capacity(self.events.len());
        for (index, event) in &mut self.events {
            let Ok(judged) = event else { continue };
            judged.need_id(&mut fresh_id);
            match judged.settle(arrival, self.sent) {
                Ok((event, clock)) => {
                    let from = bytes.len();
                    encoded.ahead += usize::from(clock == Clock::Ahead);
                    Record::Event(event).encode(&mut bytes);
                    places.push((home_of(event.subject, shards), from..bytes.len()));
                }
                Err(refusal) => {
                    encoded.refused.push((refusal.of_item(*index, 0), judged.json().to_owned()));
                }
            }
        }
        let bytes = Bytes::from(bytes);
        encoded.accepted = places
            .into_iter()
            .map(|(home, range)| Accepted { home, record: bytes.slice(range) })
            .collect();
        encoded
    }

    /// An object at the top: a batch with what holds for all of it, or one event.
    fn object(&mut self, scanner: &mut Scanner<'a>, path_call: Option<Call>) -> Result<(), Fault> {
        let from = scanner.position();
        let mut item = Item::default();
        let mut batches = 0;
        scanner.object(|scanner, key| match key {
            "batch" if scanner.at_list() => {
                batches += 1;
                scanner.list(|scanner| self.event(scanner, path_call))
            }
            "writeKey" | "api_key" | "token" => {
                self.add_key(scanner.value()?);
                Ok(())
            }
            "sent_at" => {
                self.sent = instant::read(scanner.value()?);
                Ok(())
            }
            "historical_migration" => {
                if scanner.value()? == Raw::True {
                    self.freshness = Freshness::Historical;
                }
                Ok(())
            }
            _ => item.lone_member(key, scanner),
        })?;
        if batches == 0 {
            self.judge(&item, scanner.since(from), from, path_call);
        } else if item.has(Field::SentAt) {
            self.sent = instant::read(item.get(Field::SentAt));
        }
        Ok(())
    }

    /// One event of a list.
    fn event(&mut self, scanner: &mut Scanner<'a>, path_call: Option<Call>) -> Result<(), Fault> {
        if EVENTS_MAX < self.seen {
            return scanner.skip();
        }
        let is_object = scanner.at_object();
        let from = scanner.position();
        if is_object {
            let mut item = Item::default();
            item.scan(scanner, &mut SpecialsOnly, &mut self.tracks)?;
            self.judge(&item, scanner.since(from), from, path_call);
        } else {
            scanner.skip()?;
            let what = "an event of a batch must be an object";
            self.refuse(Refusal::new(Refused::NotAnObject, what), scanner.since(from), from);
        }
        Ok(())
    }

    fn judge(&mut self, item: &Item<'a>, json: &'a str, from: usize, path_call: Option<Call>) {
        self.add_key(item.get(Field::PropertyToken));
        match judge::judge(item, json, path_call, &mut Content::default()) {
            Ok(Some(judged)) => {
                self.record_bytes += json.len() + HEADER_BYTES;
                self.events.push((self.seen, Ok(judged)));
                self.seen += 1;
            }
            Ok(None) => {
                self.not_for_us += 1;
                self.seen += 1;
            }
            Err(refusal) => self.refuse(refusal, json, from),
        }
    }

    fn refuse(&mut self, refusal: Refusal, json: &'a str, from: usize) {
        let refusal = refusal.of_item(self.seen, from);
        self.events.push((self.seen, Err(RefusedEvent { refusal, json })));
        self.seen += 1;
    }

    fn add_key(&mut self, raw: Raw<'a>) {
        if let Raw::Text(text) = raw
            && self.keys.len() < KEYS_MAX
        {
            let key = text.decode();
            if !self.keys.contains(&key) {
                self.keys.push(key);
            }
        }
    }
}

/// Different keys looked at in one body.
const KEYS_MAX: usize = 4;

/// Reads recorded lines, one after the other.
#[derive(Debug, Default)]
pub struct Lines(Tracks<Option<Field>>);

impl Lines {
    /// The next line as a record; `None` when its sender says that it is not for us.
    ///
    /// # Errors
    /// When the event is refused.
    pub fn read(
        &mut self,
        bytes: &[u8],
        arrival: Arrival,
        shards: u16,
        fresh_id: impl FnOnce() -> String,
    ) -> Result<Option<Accepted>, Refusal> {
        read_line(bytes, (arrival, shards), fresh_id, &mut self.0)
    }
}

/// One recorded line as a record; `None` when its sender says that it is not for us.
///
/// # Errors
/// When the event is refused.
pub fn line(
    bytes: &[u8],
    arrival: Arrival,
    shards: u16,
    fresh_id: impl FnOnce() -> String,
) -> Result<Option<Accepted>, Refusal> {
    read_line(bytes, (arrival, shards), fresh_id, &mut Tracks::forgetful())
}

fn read_line(
    bytes: &[u8],
    (arrival, shards): (Arrival, u16),
    fresh_id: impl FnOnce() -> String,
    tracks: &mut Tracks<Option<Field>>,
) -> Result<Option<Accepted>, Refusal> {
    let json = json::text(bytes)?;
    let mut scanner = Scanner::new(json);
    if !scanner.at_object() {
        return Err(not_an_object(&mut scanner));
    }
    let mut item = Item::default();
    item.scan(&mut scanner, &mut SpecialsOnly, tracks)?;
    scanner.finish()?;
    let content = &mut Content::default();
    let Some(mut judged) = judge::judge(&item, json.trim_ascii(), None, content)? else {
        return Ok(None);
    };
    judged.need_id(fresh_id);
    let (event, _) = judged.settle(arrival, None)?;
    let home = home_of(event.subject, shards);
    Ok(Some(Accepted { home, record: Record::Event(event).to_bytes() }))
}

/// Rewrites an event of CloudEvents that came with its attributes in headers into the form that
/// [`Body::read`] takes.
///
/// # Errors
/// When the data is not JSON.
pub fn structured(attributes: Attributes, data: &[u8]) -> Result<String, Refusal> {
    let data = json::text(data)?;
    let mut scanner = Scanner::new(data);
    if scanner.more() {
        scanner.skip()?;
        scanner.finish()?;
    }
    Ok(attributes.into_structured(data))
}

/// Why what follows is not taken: it is another kind of JSON, or none.
pub(super) fn not_an_object(scanner: &mut Scanner<'_>) -> Refusal {
    match scanner.skip() {
        Ok(()) => Refusal::new(Refused::NotAnObject, "an event must be a JSON object"),
        Err(fault) => fault.into(),
    }
}

fn home_of(subject: Subject<'_>, shards: u16) -> Home {
    match subject {
        Subject::Customer(customer) => Home::Shard(shard_of(customer, shards)),
        Subject::Everyone => Home::Everywhere,
    }
}
