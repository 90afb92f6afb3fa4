//! What pools know, and how requests of customers stand with them, written and read.

use super::read::{Read, Reader};
use super::write::{Kind, Writer, Written};
use crate::engine::customer::ContactKind;
use crate::engine::id::CustomerId;
use crate::engine::pool::{
    Ask, Grant, OPEN_MAX, Pool, PoolRequest, PoolWaits, Standing, WAITING_MAX,
};
use crate::engine::slot::ChannelSlot;

impl Writer<'_> {
    pub(super) fn ask(&mut self, ask: &Ask) -> Written {
        self.to.array(7)?.bytes(ask.decision.as_bytes())?.str(ask.pool.as_str())?;
        self.name(Kind::Channel, ask.channel.0)?;
        self.to.u8(ask.standing.code())?;
        self.instant(ask.at)?;
        self.instant_or_null(ask.free_at)?;
        self.text_or_null(ask.why.as_deref())
    }

    pub(super) fn pool(&mut self, pool: &Pool) -> Written {
        self.to.array(5)?;
        self.instant(pool.from)?;
        self.to.u64(pool.spent)?.u64(pool.rehearsed)?;
        self.to.array(pool.open.len() as u64)?;
        for grant in &pool.open {
            self.to.array(4)?.bytes(grant.decision.as_bytes())?.u64(grant.micros)?;
            self.instant(grant.at)?;
            self.to.u8(code(grant.kind))?;
        }
        self.to.array(pool.waiting.len() as u64)?;
        for waits in &pool.waiting {
            self.to.array(3)?.bytes(waits.decision.as_bytes())?.str(waits.customer.as_str())?;
            self.pool_request(&waits.request)?;
        }
        Ok(())
    }

    fn pool_request(&mut self, request: &PoolRequest) -> Written {
        self.to.array(9)?.str(&request.trigger)?.str(&request.purpose)?.str(&request.channel)?;
        self.to.u64(request.micros)?.i32(request.priority)?.f64(request.worth)?;
        self.instant(request.since)?;
        self.instant(request.expires_at)?;
        self.instant(request.asked_at)
    }
}

impl Reader<'_, '_> {
    pub(super) fn ask(&mut self, members: usize) -> Read<Ask> {
        let ask = Ask {
            decision: self.decision()?,
            pool: CustomerId::new(self.from.str()?),
            channel: ChannelSlot(self.channel()?),
            // A number of a later version: whatever it was, it asks again.
            standing: Standing::from_code(self.from.u8()?).unwrap_or(Standing::Asking),
            at: self.instant()?,
            free_at: self.or_null(Self::instant)?,
            why: self.or_null(|reader| reader.from.str())?.map(Into::into),
        };
        self.skip_rest(members, 7)?;
        Ok(ask)
    }

    pub(super) fn pool(&mut self) -> Read<Pool> {
        let members = self.length()?;
        let pool = Pool {
            from: self.instant()?,
            spent: self.from.u64()?,
            rehearsed: self.from.u64()?,
            open: self.some(OPEN_MAX, |reader| {
                let members = reader.length()?;
                let grant = Grant {
                    decision: reader.decision()?,
                    micros: reader.from.u64()?,
                    at: reader.instant()?,
                    kind: kind(reader.from.u8()?),
                };
                reader.skip_rest(members, 4)?;
                Ok(grant)
            })?,
            waiting: self.some(WAITING_MAX, |reader| {
                let members = reader.length()?;
                let decision = reader.decision()?;
                let customer = CustomerId::new(reader.from.str()?);
                let waits = PoolWaits { decision, customer, request: reader.pool_request()? };
                reader.skip_rest(members, 3)?;
                Ok(waits)
            })?,
        };
        self.skip_rest(members, 5)?;
        Ok(pool)
    }

    fn pool_request(&mut self) -> Read<PoolRequest> {
        let members = self.length()?;
        let request = PoolRequest {
            trigger: self.from.str()?.into(),
            purpose: self.from.str()?.into(),
            channel: self.from.str()?.into(),
            micros: self.from.u64()?,
            priority: self.from.i32()?,
            worth: self.from.f64()?,
            since: self.instant()?,
            expires_at: self.instant()?,
            asked_at: self.instant()?,
        };
        self.skip_rest(members, 9)?;
        Ok(request)
    }
}

const fn code(kind: ContactKind) -> u8 {
    match kind {
        ContactKind::DryRun => 2,
        ContactKind::Sent => 1,
        ContactKind::Reserved | ContactKind::Unknown | ContactKind::Ghost => 0,
    }
}

const fn kind(code: u8) -> ContactKind {
    match code {
        2 => ContactKind::DryRun,
        1 => ContactKind::Sent,
        _ => ContactKind::Reserved,
    }
}

#[cfg(test)]
impl super::tests::Dice {
    /// Requests of a customer, and what a pool knows.
    pub(super) fn pools(&mut self) -> crate::engine::pool::Pools {
        let asks = self.list(|dice| Ask {
            decision: dice.id(),
            pool: CustomerId::of_budget_pool(&dice.text()),
            channel: ChannelSlot(dice.slot(2)),
            standing: Standing::from_code(u8::try_from(dice.slot(6)).unwrap()).unwrap(),
            at: dice.instant(),
            free_at: dice.maybe(Self::instant),
            why: dice.maybe(Self::text),
        });
        let pool = Pool {
            from: self.instant(),
            spent: self.next(),
            rehearsed: self.next(),
            open: self.list(|dice| Grant {
                decision: dice.id(),
                micros: dice.next(),
                at: dice.instant(),
                kind: kind(u8::try_from(dice.slot(3)).unwrap()),
            }),
            waiting: self.list(|dice| PoolWaits {
                decision: dice.id(),
                customer: CustomerId::new(dice.text()),
                request: PoolRequest {
                    trigger: dice.text(),
                    purpose: dice.text(),
                    channel: dice.text(),
                    micros: dice.next(),
                    priority: -3,
                    worth: dice.number(),
                    since: dice.instant(),
                    expires_at: dice.instant(),
                    asked_at: dice.instant(),
                },
            }),
        };
        crate::engine::pool::Pools { asks, pool: Some(Box::new(pool)) }
    }
}
