//! Texts of events, read by fitted models: what a text means becomes properties of its event,
//! which everything that looks at events uses like any other.
//!
//! A model `mood` with the classes `content` and `upset` gives an event `mood.content` and
//! `mood.upset`, the chance of each, and `mood`, the name of the likeliest where it is likely enough.
//! Nothing is read that no file asks for, and a text is read once.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::catalog::Catalog;
use super::health::rounded;
use super::input::{Event, Reach};
use super::model::{Grams, TextModel};
use super::slot::{EventSlot, PropertySlot};
use super::value::{Property, Value, ValueRef};

/// The models that read texts, and what each event has for them.
#[derive(Debug, Default)]
pub struct Readers {
    all: Box<[Reader]>,
    /// Of each event the readers that have something to read and somebody who asks, with the place
    /// among what they read.
    of_event: Box<[Box<[Reading]>]>,
}

/// A reader, and the place among what it reads.
type Reading = (usize, usize);

/// What labels say for one class.
pub type Said = Box<[Box<str>]>;

/// A model that reads texts.
#[derive(Debug)]
pub struct Reader {
    /// Its name, which is that of the property that it gives.
    pub name: Arc<str>,
    /// Content hash of its file.
    pub version: Arc<str>,
    /// What it says, in a sentence.
    pub about: Box<str>,
    /// What a text may be.
    pub classes: Box<[Arc<str>]>,
    /// Where texts lie.
    pub reads: Box<[Reads]>,
    /// How likely a class must be to be named.
    pub sure: f64,
    /// Which texts are read, and how much of them.
    pub length: Length,
    /// How many pieces are shown as reasons.
    pub reasons: usize,
    /// What is asked of it.
    pub asked: Asked,
    /// What was learned; `None` when nothing was, or when it may not speak.
    pub learned: Option<TextModel>,
    /// How it is learned.
    pub lesson: TextTerms,
}

/// The texts of one event.
#[derive(Clone, Debug)]
pub struct Reads {
    /// The event.
    pub event: EventSlot,
    /// Its properties, read one after the other.
    pub properties: Box<[PropertySlot]>,
}

/// Which texts are read, and how much of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// A text with fewer characters says nothing.
    pub least: u32,
    /// What comes after so many is not read.
    pub most: u32,
}

/// The properties that some file asks for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The name of the likeliest class.
    pub likeliest: Option<PropertySlot>,
    /// Chances, with the places of their classes.
    pub chances: Box<[(usize, PropertySlot)]>,
}

/// How a model that reads texts is learned.
#[derive(Clone, Debug, PartialEq)]
pub struct TextTerms {
    /// Hash of all by which a row would mean something else.
    pub definition: Arc<str>,
    /// The column of texts.
    pub text: Box<str>,
    /// The column of labels.
    pub label: Box<str>,
    /// What labels say for each class, in their order.
    pub said: Box<[Said]>,
    /// From which quality on it may speak.
    pub least: TextLeast,
}

/// The least quality at which a model of texts may speak.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextLeast {
    /// Part of the texts whose class is found.
    pub accuracy: f64,
    /// Different texts of the rarest class.
    pub labels: u64,
    /// The largest calibration error.
    pub calibration_error_at_most: f64,
}

/// Classes of most models: the chances of so many are made without allocation.
const ROOM: usize = 16;

type Chances = SmallVec<[f64; ROOM]>;

impl Readers {
    /// All of a catalog with so many events.
    pub fn new(all: Vec<Reader>, events: usize) -> Self {
        let mut of_event = vec![Vec::new(); events];
        for (number, reader) in all.iter().enumerate() {
            if reader.asked.is_nothing() || reader.learned.is_none() {
                continue;
            }
            for (place, reads) in reader.reads.iter().enumerate() {
                if let Some(own) = of_event.get_mut(reads.event.index()) {
                    own.push((number, place));
                }
            }
        }
        let of_event = of_event.into_iter().map(Vec::into_boxed_slice).collect();
        Self { all: all.into(), of_event }
    }

