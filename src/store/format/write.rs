//! Writing a state down.

use std::convert::Infallible;

use minicbor::Encoder;
use smallvec::SmallVec;

use super::{Error, Strangers, Tables, VERSION, field};
use crate::engine::customer::{
    Cause, Consent, CustomerState, Latch, Progress, ScoreState, Waiting,
};
use crate::engine::input::Answer;
use crate::engine::names::Names;
use crate::engine::policy::Freeze;
use crate::engine::series::{Amount, Series};
use crate::engine::slot::{EventSlot, TraitSlot};
use crate::engine::time::Timestamp;
use crate::engine::timer::{Timer, TimerKind};
use crate::engine::value::Value;

pub(super) type Written = Result<(), minicbor::encode::Error<Infallible>>;

/// Buffers kept from one state to the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    body: Vec<u8>,
    used: Vec<(Kind, u16)>,
}

/// What a name names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Event,
    Trait,
    Trigger,
    Score,
    Purpose,
    Channel,
    Tag,
    Property,
}

/// The writer of one state.
pub(super) struct Writer<'a> {
    pub(super) to: Encoder<&'a mut Vec<u8>>,
    used: &'a mut Vec<(Kind, u16)>,
    names: &'a Names,
    base: Timestamp,
}

/// Appends a state to `out`.
pub(super) fn state(
    tables: &Tables,
    strangers: &Strangers,
    names: &Names,
    state: &CustomerState,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    scratch.body.clear();
    scratch.used.clear();
    let mut writer = Writer {
        to: Encoder::new(&mut scratch.body),
        used: &mut scratch.used,
        names,
        base: state.first_seen,
    };
    writer.fields(tables, state).map_err(|error| refused(&error))?;
    out.push(VERSION);
    let mut head = Encoder::new(&mut *out);
    names_used(&mut head, &scratch.used, tables, strangers, names)
        .map_err(|error| refused(&error))?;
    out.extend_from_slice(&scratch.body);
    Ok(())
}

fn names_used(
    to: &mut Encoder<&mut Vec<u8>>,
    used: &[(Kind, u16)],
    tables: &Tables,
    strangers: &Strangers,
    names: &Names,
) -> Written {
    to.array(used.len() as u64)?;
    for (kind, slot) in used {
        let table = match kind {
            Kind::Event => {
                to.str(names.event_text(EventSlot(*slot)))?;
                continue;
            }
            Kind::Trait => {
                to.str(names.trait_text(TraitSlot(*slot)))?;
                continue;
            }
            Kind::Trigger => &tables.triggers,
            Kind::Score => &tables.scores,
            Kind::Purpose => &tables.purposes,
            Kind::Channel => &tables.channels,
            Kind::Tag => &tables.tags,
            Kind::Property => &tables.properties,
        };
        // A slot without a name is a stranger that found no room.
        to.str(table.text(*slot).or_else(|| strangers.text(*slot)).map_or("", |text| text))?;
    }
    Ok(())
}

