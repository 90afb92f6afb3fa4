//! The traits that an event sets, numbered, each once, the strongest last word of each.

use super::content::Content;
use super::json::{Fault, Scanner};
use super::spread;
use crate::engine::names::Names;
use crate::engine::slot::TraitSlot;
use crate::engine::value::Value;

/// Texts kept for reuse, so that the locale that comes with every event is not allocated anew.
const TEXTS_KEPT: usize = 256;
/// Longest text kept for reuse, in bytes.
const TEXT_BYTES_MAX: usize = 64;

/// Traits of one event; the tables are reused for the next.
#[derive(Debug, Default)]
pub(super) struct Traits {
    set: Vec<(TraitSlot, Option<Value>)>,
    once: Vec<(TraitSlot, Option<Value>)>,
    /// Texts by hash. An empty vector stands for a table of nothing.
    texts: Vec<Option<Value>>,
}

impl Traits {
    /// Reads the traits of an event.
    pub(super) fn read(&mut self, content: &Content<'_>, names: &mut Names) -> Result<(), Fault> {
        self.set.clear();
        self.once.clear();
        for (name, raw) in &content.singles {
            if let Some(slot) = names.trait_(name) {
                let value = match raw {
                    super::json::Raw::Text(text) => Some(self.text(&text.decode())),
                    raw => raw.to_value(),
                };
                self.set.push((slot, value));
            }
        }
        for json in &content.traits {
            read_object(json, names, &mut self.set)?;
        }
        if let Some(json) = content.once {
            read_object(json, names, &mut self.once)?;
            last_wins(&mut self.once);
        }
        last_wins(&mut self.set);
        Ok(())
    }

    /// What is set, sorted by slot. Traits to be set once are left out where they are known.
    pub(super) fn settle(
        &mut self,
        known: impl Fn(TraitSlot) -> bool,
    ) -> &[(TraitSlot, Option<Value>)] {
        if !self.once.is_empty() {
            for (slot, value) in self.once.drain(..) {
                let set = self.set.iter().any(|(other, _)| *other == slot);
                if value.is_some() && !set && !known(slot) {
                    self.set.push((slot, value));
                }
            }
            self.set.sort_by_key(|(slot, _)| *slot);
        }
        &self.set
    }

    /// Takes the texts back.
    pub(super) fn recycle(&mut self) {
        for (_, value) in self.set.drain(..) {
            if let Some(Value::Str(text)) = &value
                && text.len() <= TEXT_BYTES_MAX
            {
                let place = place_of(text);
                if self.texts.is_empty() {
                    self.texts.resize(TEXTS_KEPT, None);
                }
                if let Some(kept) = self.texts.get_mut(place) {
                    *kept = value;
                }
            }
        }
    }

    fn text(&mut self, text: &str) -> Value {
        if let Some(kept) = self.texts.get_mut(place_of(text))
            && matches!(kept, Some(Value::Str(same)) if **same == *text)
            && let Some(value) = kept.take()
        {
            return value;
        }
        Value::Str(text.into())
    }
}

fn read_object(
    json: &str,
    names: &mut Names,
    set: &mut Vec<(TraitSlot, Option<Value>)>,
) -> Result<(), Fault> {
    Scanner::new(json).object(|scanner, key| {
        let value = scanner.value()?.to_value();
        set.extend(names.trait_(key).map(|slot| (slot, value)));
        Ok(())
    })
}

/// Sorts by slot and keeps the last of each.
fn last_wins(set: &mut Vec<(TraitSlot, Option<Value>)>) {
    set.reverse();
    set.sort_by_key(|(slot, _)| *slot);
    set.dedup_by_key(|(slot, _)| *slot);
}

fn place_of(text: &str) -> usize {
    usize::try_from(spread(text)).map_or(0, |hash| hash % TEXTS_KEPT)
}
