//! What the desk of a team knows, and how tasks stand with it, written and read.

use thin_vec::ThinVec;

use super::read::{Read, Reader};
use super::write::{Writer, Written};
use crate::engine::desk::{Desk, HELD_MAX, Held, Request, WAITING_MAX, Waits};
use crate::engine::id::CustomerId;
use crate::engine::task::{AtDesk, Standing};

/// Most texts of one list of a request.
const TEXTS_MAX: usize = 64;

impl Writer<'_> {
    pub(super) fn at_desk(&mut self, desk: &AtDesk) -> Written {
        self.to.array(5)?.str(&desk.team)?;
        self.request(&desk.request)?;
        self.to.str(desk.standing.as_str())?;
        self.instant_or_null(desk.again_at)?;
        self.text_or_null(desk.why.as_deref())
    }

    fn request(&mut self, request: &Request) -> Written {
        self.to.array(6)?.u8(request.priority)?.f64(request.worth)?;
        self.instant(request.opened_at)?;
        self.to.array(request.skills.len() as u64)?;
        for skill in &request.skills {
            self.to.str(skill)?;
        }
        self.text_or_null(request.language.as_deref())?;
        self.text_or_null(request.owner.as_deref())
    }

    pub(super) fn desk(&mut self, desk: &Desk) -> Written {
        self.to.array(5)?.i32(desk.day)?.u32(desk.taken)?;
        self.to.array(desk.by_person.len() as u64)?;
        for (person, count) in &desk.by_person {
            self.to.array(2)?.str(person)?.u32(*count)?;
        }
        self.to.array(desk.waiting.len() as u64)?;
        for waits in &desk.waiting {
            self.to.array(3)?.bytes(waits.task.as_bytes())?.str(waits.customer.as_str())?;
            self.request(&waits.request)?;
        }
        self.to.array(desk.held.len() as u64)?;
        for held in &desk.held {
            self.to.array(3)?.bytes(held.task.as_bytes())?.str(&held.person)?;
            self.instant(held.since)?;
        }
        Ok(())
    }
}

impl Reader<'_, '_> {
    pub(super) fn at_desk(&mut self) -> Read<AtDesk> {
        let members = self.length()?;
        let desk = AtDesk {
            team: self.from.str()?.into(),
            request: self.request()?,
            standing: Standing::parse(self.from.str()?).unwrap_or(Standing::Left),
            again_at: self.or_null(Self::instant)?,
            why: self.or_null(|reader| reader.from.str())?.map(Into::into),
        };
        self.skip_rest(members, 5)?;
        Ok(desk)
    }

    fn request(&mut self) -> Read<Request> {
        let members = self.length()?;
        let request = Request {
            priority: self.from.u8()?,
            worth: self.from.f64()?,
            opened_at: self.instant()?,
            skills: self.some(TEXTS_MAX, |reader| Ok(reader.from.str()?.into()))?,
            language: self.or_null(|reader| reader.from.str())?.map(Into::into),
            owner: self.or_null(|reader| reader.from.str())?.map(Into::into),
        };
        self.skip_rest(members, 6)?;
        Ok(request)
    }

    pub(super) fn desk(&mut self) -> Read<Desk> {
        let members = self.length()?;
        let desk = Desk {
            day: self.from.i32()?,
            taken: self.from.u32()?,
            by_person: self.some(HELD_MAX, |reader| {
                let members = reader.length()?;
                let counted = (reader.from.str()?.into(), reader.from.u32()?);
                reader.skip_rest(members, 2)?;
                Ok(counted)
            })?,
            waiting: self.some(WAITING_MAX, |reader| {
                let members = reader.length()?;
                let task = reader.decision()?;
                let customer = CustomerId::new(reader.from.str()?);
                let waits = Waits { task, customer, request: reader.request()? };
                reader.skip_rest(members, 3)?;
                Ok(waits)
            })?,
            held: self.some(HELD_MAX, |reader| {
                let members = reader.length()?;
                let (task, person) = (reader.decision()?, reader.from.str()?.into());
                let held = Held { task, person, since: reader.instant()? };
                reader.skip_rest(members, 3)?;
                Ok(held)
            })?,
        };
        self.skip_rest(members, 5)?;
        Ok(desk)
    }

    /// A list, of which at most so many are kept.
    pub(super) fn some<T>(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<ThinVec<T>> {
        let mut all = ThinVec::new();
        for _ in 0..self.length()? {
            let one = read(self)?;
            if all.len() < most {
                all.push(one);
            }
        }
        Ok(all)
    }
}
