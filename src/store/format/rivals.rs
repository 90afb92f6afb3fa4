//! What is known of challengers beside models in force, written and read.

use thin_vec::ThinVec;

use super::read::{Read, Reader};
use super::tables::Strangers;
use super::write::{Kind, Writer, Written};
use crate::engine::classifier::Case;
use crate::engine::customer::CustomerState;
use crate::engine::rival::{CLOSED_MAX, Came, Rival, Said};

impl Writer<'_> {
    pub(super) fn rival(&mut self, rival: &Rival) -> Written {
        self.to.array(5)?;
        self.name(Kind::Score, rival.score.0)?;
        self.to.u64(rival.pair)?;
        match rival.value {
            Some(value) => self.number(value)?,
            None => self.to.null()?.ok()?,
        }
        match &rival.open {
            Some(said) => {
                self.to.array(4)?;
                self.instant(said.at)?;
                self.to.u32(said.seen)?;
                self.number(said.champion)?;
                self.number(said.challenger)?;
            }
            None => self.to.null()?.ok()?,
        }
        self.to.array(rival.closed.len() as u64)?;
        for came in &rival.closed {
            self.to.array(4)?;
            self.instant(came.at)?;
            self.to.bool(came.case == Case::Positive)?;
            self.number(came.champion)?;
            self.number(came.challenger)?;
        }
        Ok(())
    }
}

impl Reader<'_, '_> {
    pub(super) fn rival(&mut self, members: usize) -> Read<Rival> {
        let score = self.score_slot()?;
        let pair = self.from.u64()?;
        let value = self.or_null(Self::number)?;
        let open = self.or_null(|reader| {
            let members = reader.length()?;
            let (at, seen) = (reader.instant()?, reader.from.u32()?);
            let (champion, challenger) = (reader.number()?, reader.number()?);
            reader.skip_rest(members, 4)?;
            Ok(Said { at, seen, champion, challenger })
        })?;
        let mut closed = ThinVec::new();
        for _ in 0..self.length()? {
            let members = self.length()?;
            let (at, happened) = (self.instant()?, self.from.bool()?);
            let (champion, challenger) = (self.number()?, self.number()?);
            self.skip_rest(members, 4)?;
            let case = if happened { Case::Positive } else { Case::Negative };
            closed.push(Came { at, case, champion, challenger });
        }
        let surplus = closed.len().saturating_sub(CLOSED_MAX);
        closed.drain(..surplus);
        self.skip_rest(members, 5)?;
        Ok(Rival { score, pair, value, open, closed })
    }
}

/// Sorts by the slots of this catalog, and forgets what belongs to a score that is gone.
pub(super) fn settle(state: &mut CustomerState) {
    if !state.rare.rivals.is_empty() {
        state.rare.rivals.retain(|rival| rival.score.0 < Strangers::FIRST_SLOT);
        state.rare.rivals.sort_by_key(|rival| rival.score);
        state.rare.rivals.dedup_by_key(|rival| rival.score);
    }
}