impl Writer<'_> {
    fn fields(&mut self, tables: &Tables, state: &CustomerState) -> Written {
        self.to.map(count_fields(state))?;
        self.to.u32(field::FIRST_SEEN)?.i64(state.first_seen.as_millis())?;
        self.to.u32(field::APPLIED)?.u64(state.applied)?;
        self.to.u32(field::NOW)?;
        self.instant(state.now)?;
        self.to.u32(field::LAST_SEEN)?;
        self.instant(state.last_seen)?;
        self.traits(state)?;
        self.list(field::CONSENTS, &state.rare.consents, Self::consent)?;
        if let Some(said) = &state.rare.profiling {
            self.to.u32(field::PROFILING)?;
            self.profiling(said)?;
        }
        if let Some(until) = state.rare.paused_until {
            self.to.u32(field::PAUSED_UNTIL)?;
            self.instant(until)?;
        }
        if let Some(channel) = state.rare.preferred_channel {
            self.to.u32(field::PREFERRED_CHANNEL)?;
            self.name(Kind::Channel, channel.0)?;
        }
        self.all_series(tables, state)?;
        self.list(field::TIMERS, &state.timers, Self::timer)?;
        self.list(field::PROGRESS, &state.progress, Self::progress)?;
        self.list(field::WAITING, &state.rare.waiting, Self::waiting)?;
        self.list(field::LEDGER, &state.ledger, Self::contact)?;
        self.list(field::FREEZES, &state.rare.freezes, Self::freeze)?;
        self.list(field::SCORES, &state.rare.scores, Self::score)?;
        self.list(field::RIVALS, &state.rare.rivals, Self::rival)?;
        self.list(field::BOUNCED, &state.rare.bounced, Self::bounced)?;
        let answers = [
            (field::ANSWERED_AT, state.rare.answered_at),
            (field::HANDED_OVER_AT, state.rare.handed_over_at),
        ];
        for (number, at) in answers {
            if let Some(at) = at {
                self.to.u32(number)?;
                self.instant(at)?;
            }
        }
        self.list(field::TASKS, &state.rare.tasks, Self::task)?;
        self.list(field::RUNGS, &state.rare.rungs, Self::rung)?;
        self.list(field::ASKS, state.rare.asks(), Self::ask)?;
        if let Some(pool) = state.rare.pool() {
            self.to.u32(field::POOL)?;
            self.pool(pool)?;
        }
        if let Some(desk) = &state.rare.desk {
            self.to.u32(field::DESK)?;
            self.desk(desk)?;
        }
        self.timeline(state)?;
        self.seen(state)?;
        if let Some(session) = &state.rare.session {
            self.to.u32(field::SESSION)?;
            self.session(session)?;
        }
        Ok(())
    }

    fn list<T>(
        &mut self,
        number: u32,
        items: &[T],
        mut write: impl FnMut(&mut Self, &T) -> Written,
    ) -> Written {
        if items.is_empty() {
            return Ok(());
        }
        self.to.u32(number)?.array(items.len() as u64)?;
        items.iter().try_for_each(|item| write(self, item))
    }

    fn traits(&mut self, state: &CustomerState) -> Written {
        if state.traits.is_empty() {
            return Ok(());
        }
        // By name: slots of names that only arrived depend on the order of arrival.
        let mut sorted: SmallVec<[&(TraitSlot, Value); 16]> = state.traits.iter().collect();
        sorted.sort_by_key(|(slot, _)| self.names.trait_text(*slot));
        self.to.u32(field::TRAITS)?.array(sorted.len() as u64 * 2)?;
        for (slot, value) in sorted {
            self.name(Kind::Trait, slot.0)?;
            self.value(value)?;
        }
        Ok(())
    }

    fn timeline(&mut self, state: &CustomerState) -> Written {
        if state.recent.latest().is_none() {
            return Ok(());
        }
        self.to.u32(field::TIMELINE)?.array(state.recent.timeline().len() as u64 * 2)?;
        for remembered in state.recent.timeline() {
            self.name(Kind::Event, remembered.event().0)?;
            self.instant(remembered.at())?;
        }
        Ok(())
    }

    fn seen(&mut self, state: &CustomerState) -> Written {
        let marks = state.recent.marks();
        if marks.is_empty() {
            return Ok(());
        }
        self.to.u32(field::SEEN)?.bytes_len(marks.len() as u64 * 8)?;
        for hash in marks {
            self.to.writer_mut().extend_from_slice(&hash.to_le_bytes());
        }
        self.to.u32(field::SEEN_NEXT)?.u16(state.recent.next_mark())?;
        Ok(())
    }

    fn consent(&mut self, consent: &Consent) -> Written {
        self.to.array(if consent.evidence.is_some() { 6 } else { 5 })?;
        self.name_or_null(Kind::Purpose, consent.purpose.map(|slot| slot.0))?;
        self.name_or_null(Kind::Channel, consent.channel.map(|slot| slot.0))?;
        self.to.bool(consent.answer == Answer::Granted)?;
        self.instant(consent.at)?;
        self.to.str(&consent.source)?;
        if let Some(evidence) = &consent.evidence {
            self.to.str(evidence)?;
        }
        Ok(())
    }

    fn all_series(&mut self, tables: &Tables, state: &CustomerState) -> Written {
        let known = state
            .series
            .iter()
            .filter_map(|(slot, series)| tables.series_key(slot.0).map(|key| (key, series)));
        let mut sorted: SmallVec<[(u64, &Series); 16]> = known.collect();
        if sorted.is_empty() {
            // `count_fields` counts the field whenever the state has any series.
            if !state.series.is_empty() {
                self.to.u32(field::SERIES)?.array(0)?;
            }
            return Ok(());
        }
        sorted.sort_by_key(|(key, _)| *key);
        self.to.u32(field::SERIES)?.array(sorted.len() as u64 * 2)?;
        for (key, series) in sorted {
            self.to.u64(key)?;
            self.series(series)?;
        }
        Ok(())
    }

    fn series(&mut self, series: &Series) -> Written {
        match series {
            Series::Times(entries) => {
                self.to.array(entries.len() as u64 * 2 + 1)?.u8(0)?;
                for (at, count) in entries {
                    self.instant(*at)?;
                    self.to.u32(*count)?;
                }
            }
            Series::Amounts(entries) => {
                self.to.array(entries.len() as u64 * 5 + 1)?.u8(1)?;
                for amount in entries {
                    self.amount(amount)?;
                }
            }
            Series::Distinct(entries) => {
                self.to.array(entries.len() as u64 * 2 + 1)?.u8(2)?;
                for (hash, at) in entries {
                    self.to.u64(*hash)?;
                    self.instant(*at)?;
                }
            }
            Series::Last(last) => {
                let (at, value) = &**last;
                self.to.array(3)?.u8(3)?;
                self.instant(*at)?;
                self.value(value)?;
            }
            Series::LastTime(at) => {
                self.to.array(2)?.u8(4)?;
                self.instant(*at)?;
            }
            Series::Tally(tally) => {
                self.to.array(8)?.u8(5)?;
                self.instant(tally.first)?;
                self.instant(tally.last)?;
                self.to.u32(tally.count)?.u32(tally.days)?.i64(tally.gap_max.as_millis())?;
                let squares = tally.gap_squares;
                #[expect(clippy::cast_possible_truncation, reason = "the low half, on purpose")]
                self.to.u64((squares >> 64) as u64)?.u64(squares as u64)?;
            }
            Series::Total(total) => {
                self.to.array(6)?.u8(6)?;
                self.amount(total)?;
            }
        }
        Ok(())
    }

    fn amount(&mut self, amount: &Amount) -> Written {
        self.instant(amount.at)?;
        self.number(amount.sum)?;
        self.number(amount.min)?;
        self.number(amount.max)?;
        self.to.u32(amount.count)?;
        Ok(())
    }

    fn timer(&mut self, timer: &Timer) -> Written {
        let (length, tag) = match &timer.kind {
            TimerKind::Absence { .. } => (6, 0),
            TimerKind::Release { .. } => (3, 1),
            TimerKind::Date { .. } => (4, 2),
            TimerKind::Schedule { .. } => (3, 3),
            TimerKind::SessionEnd => (2, 4),
            TimerKind::Rescore { .. } => (3, 5),
            TimerKind::Task { .. } => (3, 6),
            TimerKind::Desk => (2, 7),
            TimerKind::Rung { .. } => (3, 28),
        };
        self.to.array(length)?.u8(tag)?;
        self.instant(timer.due)?;
        match &timer.kind {
            TimerKind::Absence { trigger, object, cause, extended_ms } => {
                self.name(Kind::Trigger, trigger.0)?;
                self.to.u64(*object)?;
                self.cause(cause)?;
                self.to.u32(*extended_ms)?;
            }
            TimerKind::Release { decision }
            | TimerKind::Task { decision }
            | TimerKind::Rung { decision } => {
                self.to.bytes(decision.as_bytes())?;
            }
            TimerKind::Date { trigger, offset } => {
                self.name(Kind::Trigger, trigger.0)?;
                self.to.u8(*offset)?;
            }
            TimerKind::Schedule { trigger } => self.name(Kind::Trigger, trigger.0)?,
            TimerKind::SessionEnd | TimerKind::Desk => {}
            TimerKind::Rescore { score } => self.name(Kind::Score, score.0)?,
        }
        Ok(())
    }

    pub(super) fn cause(&mut self, cause: &Cause) -> Written {
        self.to.array(5)?.str(&cause.occurrence)?;
        self.instant(cause.at)?;
        self.to.u8(cause.clause)?;
        match &cause.object {
            Some(object) => self.to.str(object)?,
            None => self.to.null()?,
        };
        self.to.array(cause.properties.len() as u64 * 2)?;
        for (slot, value) in &cause.properties {
            self.name(Kind::Property, slot.0)?;
            self.value(value)?;
        }
        Ok(())
    }

    fn progress(&mut self, progress: &Progress) -> Written {
        self.to.array(6)?;
        self.name(Kind::Trigger, progress.trigger.0)?;
        self.to.u64(progress.object)?;
        match progress.acted_at {
            Some(at) => self.instant(at)?,
            None => self.to.null()?.ok()?,
        }
        self.to.u32(progress.transitions)?.bool(progress.latch == Latch::Fired)?;
        self.to.array(progress.hits.len() as u64)?;
        progress.hits.iter().try_for_each(|at| self.instant(*at))
    }

    fn waiting(&mut self, waiting: &Waiting) -> Written {
        self.to.array(7)?.bytes(waiting.id.as_bytes())?;
        self.name(Kind::Trigger, waiting.trigger.0)?;
        self.cause(&waiting.cause)?;
        self.instant(waiting.decided_at)?;
        self.instant(waiting.release_at)?;
        self.instant(waiting.expires_at)?;
        self.to.str(waiting.reason.as_str())?;
        Ok(())
    }

    fn freeze(&mut self, freeze: &Freeze) -> Written {
        self.to.array(u64::from(freeze.purposes.count_ones()) + 4)?;
        self.name(Kind::Trigger, freeze.trigger.0)?;
        self.instant(freeze.since)?;
        self.instant(freeze.until)?;
        match &freeze.same {
            Some(same) => self.to.str(same)?,
            None => self.to.null()?,
        };
        self.bits(Kind::Purpose, freeze.purposes)
    }

    fn score(&mut self, score: &ScoreState) -> Written {
        self.to.array(if score.daily.is_some() { 6 } else { 4 })?;
        self.name(Kind::Score, score.score.0)?;
        self.number(score.value)?;
        match score.was {
            Some(was) => self.number(was)?,
            None => self.to.null()?.ok()?,
        }
        self.instant(score.changed_at)?;
        if let Some(daily) = &score.daily {
            self.to.i32(daily.day)?.array(daily.values.len() as u64)?;
            for value in &daily.values {
                self.to.f32(*value)?;
            }
        }
        Ok(())
    }

    /// A name of each bit that is set.
    pub(super) fn bits(&mut self, kind: Kind, bits: u32) -> Written {
        (0..32).filter(|bit| bits & (1 << bit) != 0).try_for_each(|bit| self.name(kind, bit))
    }

    pub(super) fn name_or_null(&mut self, kind: Kind, slot: Option<u16>) -> Written {
        match slot {
            Some(slot) => self.name(kind, slot),
            None => self.to.null()?.ok(),
        }
    }

    /// The index of a name, which is listed when it is used for the first time.
    pub(super) fn name(&mut self, kind: Kind, slot: u16) -> Written {
        let wanted = (kind, slot);
        let index = self.used.iter().position(|used| *used == wanted).unwrap_or_else(|| {
            self.used.push(wanted);
            self.used.len() - 1
        });
        self.to.u64(index as u64)?.ok()
    }

    pub(super) fn instant(&mut self, at: Timestamp) -> Written {
        self.to.i64((at - self.base).as_millis())?.ok()
    }

    /// Whole numbers are written as such: they are shorter and exact.
    pub(super) fn number(&mut self, number: f64) -> Written {
        /// Whole numbers up to here are the same in both forms.
        const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
        let whole = number.trunc().to_bits() == number.to_bits() && number.abs() < WHOLE_MAX;
        let negative_zero = number.to_bits() == (-0.0_f64).to_bits();
        if !whole || negative_zero {
            return self.to.f64(number)?.ok();
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
        self.to.i64(number as i64)?.ok()
    }

    fn value(&mut self, value: &Value) -> Written {
        match value {
            Value::Bool(flag) => self.to.bool(*flag)?.ok(),
            Value::Num(number) => self.number(*number),
            Value::Str(text) => self.to.str(text)?.ok(),
            Value::List(items) => {
                self.to.array(items.len() as u64)?;
                items.iter().try_for_each(|item| self.value(item))
            }
            Value::Map(fields) => {
                self.to.map(fields.len() as u64)?;
                fields.iter().try_for_each(|(key, value)| {
                    self.to.str(key)?;
                    self.value(value)
                })
            }
        }
    }
}

