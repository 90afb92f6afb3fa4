//! Outreaches that may yet go to another channel, written and read.

use thin_vec::ThinVec;

use super::read::{Read, Reader};
use super::write::{Kind, Writer, Written};
use crate::engine::customer::Rung;
use crate::engine::slot::ChannelSlot;

impl Writer<'_> {
    pub(super) fn rung(&mut self, rung: &Rung) -> Written {
        self.to.array(10)?.bytes(rung.decision.as_bytes())?.bytes(rung.first.as_bytes())?;
        self.to.u8(rung.number)?;
        self.name(Kind::Trigger, rung.trigger.0)?;
        self.cause(&rung.cause)?;
        self.instant(rung.decided_at)?;
        self.instant(rung.expires_at)?;
        self.name(Kind::Channel, rung.on.0)?;
        self.instant_or_null(rung.stands)?;
        self.to.array(rung.left.len() as u64)?;
        rung.left.iter().try_for_each(|channel| self.name(Kind::Channel, channel.0))
    }
}

impl Reader<'_, '_> {
    pub(super) fn rung(&mut self, members: usize) -> Read<Rung> {
        let rung = Rung {
            decision: self.decision()?,
            first: self.decision()?,
            number: self.from.u8()?,
            trigger: self.trigger()?,
            cause: Box::new(self.cause()?),
            decided_at: self.instant()?,
            expires_at: self.instant()?,
            on: ChannelSlot(self.channel()?),
            stands: self.or_null(Self::instant)?,
            left: self.channels()?,
        };
        self.skip_rest(members, 10)?;
        Ok(rung)
    }

    fn channels(&mut self) -> Read<ThinVec<ChannelSlot>> {
        let count = self.length()?;
        (0..count).map(|_| self.channel().map(ChannelSlot)).collect()
    }
}

#[cfg(test)]
impl super::tests::Dice {
    /// One that goes on.
    pub(super) fn rung(&mut self) -> Rung {
        Rung {
            decision: self.id(),
            first: self.id(),
            number: 2,
            trigger: crate::engine::slot::TriggerSlot(self.slot(2)),
            cause: Box::new(self.cause()),
            decided_at: self.instant(),
            expires_at: self.instant(),
            on: ChannelSlot(self.slot(2)),
            stands: self.maybe(Self::instant),
            left: self.list(|dice| ChannelSlot(dice.slot(2))),
        }
    }
}
