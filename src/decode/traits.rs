//! The traits that an event sets, numbered, each once, the strongest last word of each.

use smallvec::SmallVec;

use super::content::Content;
use super::json::{Fault, Raw, Scanner, Text};
use crate::engine::names::Names;
use crate::engine::slot::TraitSlot;
use crate::engine::text::same_bytes;
use crate::engine::value::Value;

/// A trait that stands alone.
pub(super) type Single<'a> = (TraitSlot, Raw<'a>);

/// All those of an event.
pub(super) type Singles<'a> = SmallVec<[Single<'a>; 4]>;

/// Traits of one event; the tables are reused for the next.
#[derive(Debug, Default)]
pub(super) struct Traits {
    set: Vec<(TraitSlot, Option<Value>)>,
    once: Vec<(TraitSlot, Option<Value>)>,
}

impl Traits {
    /// Reads the traits of an event, but for those that stand alone: see [`Traits::settle`].
    pub(super) fn read<'a>(
        &mut self,
        content: &Content<'a>,
        names: &mut Names,
    ) -> Result<Singles<'a>, Fault> {
        self.set.clear();
        self.once.clear();
        let mut singles = Singles::new();
        for (name, raw) in &content.singles {
            if let Some(slot) = names.trait_(name) {
                singles.push((slot, *raw));
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
        Ok(singles)
    }

    /// What is set, sorted by slot. Left out are texts that stand alone and are known already, as
    /// the locale is that comes with every event, and traits to be set once where any is known.
    pub(super) fn settle<'k>(
        &mut self,
        singles: &[Single<'_>],
        known: impl Fn(TraitSlot) -> Option<&'k Value>,
    ) -> &[(TraitSlot, Option<Value>)] {
        // Objects win over what stands alone, and of that the later over the earlier.
        let mut later = singles;
        while let Some(((slot, raw), earlier)) = later.split_last() {
            later = earlier;
            if self.set.iter().any(|(other, _)| other == slot) {
                continue;
            }
            if let (Raw::Text(Text::Plain(text)), Some(Value::Str(same))) = (raw, known(*slot))
                && same_bytes(text.as_bytes(), same.as_bytes())
                && !earlier.iter().any(|(other, _)| other == slot)
            {
                continue;
            }
            self.set.push((*slot, raw.to_value()));
        }
        if !singles.is_empty() {
            self.set.sort_by_key(|(slot, _)| *slot);
        }
        if !self.once.is_empty() {
            for (slot, value) in self.once.drain(..) {
                let set = self.set.iter().any(|(other, _)| *other == slot);
                if value.is_some() && !set && known(slot).is_none() {
                    self.set.push((slot, value));
                }
            }
            self.set.sort_by_key(|(slot, _)| *slot);
        }
        &self.set
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
