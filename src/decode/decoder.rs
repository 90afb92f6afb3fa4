//! Turns a record of the log into the engine's input: one scan over the bytes, properties borrowed
//! from them, nothing allocated for an event of scalars.

use std::sync::Arc;

use super::content::{Content, Name};
use super::group::{Group, NO_NOTE, Ready, What, Whose};
use super::item::{Field, Item, Tracks};
use super::json::{Fault, Raw, Scanner, text};
use super::judge::{self, Arrival};
use super::record::{Call, Freshness, PreferenceRecord, Record, Subject};
use super::refusal::{Refusal, Refused};
use super::table::{Filling, Tree, Wanted, relend};
use super::traits::{Single, Singles, Traits};
use crate::engine::catalog::Catalog;
use crate::engine::customer::bounded_evidence;
use crate::engine::input::{Body, Input, Preference, Reach, Receipt, View};
use crate::engine::names::Names;
use crate::engine::slot::{ChannelSlot, EventSlot, PurposeSlot, ScoreSlot, TraitSlot};
use crate::engine::time::Timestamp;
use crate::engine::value::{Property, Value};

const PAGE: &str = "Page: ";
const SCREEN: &str = "Screen: ";
/// What a view without a name is called.
const UNNAMED: &str = "(unnamed)";

/// Decodes for one catalog. Each shard has its own, because it reuses its tables.
#[derive(Debug)]
pub struct Decoder {
    tree: Tree,
    tracks: Tracks<Wanted>,
    known_events: usize,
    scores: Box<[Arc<str>]>,
    purposes: Box<[Arc<str>]>,
    channels: Box<[Arc<str>]>,
    // Lent out while an event is decoded, empty in between.
    table: Vec<Property<'static>>,
    properties: usize,
    traits: Traits,
    name: String,
    // The same, for events that are decoded together.
    group: Group<'static>,
}

/// A record decoded: whose it is, and what to give to the engine. It is lent where it was made,
/// because a copy of what was just written in small pieces has to wait for all of them.
#[derive(Debug)]
pub struct Decoded<'d> {
    /// Whose. For [`Subject::Everyone`] the same input goes to every customer of the shard.
    pub subject: Subject<'d>,
    /// When it occurred, where the record says so.
    pub occurred_at: Option<Timestamp>,
    /// What was noted of whose it is; `u32::MAX` for nothing.
    pub note: u32,
    pub(super) input: Input<'d>,
    pub(super) traits: Option<(&'d mut Traits, &'d [Single<'d>])>,
}

impl<'d> Decoded<'d> {
    /// The engine time.
    pub const fn at(&self) -> Timestamp {
        self.input.at
    }

    /// The input. `known` gives the traits that the customer has already: what says nothing new is
    /// left out, and what the sender wants set only once.
    pub fn input<'k>(&mut self, known: impl Fn(TraitSlot) -> Option<&'k Value>) -> &Input<'d> {
        if let (Body::Event(event), Some((traits, singles))) =
            (&mut self.input.body, self.traits.take())
        {
            event.traits = traits.settle(singles, known);
        }
        &self.input
    }
}

impl Decoder {
    /// Prepares the tables for a catalog.
    pub fn new(catalog: &Catalog) -> Self {
        let policy = &catalog.policy;
        let scores: Vec<_> = catalog.scores.iter().map(|score| score.name.clone()).collect();
        Self {
            purposes: policy.purposes.iter().map(|purpose| purpose.name.clone()).collect(),
            channels: policy.channels.iter().map(|channel| channel.name.clone()).collect(),
            ..Self::for_names(&catalog.properties, catalog.events.len(), &scores)
        }
    }

