//! Contacts, and addresses that cannot be reached, written and read.

use super::read::{Read, Reader, bit, wrong};
use super::write::{Kind, Writer, Written};
use crate::engine::customer::{Bounced, Contact, ContactKind};
use crate::engine::input::Told;
use crate::engine::slot::{ChannelSlot, PurposeSlot};

/// How a contact counts is in the low bits of a byte, what was told of it in the high ones: a
/// version that knows nothing of the latter takes it for one that counts.
const TOLD_SHIFT: u32 = 4;
const KIND_MASK: u8 = 0x0f;

impl Writer<'_> {
    pub(super) fn contact(&mut self, contact: &Contact) -> Written {
        let tags = contact.tags;
        self.to.array(u64::from(tags.count_ones()) + 6)?;
        self.instant(contact.at)?;
        self.to.u64(contact.decision)?;
        self.name(Kind::Trigger, contact.trigger.0)?;
        self.name_or_null(Kind::Purpose, contact.purpose.map(|slot| slot.0))?;
        self.name(Kind::Channel, contact.channel.0)?;
        let kind = match contact.kind {
            ContactKind::Reserved => 0,
            ContactKind::Sent => 1,
            ContactKind::Unknown => 2,
            ContactKind::Ghost => 3,
            ContactKind::DryRun => 4,
        };
        self.to.u8(kind | contact.told.code() << TOLD_SHIFT)?;
        self.bits(Kind::Tag, tags)
    }

    pub(super) fn bounced(&mut self, bounced: &Bounced) -> Written {
        self.to.array(3)?;
        self.name(Kind::Channel, bounced.channel.0)?;
        self.to.u64(bounced.address)?;
        self.instant(bounced.at)
    }
}

impl Reader<'_, '_> {
    pub(super) fn contact(&mut self, members: usize) -> Read<Contact> {
        let tags = members.checked_sub(6).ok_or_else(|| wrong("a contact is too short"))?;
        let at = self.instant()?;
        let decision = self.from.u64()?;
        let trigger = self.trigger()?;
        let purpose = self.or_null(Self::purpose)?.map(PurposeSlot);
        let channel = ChannelSlot(self.channel()?);
        let counted = self.from.u8()?;
        let kind = match counted & KIND_MASK {
            0 => ContactKind::Reserved,
            1 => ContactKind::Sent,
            3 => ContactKind::Ghost,
            4 => ContactKind::DryRun,
            // What a newer version calls otherwise may have reached the customer: it counts.
            _ => ContactKind::Unknown,
        };
        let told = Told::from_code(counted >> TOLD_SHIFT).unwrap_or_default();
        let mut contact = Contact { at, decision, trigger, purpose, channel, tags: 0, kind, told };
        for _ in 0..tags {
            let name = self.text()?;
            contact.tags |= self.tables.tags.find(name).map_or(0, bit);
        }
        Ok(contact)
    }

    pub(super) fn bounced(&mut self, members: usize) -> Read<Bounced> {
        let channel = ChannelSlot(self.channel()?);
        let (address, at) = (self.from.u64()?, self.instant()?);
        self.skip_rest(members, 3)?;
        Ok(Bounced { channel, address, at })
    }
}
