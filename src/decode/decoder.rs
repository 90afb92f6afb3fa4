//! Turns a record of the log into the engine's input: one scan over the bytes, properties borrowed
//! from them, nothing allocated for an event of scalars.

use std::sync::Arc;

use super::content::{Content, Name};
use super::item::{Field, Item, Tracks};
use super::json::{Fault, Raw, Scanner, text};
use super::judge::{self, Arrival};
use super::record::{Call, EventRecord, Freshness, PreferenceRecord, Record, Subject};
use super::refusal::{Refusal, Refused};
use super::table::{Filling, Tree, Wanted, relend};
use super::traits::{Single, Traits};
use crate::engine::catalog::Catalog;
use crate::engine::input::{Body, Event, Input, Preference, Reach, View};
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
}

/// A record decoded: whose it is, and what to give to the engine.
#[derive(Debug)]
pub struct Decoded<'d> {
    /// Whose. For [`Subject::Everyone`] the same input goes to every customer of the shard.
    pub subject: Subject<'d>,
    /// When it occurred, where the record says so.
    pub occurred_at: Option<Timestamp>,
    at: Timestamp,
    position: u64,
    body: Body<'d>,
    traits: Option<(&'d mut Traits, &'d [Single<'d>])>,
}

impl<'d> Decoded<'d> {
    /// The input. `known` gives the traits that the customer has already: what says nothing new is
    /// left out, and what the sender wants set only once.
    pub fn input<'k>(self, known: impl Fn(TraitSlot) -> Option<&'k Value>) -> Input<'d> {
        let mut input = Input { at: self.at, position: self.position, body: self.body };
        if let (Body::Event(event), Some((traits, singles))) = (&mut input.body, self.traits) {
            event.traits = traits.settle(singles, known);
        }
        input
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
        then: impl FnOnce(Decoded<'_>) -> R,
    ) -> Result<R, Refusal> {
        let body = match record {
            Record::Event(event) => {
                let mut scanner = Scanner::new(event.json);
                let (mut item, mut content) = (Item::default(), Content::default());
                return self.with_table(|decoder, table| {
                    decoder.scan(&mut item, &mut scanner, table)?;
                    content.read(&item, event.shape, event.call)?;
                    let found = Found { event, item: &item, content: &content, at, position };
                    decoder.event(&found, table, names, then)
                });
            }
            Record::Score(score) => Body::Score {
                id: score.id,
                score: self.score(score.model).ok_or_else(|| not_declared("model", score.model))?,
                value: score.value,
            },
            Record::Outcome { outcome, .. } => Body::Outcome(outcome.clone()),
            Record::Preference { preference, .. } => Body::Preference(self.preference(preference)?),
            Record::Erasure { .. } => Body::Erasure,
        };
        let subject = record.subject();
        Ok(then(Decoded { subject, occurred_at: None, at, position, body, traits: None }))
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
        then: impl FnOnce(Decoded<'_>) -> R,
    ) -> Result<Option<R>, Refusal> {
        let json = text(line)?;
        let mut scanner = Scanner::new(json);
        if !scanner.at_object() {
            return Err(super::batch::not_an_object(&mut scanner));
        }
        let (mut item, mut content) = (Item::default(), Content::default());
        self.with_table(|decoder, table| {
            decoder.scan(&mut item, &mut scanner, table)?;
            scanner.finish()?;
            let Some(mut judged) = judge::judge(&item, json, None, &mut content)? else {
                return Ok(None);
            };
            judged.need_id(fresh_id);
            let (event, _) = judged.settle(arrival, None)?;
            let at = event.received_at;
            let found = Found { event: &event, item: &item, content: &content, at, position };
            decoder.event(&found, table, names, then).map(Some)
        })
    }

    /// Lends the table, with every property missing.
    fn with_table<'a, R>(&mut self, work: impl FnOnce(&mut Self, &mut [Property<'a>]) -> R) -> R {
        let mut table: Vec<Property<'a>> = std::mem::take(&mut self.table);
        table.resize(self.properties, Property::Missing);
        let worked = work(self, &mut table);
        self.table = relend(table);
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

    fn event<'a, R>(
        &mut self,
        found: &Found<'_, 'a>,
        table: &mut [Property<'a>],
        names: &mut Names,
        then: impl FnOnce(Decoded<'_>) -> R,
    ) -> Result<R, Refusal> {
        let Found { event, item, content, at, position } = *found;
        let mut filling = Filling { tree: &self.tree, table };
        if let Some(json) = content.late {
            filling.object(json)?;
        }
        for (name, raw) in &content.beside {
            filling.beside(name, *raw);
        }
        let occurred_at = std::cmp::min(event.occurred_at, at);
        let (subject, id) = (event.subject, event.id);
        let score = content.score(item)?;
        if let Some((model, value)) = score
            && let Some(score) = self.score(&model)
            && subject != Subject::Everyone
        {
            let body = Body::Score { id, score, value };
            let occurred_at = Some(occurred_at);
            return Ok(then(Decoded { subject, occurred_at, at, position, body, traits: None }));
        }
        let singles = self.traits.read(content, names)?;
        let (name, view) = self.name(&content.name, names);
        let reach = match (subject, event.freshness) {
            (Subject::Everyone, _) => Reach::Broadcast,
            (Subject::Customer(_), Freshness::Live)
                if item.get(Field::ContextActive) == Raw::False =>
            {
                Reach::Background
            }
            (Subject::Customer(_), Freshness::Live) => Reach::Live,
            (Subject::Customer(_), Freshness::Historical) => Reach::Historical,
        };
        let event = Event { id, name, view, occurred_at, properties: table, traits: &[], reach };
        let decoded = then(Decoded {
            subject,
            occurred_at: Some(occurred_at),
            at,
            position,
            body: Body::Event(event),
            traits: Some((&mut self.traits, singles.as_slice())),
        });
        Ok(decoded)
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
            PreferenceRecord::Consent { purpose: on, channel: by, answer, source } => {
                let purpose = on.map(purpose).transpose()?;
                let channel = by.map(channel).transpose()?;
                Preference::Consent { purpose, channel, answer, source: source.into() }
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
struct Found<'f, 'a> {
    event: &'f EventRecord<'f>,
    item: &'f Item<'a>,
    content: &'f Content<'a>,
    at: Timestamp,
    position: u64,
}

fn find(names: &[Arc<str>], name: &str) -> Option<u16> {
    names.iter().position(|known| **known == *name).and_then(|index| u16::try_from(index).ok())
}

fn not_declared(what: &str, name: &str) -> Refusal {
    Refusal::new(Refused::UnknownName, format!("no {what} called `{name}` is declared"))
}