    /// Prepares the tables for property paths, a number of known events, and models: for a catalog
    /// without a policy, so that no preference can be decoded.
    pub fn for_names(properties: &[Arc<str>], known_events: usize, scores: &[Arc<str>]) -> Self {
        Self {
            tree: Tree::new(properties),
            tracks: Tracks::default(),
            known_events,
            scores: scores.into(),
            purposes: Box::default(),
            channels: Box::default(),
            table: Vec::new(),
            properties: properties.len(),
            traits: Traits::default(),
            name: String::new(),
            group: Group::default(),
        }
    }

    /// Decodes a record for the engine time `at` and hands it to `then`.
    ///
    /// # Errors
    /// When the record names a purpose or channel that the policy does not declare, or is damaged.
    pub fn decode<R>(
        &mut self,
        record: &Record<'_>,
        at: Timestamp,
        position: u64,
        names: &mut Names,
        then: impl FnOnce(&mut Decoded<'_>) -> R,
    ) -> Result<R, Refusal> {
        let body = match record {
            Record::Event(event) => {
                let mut scanner = Scanner::new(event.json);
                let (mut item, mut content) = (Item::default(), Content::default());
                return self.with_tables(|decoder, table, traits| {
                    decoder.scan(&mut item, &mut scanner, table)?;
                    content.read(&item, event.shape, event.call)?;
                    let whose = match event.subject {
                        Subject::Customer(customer) => Whose::Customer(customer.into()),
                        Subject::Everyone => Whose::Everyone,
                    };
                    let said = Said { item: &item, content: &content, freshness: event.freshness };
                    let (what, singles) = decoder.what(&said, &whose, (table, traits), names)?;
                    let occurred_at = std::cmp::min(event.occurred_at, at);
                    let id = event.id.into();
                    let note = NO_NOTE;
                    let mut ready =
                        Ready { whose, id, occurred_at, at, position, what, singles, note };
                    Ok(then(&mut ready.decoded(table, traits)))
                });
            }
            Record::Score(score) => Body::Score {
                id: score.id,
                score: self.score(score.model).ok_or_else(|| not_declared("model", score.model))?,
                value: score.value,
            },
            Record::Outcome { outcome, .. } => Body::Outcome(outcome.clone()),
            Record::Receipt(receipt) => Body::Receipt(Receipt {
                id: receipt.id,
                decision: receipt.decision,
                told: receipt.told,
                // What no file declares any more is no reason to pass over a no.
                channel: find(&self.channels, receipt.channel).map(ChannelSlot),
                purpose: find(&self.purposes, receipt.purpose).map(PurposeSlot),
                address: receipt.address,
                text: receipt.text,
            }),
            Record::Desk { note, .. } => Body::Desk(note.clone()),
            Record::Pool { note, .. } => Body::Pool(note.clone()),
            Record::PoolWord { word, .. } => Body::PoolWord(word.clone()),
            Record::Task { instruction, .. } => Body::Task(instruction.clone()),
            Record::Preference { preference, .. } => Body::Preference(self.preference(preference)?),
            Record::Erasure { .. } => Body::Erasure,
            Record::Operation(operation) => Body::Operation(operation.clone()),
            Record::Listing(_) => {
                let what = "an address that is not written to is nothing that customers hear of";
                return Err(Refusal::new(Refused::BadRecord, what));
            }
        };
        let subject = record.subject();
        let (occurred_at, note) = (None, NO_NOTE);
        let input = Input { at, position, body };
        Ok(then(&mut Decoded { subject, occurred_at, note, input, traits: None }))
    }

    /// Decodes one event as its sender wrote it, without a log between: one scan for judgement and
    /// content together. `None` when its sender says that it is not for us. In a replay the engine
    /// time is the time at which it occurred. `fresh_id` gives an id to an event that has none.
    ///
    /// # Errors
    /// When the event is refused.
    pub fn decode_line<R>(
        &mut self,
        line: &[u8],
        (arrival, position): (Arrival, u64),
        fresh_id: impl FnOnce() -> String,
        names: &mut Names,
        then: impl FnOnce(&mut Decoded<'_>) -> R,
    ) -> Result<Option<R>, Refusal> {
        self.with_tables(|decoder, table, traits| {
            let place = (arrival, position);
            let ready = decoder.read_line(line, place, fresh_id, names, (table, traits))?;
            Ok(ready.map(|mut ready| then(&mut ready.decoded(table, traits))))
        })
    }

    /// Decodes events of lines as [`Decoder::decode_line`] does, for engine times and positions of
    /// their own. `fresh_id` gives an id to an event that has none, by its position. The group is
    /// to be given back when it is done with.
    pub fn decode_lines<'a>(
        &mut self,
        lines: impl Iterator<Item = (&'a [u8], (Arrival, u64))>,
        fresh_id: impl Fn(u64) -> String,
        names: &mut Names,
    ) -> Group<'a> {
        let mut group = std::mem::take(&mut self.group).lend(self.properties);
        for (line, place) in lines {
            let fresh_id = || fresh_id(place.1);
            group.add(|tables| self.read_line(line, place, fresh_id, names, tables));
        }
        group
    }

    /// Takes a group back: what it stands in is used again for the next.
    pub fn give_back(&mut self, group: Group<'_>) {
        self.group = group.lend(self.properties);
    }

    /// Reads one event as its sender wrote it.
    fn read_line<'a>(
        &mut self,
        line: &'a [u8],
        (arrival, position): (Arrival, u64),
        fresh_id: impl FnOnce() -> String,
        names: &mut Names,
        (table, traits): (&mut [Property<'a>], &mut Traits),
    ) -> Result<Option<Ready<'a>>, Refusal> {
        let json = text(line)?;
        let mut scanner = Scanner::new(json);
        if !scanner.at_object() {
            return Err(super::batch::not_an_object(&mut scanner));
        }
        let (mut item, mut content) = (Item::default(), Content::default());
        self.scan(&mut item, &mut scanner, table)?;
        scanner.finish()?;
        let Some(mut judged) = judge::judge(&item, json, None, &mut content)? else {
            return Ok(None);
        };
        judged.need_id(fresh_id);
        let (times, _) = judged.times_of(arrival, None)?;
        let (customer, id) = judged.into_names();
        let whose = customer.map_or(Whose::Everyone, Whose::Customer);
        let said = Said { item: &item, content: &content, freshness: arrival.freshness };
        let (what, singles) = self.what(&said, &whose, (table, traits), names)?;
        let at = times.received_at;
        let occurred_at = std::cmp::min(times.occurred_at, at);
        let note = NO_NOTE;
        Ok(Some(Ready { whose, id, occurred_at, at, position, what, singles, note }))
    }

    /// Lends the tables, with every property missing.
    fn with_tables<'a, R>(
        &mut self,
        work: impl FnOnce(&mut Self, &mut [Property<'a>], &mut Traits) -> R,
    ) -> R {
        let mut table: Vec<Property<'a>> = std::mem::take(&mut self.table);
        let mut traits = std::mem::take(&mut self.traits);
        table.resize(self.properties, Property::Missing);
        let worked = work(self, &mut table, &mut traits);
        self.table = relend(table);
        self.traits = traits;
        worked
    }

    fn scan<'a>(
        &mut self,
        item: &mut Item<'a>,
        scanner: &mut Scanner<'a>,
        table: &mut [Property<'a>],
    ) -> Result<(), Fault> {
        item.scan(scanner, &mut Filling { tree: &self.tree, table }, &mut self.tracks)
    }

    /// What an event means to the engine, and the traits that it sets each for itself.
    fn what<'a>(
        &mut self,
        said: &Said<'_, 'a>,
        whose: &Whose<'_>,
        (table, traits): (&mut [Property<'a>], &mut Traits),
        names: &mut Names,
    ) -> Result<(What, Singles<'a>), Refusal> {
        let Said { item, content, freshness } = *said;
        let mut filling = Filling { tree: &self.tree, table };
        if let Some(json) = content.late {
            filling.object(json)?;
        }
        for (name, raw) in &content.beside {
            filling.beside(name, *raw);
        }
        if let Some((model, value)) = content.score(item)?
            && let Some(score) = self.score(&model)
            && !whose.is_everyone()
        {
            return Ok((What::Score { score, value }, Singles::new()));
        }
        let singles = traits.read(content, names)?;
        let (name, view) = self.name(&content.name, names);
        let reach = match freshness {
            _ if whose.is_everyone() => Reach::Broadcast,
            Freshness::Live if item.get(Field::ContextActive) == Raw::False => Reach::Background,
            Freshness::Live => Reach::Live,
            Freshness::Historical => Reach::Historical,
        };
        Ok((What::Event { name, view, reach }, singles))
    }

    fn name(&mut self, name: &Name<'_>, names: &mut Names) -> (Option<EventSlot>, View) {
        match name {
            Name::Nothing => (None, View::Other),
            Name::Event(name) => {
                let view = if name.starts_with(PAGE) || name.starts_with(SCREEN) {
                    View::Page
                } else {
                    View::Other
                };
                (Some(names.event(name)), view)
            }
            Name::View { call, name, path } => {
                let prefix = if *call == Call::Screen { SCREEN } else { PAGE };
                let slot = match (name, path) {
                    (Some(name), _) => names.event(self.compose(prefix, name)),
                    // Paths are many, so one that no file refers to makes no name of its own.
                    (None, Raw::Text(path)) => {
                        let known = self.known_events;
                        let slot = names.find_event(self.compose(prefix, &path.decode()));
                        slot.filter(|slot| slot.index() < known)
                            .unwrap_or_else(|| names.event(self.compose(prefix, UNNAMED)))
                    }
                    (None, _) => names.event(self.compose(prefix, UNNAMED)),
                };
                (Some(slot), View::Page)
            }
        }
    }

    fn compose(&mut self, prefix: &str, name: &str) -> &str {
        self.name.clear();
        self.name.push_str(prefix);
        self.name.push_str(name);
        &self.name
    }

    fn preference(&self, preference: &PreferenceRecord<'_>) -> Result<Preference, Refusal> {
        let purpose = |name: &str| {
            find(&self.purposes, name).map(PurposeSlot).ok_or_else(|| not_declared("purpose", name))
        };
        let channel = |name: &str| {
            find(&self.channels, name).map(ChannelSlot).ok_or_else(|| not_declared("channel", name))
        };
        Ok(match *preference {
            PreferenceRecord::Consent {
                purpose: on,
                channel: by,
                answer,
                source,
                evidence,
                about,
            } => {
                let purpose = on.map(purpose).transpose()?;
                let channel = by.map(channel).transpose()?;
                let (source, evidence) = (source.into(), evidence.and_then(bounded_evidence));
                Preference::Consent { purpose, channel, answer, source, evidence, about }
            }
            PreferenceRecord::Profiling { answer, source, evidence } => {
                let evidence = evidence.and_then(bounded_evidence);
                Preference::Profiling { answer, source: source.into(), evidence }
            }
            PreferenceRecord::PauseUntil(until) => Preference::PauseUntil(until),
            PreferenceRecord::PreferredChannel(by) => {
                Preference::PreferredChannel(by.map(channel).transpose()?)
            }
        })
    }

    fn score(&self, model: &str) -> Option<ScoreSlot> {
        find(&self.scores, model).map(ScoreSlot)
    }
}

/// An event between scan and input.
struct Said<'f, 'a> {
    item: &'f Item<'a>,
    content: &'f Content<'a>,
    freshness: Freshness,
}

fn find(names: &[Arc<str>], name: &str) -> Option<u16> {
    names.iter().position(|known| **known == *name).and_then(|index| u16::try_from(index).ok())
}

fn not_declared(what: &str, name: &str) -> Refusal {
    Refusal::new(Refused::UnknownName, format!("no {what} called `{name}` is declared"))
}