    /// All of them, in order of their names.
    pub fn all(&self) -> &[Reader] {
        &self.all
    }

    /// The one of a name.
    pub fn find(&self, name: &str) -> Option<&Reader> {
        self.all.iter().find(|reader| &*reader.name == name)
    }

    /// The properties of an event with what its texts mean; `None` when there is nothing to add.
    ///
    /// What its sender says counts more: a property that is there already stays. What concerns
    /// everyone is not read.
    pub fn read<'e>(&'e self, event: &Event<'e>) -> Option<Vec<Property<'e>>> {
        let readers = self.of_event.get(event.name?.index()).filter(|own| !own.is_empty())?;
        if event.reach == Reach::Broadcast {
            return None;
        }
        let mut properties = None;
        for (number, place) in readers {
            let reader = self.all.get(*number)?;
            let Some(chances) = reader.chances(reader.reads.get(*place)?, event.properties) else {
                continue;
            };
            let all = properties.get_or_insert_with(|| event.properties.to_vec());
            let mut add = |slot: PropertySlot, value| {
                if let Some(property @ Property::Missing) = all.get_mut(slot.index()) {
                    *property = value;
                }
            };
            for (class, slot) in &reader.asked.chances {
                add(*slot, chances.get(*class).map_or(Property::Missing, |c| Property::Num(*c)));
            }
            if let Some(slot) = reader.asked.likeliest {
                let name = reader.likeliest(&chances).and_then(|class| reader.classes.get(class));
                add(slot, name.map_or(Property::Missing, |name| Property::Str(name)));
            }
        }
        properties
    }

    /// Why a property that came from a text is what it is: whose it is, and the pieces that moved
    /// it most. `None` when it came from no text.
    pub fn told(
        &self,
        catalog: &Catalog,
        slot: PropertySlot,
        properties: &[Property<'_>],
    ) -> Option<(Box<str>, Value)> {
        let reader = self.all.iter().find(|reader| reader.asked.has(slot))?;
        let Some(model) = &reader.learned else {
            let what = format!("model `{}`", reader.name).into();
            return Some((what, Value::Str("may not speak: nothing good was learned yet".into())));
        };
        let value = properties.get(slot.index()).map_or(ValueRef::Missing, Property::as_ref);
        // Only the text that gives this very value: events may have other properties of that name.
        let (class, text) = reader.reads.iter().find_map(|reads| {
            let chances = reader.chances(reads, properties)?;
            let class = reader.class_of(slot, &chances)?;
            let is_so = match value {
                ValueRef::Num(chance) => {
                    chances.get(class).is_some_and(|own| own.total_cmp(&chance).is_eq())
                }
                ValueRef::Str(name) => reader.classes.get(class).is_some_and(|own| **own == *name),
                _ => false,
            };
            is_so.then(|| Some((class, reader.text(reads, properties)?.into_owned())))?
        })?;
        let name = catalog.properties.get(slot.index()).map_or("?", |name| name);
        let what = format!("pieces behind event.{name}");
        let pieces = strongest(reader.reasons_of(model, &text, class), reader.reasons);
        Some((what.into(), Value::Str(pieces.into())))
    }
}

/// The strongest pieces in words.
fn strongest(mut reasons: Vec<(Box<str>, f64)>, most: usize) -> String {
    reasons.retain(|(piece, part)| !piece.is_empty() && part.abs() >= 0.005);
    reasons.sort_by(|left, right| {
        right.1.abs().total_cmp(&left.1.abs()).then_with(|| left.0.cmp(&right.0))
    });
    reasons.truncate(most);
    let told: Vec<String> =
        reasons.iter().map(|(piece, part)| format!("`{piece}` {part:+.2}")).collect();
    if told.is_empty() { "none that it knows".to_owned() } else { told.join(", ") }
}

impl Reader {
    /// The chance of each class of a text; `None` when it is too short, or nothing was learned.
    pub fn judge(&self, text: &str) -> Option<Vec<f64>> {
        let model = self.learned.as_ref()?;
        self.length.cut(text).map(|text| chances(model, text, self.classes.len()).into_vec())
    }