fn count_fields(state: &CustomerState) -> u64 {
    let always = 4;
    let optional = [
        !state.traits.is_empty(),
        !state.rare.consents.is_empty(),
        state.rare.profiling.is_some(),
        state.rare.paused_until.is_some(),
        state.rare.preferred_channel.is_some(),
        !state.series.is_empty(),
        !state.timers.is_empty(),
        !state.progress.is_empty(),
        !state.rare.waiting.is_empty(),
        !state.ledger.is_empty(),
        !state.rare.freezes.is_empty(),
        !state.rare.scores.is_empty(),
        !state.rare.rivals.is_empty(),
        !state.rare.bounced.is_empty(),
        state.rare.answered_at.is_some(),
        state.rare.handed_over_at.is_some(),
        !state.rare.tasks.is_empty(),
        state.rare.desk.is_some(),
        !state.rare.rungs.is_empty(),
        !state.rare.asks().is_empty(),
        state.rare.pool().is_some(),
        state.recent.latest().is_some(),
        !state.recent.marks().is_empty(),
        !state.recent.marks().is_empty(),
        state.rare.session.is_some(),
    ];
    always + optional.into_iter().map(u64::from).sum::<u64>()
}

fn refused(error: &minicbor::encode::Error<Infallible>) -> Error {
    Error::Malformed { what: error.to_string(), at: 0 }
}
