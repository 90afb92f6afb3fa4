//! Names that files give each other: purposes, channels, tags, triggers.

use std::sync::Arc;

use super::read::Faults;
use super::scalar::Words;
use super::suggest;
use crate::engine::slot::{ChannelSlot, PurposeSlot, TagSlot, TriggerSlot};

/// Most purposes, and most tags: each is one bit of a word.
pub(crate) const BITS_MAX: usize = 32;

/// The names in the order of their slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry {
    /// Purposes of the policy.
    pub(crate) purposes: Vec<Arc<str>>,
    /// Channels of the policy.
    pub(crate) channels: Vec<Arc<str>>,
    /// Tags of triggers.
    pub(crate) tags: Vec<Arc<str>>,
    /// Triggers, sorted.
    pub(crate) triggers: Vec<Arc<str>>,
    /// Teams of the policy.
    pub(crate) teams: Vec<Arc<str>>,
}

impl Registry {
    /// The purpose that is meant.
    pub(crate) fn purpose(&self, word: &Words, faults: &mut Faults<'_>) -> Option<PurposeSlot> {
        find(&self.purposes, word, "purpose", "E031", faults).map(PurposeSlot)
    }

    /// Several purposes as bits.
    pub(crate) fn purpose_bits(&self, words: &[Words], faults: &mut Faults<'_>) -> u32 {
        words
            .iter()
            .filter_map(|word| self.purpose(word, faults))
            .fold(0, |bits, slot| bits | 1_u32.checked_shl(u32::from(slot.0)).unwrap_or(0))
    }

    /// The channel that is meant.
    pub(crate) fn channel(&self, word: &Words, faults: &mut Faults<'_>) -> Option<ChannelSlot> {
        find(&self.channels, word, "channel", "E030", faults).map(ChannelSlot)
    }

    /// The tag that is meant.
    pub(crate) fn tag(&self, word: &Words, faults: &mut Faults<'_>) -> Option<TagSlot> {
        find(&self.tags, word, "tag", "E033", faults).map(TagSlot)
    }

    /// The team that is meant.
    pub(crate) fn team(&self, word: &Words, faults: &mut Faults<'_>) -> Option<Arc<str>> {
        let index = find(&self.teams, word, "team", "E033", faults)?;
        self.teams.get(usize::from(index)).cloned()
    }

    /// The trigger that is meant.
    pub(crate) fn trigger(&self, word: &Words, faults: &mut Faults<'_>) -> Option<TriggerSlot> {
        find(&self.triggers, word, "trigger", "E033", faults).map(TriggerSlot)
    }
}

fn find(
    names: &[Arc<str>],
    word: &Words,
    what: &str,
    code: &'static str,
    faults: &mut Faults<'_>,
) -> Option<u16> {
    let index = names.iter().position(|name| **name == *word.text);
    if let Some(slot) = index.and_then(|index| u16::try_from(index).ok()) {
        return Some(slot);
    }
    let help = suggest::help(&word.text, names.iter().map(|name| &**name));
    faults.error(code, word.extent, format!("there is no {what} `{}`", word.text), help);
    None
}