    /// The class that is named for chances, by its place.
    pub fn likeliest(&self, chances: &[f64]) -> Option<usize> {
        let likelier = |best: (usize, f64), next: (usize, &f64)| {
            if best.1 < *next.1 { (next.0, *next.1) } else { best }
        };
        let (class, chance) = chances.iter().enumerate().fold((0, f64::NEG_INFINITY), likelier);
        (self.sure <= chance).then_some(class)
    }

    /// The pieces of a text and what each adds to the logit of a class.
    fn reasons_of(&self, model: &TextModel, text: &str, class: usize) -> Vec<(Box<str>, f64)> {
        let text = self.length.cut(text).unwrap_or_default();
        match (model.classes.len(), class) {
            // The model has the second of two classes; what speaks against it is for the first.
            (1, 0) => {
                model.reasons(text, 0).into_iter().map(|(piece, part)| (piece, -part)).collect()
            }
            (1, _) => model.reasons(text, 0),
            _ => model.reasons(text, class),
        }
    }

    /// The class that a property is about, given the chances.
    fn class_of(&self, slot: PropertySlot, chances: &[f64]) -> Option<usize> {
        let own = self.asked.chances.iter().find(|(_, own)| *own == slot);
        own.map_or_else(|| self.likeliest(chances), |(class, _)| Some(*class))
    }

    fn chances(&self, reads: &Reads, properties: &[Property<'_>]) -> Option<Chances> {
        let model = self.learned.as_ref()?;
        let text = self.text(reads, properties)?;
        let text = self.length.cut(&text)?;
        Some(chances(model, text, self.classes.len()))
    }

    /// The texts of an event, one after the other; `None` when there is none.
    fn text<'p>(&self, reads: &Reads, properties: &'p [Property<'_>]) -> Option<Cow<'p, str>> {
        let mut whole: Option<Cow<'p, str>> = None;
        for slot in &reads.properties {
            let Some(ValueRef::Str(text)) = properties.get(slot.index()).map(Property::as_ref)
            else {
                continue;
            };
            match &mut whole {
                None => whole = Some(Cow::Borrowed(text)),
                // More than is read of the whole is not copied.
                Some(whole) if whole.len() < 4 * self.length.most as usize => {
                    let whole = whole.to_mut();
                    whole.push('\n');
                    whole.push_str(text);
                }
                Some(_) => {}
            }
        }
        whole
    }
}

/// The chance of each class, as rounded as scores are.
fn chances(model: &TextModel, text: &str, classes: usize) -> Chances {
    let mut grams = Grams::for_text(text, model.scheme);
    let mut chances: Chances = smallvec![0.0; model.classes.len()];
    model.chances(text, &mut grams, &mut chances);
    if let ([second], 2) = (chances.as_slice(), classes) {
        let second = *second;
        chances = smallvec![1.0 - second, second];
    }
    chances.iter_mut().for_each(|chance| *chance = rounded(*chance));
    chances
}

impl Length {
    /// The part of a text that is read; `None` when it says nothing.
    pub fn cut(self, text: &str) -> Option<&str> {
        let text = text.trim();
        let least = usize::try_from(self.least.max(1)).unwrap_or(usize::MAX);
        text.chars().nth(least - 1)?;
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
        text.get(..end)
    }
}

impl Asked {
    fn is_nothing(&self) -> bool {
        self.likeliest.is_none() && self.chances.is_empty()
    }

    fn has(&self, slot: PropertySlot) -> bool {
        self.likeliest == Some(slot) || self.chances.iter().any(|(_, own)| *own == slot)
    }
}

#[cfg(test)]
mod tests;
