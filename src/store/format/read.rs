//! Reading a state back. The bytes are not trusted: whatever they hold, the answer is a state or
//! an error, and what is reserved for a list is bounded by the bytes that are left.

use minicbor::Decoder;
use minicbor::data::Type;
use smallvec::SmallVec;
use thin_vec::ThinVec;

use super::tables::SeriesKind;
use super::{Error, Strangers, Tables, VALUE_DEPTH_MAX, VERSION, field};
use crate::engine::customer::{
    Cause, Consent, CustomerState, Daily, Latch, Progress, ScoreState, TIMELINE_MAX, Waiting,
};
use crate::engine::decision::Reason;
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::Answer;
use crate::engine::names::Names;
use crate::engine::policy::Freeze;
use crate::engine::recent::Remembered;
use crate::engine::series::{Amount, Series, Tally};
use crate::engine::slot::{
    ChannelSlot, EventSlot, PropertySlot, PurposeSlot, ScoreSlot, SeriesSlot, TraitSlot,
    TriggerSlot,
};
use crate::engine::time::{Span, Timestamp};
use crate::engine::timer::{Timer, TimerKind};
use crate::engine::value::Value;

pub(super) type Read<T> = Result<T, minicbor::decode::Error>;

/// The reader of one state.
pub(super) struct Reader<'a, 'b> {
    pub(super) from: Decoder<'b>,
    texts: Vec<&'b str>,
    // Event slots by index of the name: the timeline repeats few names often.
    events: Vec<Option<EventSlot>>,
    pub(super) tables: &'a Tables,
    strangers: &'a mut Strangers,
    names: &'a mut Names,
    base: Timestamp,
}

/// Reads a state.
pub(super) fn state(
    tables: &Tables,
    strangers: &mut Strangers,
    names: &mut Names,
    id: CustomerId,
    bytes: &[u8],
) -> Result<CustomerState, Error> {
    let malformed = |what: &str| Error::Malformed { what: what.to_owned(), at: 0 };
    let (version, rest) = bytes.split_first().ok_or_else(|| malformed("no bytes"))?;
    if VERSION < *version {
        return Err(Error::Newer(*version));
    }
    if *version == 0 {
        return Err(malformed("format 0 never was"));
    }
    let mut reader = Reader {
        from: Decoder::new(rest),
        texts: Vec::new(),
        events: Vec::new(),
        tables,
        strangers,
        names,
        base: Timestamp::MIN,
    };
    let read = reader.whole(id);
    let at = reader.from.position().saturating_add(1);
    let mut state = read.map_err(|error| Error::Malformed { what: error.to_string(), at })?;
    forget_gone(&mut state);
    sort(&mut state);
    super::rivals::settle(&mut state);
    Ok(state)
}

/// Sorts by the slots of this catalog what the engine searches by slot.
fn sort(state: &mut CustomerState) {
    state.traits.sort_by_key(|(slot, _)| *slot);
    state.traits.dedup_by_key(|(slot, _)| *slot);
    state.series.sort_by_key(|(slot, _)| *slot);
    state.series.dedup_by_key(|(slot, _)| *slot);
    state.timers.sort_by_key(|timer| timer.due);
    state.progress.sort_by_key(|progress| (progress.trigger, progress.object));
    state.progress.dedup_by_key(|progress| (progress.trigger, progress.object));
    if !state.rare.scores.is_empty() {
        state.rare.scores.retain(|score| score.score.0 < Strangers::FIRST_SLOT);
        state.rare.scores.sort_by_key(|score| score.score);
        state.rare.scores.dedup_by_key(|score| score.score);
    }
}

/// Forgets what only a trigger that is gone would use. An outreach that waits for one stays: the
/// engine cancels it on record. So do contacts, consents and freezes: they protect the customer.
fn forget_gone(state: &mut CustomerState) {
    let gone = |slot: TriggerSlot| Strangers::FIRST_SLOT <= slot.0;
    state.progress.retain(|progress| !gone(progress.trigger));
    state.timers.retain(|timer| match &timer.kind {
        TimerKind::Absence { trigger, .. }
        | TimerKind::Date { trigger, .. }
        | TimerKind::Schedule { trigger } => !gone(*trigger),
        TimerKind::Rescore { score } => score.0 < Strangers::FIRST_SLOT,
        TimerKind::Release { .. }
        | TimerKind::Task { .. }
        | TimerKind::Desk
        | TimerKind::Rung { .. }
        | TimerKind::SessionEnd => true,
    });
}

impl<'b> Reader<'_, 'b> {
    fn whole(&mut self, id: CustomerId) -> Read<CustomerState> {
        let count = self.length()?;
        self.texts.reserve(count);
        for _ in 0..count {
            let text = self.from.str()?;
            self.texts.push(text);
        }
        self.events.resize(count, None);
        let fields = self.from.map()?.ok_or_else(indefinite)?;
        let mut state = CustomerState::new(id, Timestamp::MIN);
        let mut heard = (None, None);
        for _ in 0..fields {
            let number = self.from.u32()?;
            match number {
                // Instants follow it: a writer puts it first.
                field::FIRST_SEEN => {
                    self.base = Timestamp::from_millis(self.from.i64()?);
                    state.first_seen = self.base;
                }
                field::NOW => heard.0 = Some(self.instant()?),
                field::LAST_SEEN => heard.1 = Some(self.instant()?),
                _ => self.field(number, &mut state)?,
            }
        }
        state.now = heard.0.unwrap_or(self.base);
        state.last_seen = heard.1.unwrap_or(self.base);
        Ok(state)
    }

    fn field(&mut self, number: u32, state: &mut CustomerState) -> Read<()> {
        match number {
            field::APPLIED => state.applied = self.from.u64()?,
            field::TRAITS => state.traits = self.traits()?,
            field::CONSENTS => state.rare.consents = self.list(Self::consent)?,
            field::PROFILING => state.rare.profiling = Some(Box::new(self.profiling()?)),
            field::PAUSED_UNTIL => state.rare.paused_until = Some(self.instant()?),
            field::PREFERRED_CHANNEL => {
                state.rare.preferred_channel = Some(ChannelSlot(self.channel()?));
            }
            field::SERIES => state.series = self.all_series()?,
            field::TIMERS => state.timers = self.list(Self::timer)?,
            field::PROGRESS => state.progress = self.list(Self::progress)?,
            field::WAITING => state.rare.waiting = self.list(Self::waiting)?,
            field::LEDGER => state.ledger = self.list(Self::contact)?,
            field::FREEZES => state.rare.freezes = self.list(Self::freeze)?,
            field::SCORES => state.rare.scores = self.list(Self::score)?,
            field::TASKS => state.rare.tasks = self.list(Self::task)?,
            field::DESK => state.rare.desk = Some(Box::new(self.desk()?)),
            field::RIVALS => state.rare.rivals = self.list(Self::rival)?,
            field::ANSWERED_AT => state.rare.answered_at = Some(self.instant()?),
            field::HANDED_OVER_AT => state.rare.handed_over_at = Some(self.instant()?),
            field::RUNGS => state.rare.rungs = self.list(Self::rung)?,
            field::ASKS => {
                state.rare.pools.get_or_insert_default().asks = self.list(Self::ask)?;
            }
            field::POOL => {
                let pool = Box::new(self.pool()?);
                state.rare.pools.get_or_insert_default().pool = Some(pool);
            }
            field::BOUNCED => state.rare.bounced = self.list(Self::bounced)?,
            field::TIMELINE => state.recent.set_timeline(self.timeline()?.into_iter()),
            field::SEEN => {
                let bytes = self.from.bytes()?;
                let (hashes, _) = bytes.as_chunks();
                state.recent.set_marks(hashes.iter().map(|hash| u64::from_le_bytes(*hash)));
            }
            field::SEEN_NEXT => state.recent.set_next_mark(self.from.u16()?),
            field::SESSION => state.rare.session = Some(Box::new(self.session()?)),
            _ => self.from.skip()?,
        }
        Ok(())
    }

    /// Length of an array that begins here; more than there are bytes left is refused.
    pub(super) fn length(&mut self) -> Read<usize> {
        let length = self.from.array()?.ok_or_else(indefinite)?;
        self.bounded(length)
    }

    fn bounded(&self, length: u64) -> Read<usize> {
        let left = self.from.input().len().saturating_sub(self.from.position());
        usize::try_from(length)
            .ok()
            .filter(|length| *length <= left)
            .ok_or_else(|| wrong("a list is longer than its bytes"))
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self, usize) -> Read<T>) -> Read<ThinVec<T>> {
        let count = self.length()?;
        let mut items = ThinVec::with_capacity(count);
        for _ in 0..count {
            let members = self.length()?;
            items.push(read(self, members)?);
        }
        Ok(items)
    }

    /// Skips the members of a record that this version does not know.
    pub(super) fn skip_rest(&mut self, members: usize, known: usize) -> Read<()> {
        if members < known {
            return Err(wrong("a record is too short"));
        }
        (known..members).try_for_each(|_| self.from.skip())
    }

    fn traits(&mut self) -> Read<ThinVec<(TraitSlot, Value)>> {
        let count = self.length()? / 2;
        let mut traits = ThinVec::with_capacity(count);
        for _ in 0..count {
            let name = self.text()?;
            let slot = self.names.trait_(name);
            let value = self.value(0)?;
            // No room for one more name: the trait is forgotten rather than misnamed.
            if let Some(slot) = slot {
                traits.push((slot, value));
            }
        }
        Ok(traits)
    }

    fn timeline(&mut self) -> Read<SmallVec<[Remembered; TIMELINE_MAX]>> {
        let count = self.length()? / 2;
        let mut timeline = SmallVec::with_capacity(count);
        for _ in 0..count {
            let event = self.event()?;
            timeline.push(Remembered::new(event, self.instant()?));
        }
        Ok(timeline)
    }

    fn consent(&mut self, members: usize) -> Read<Consent> {
        let purpose = self.or_null(Self::purpose)?.map(PurposeSlot);
        let channel = self.or_null(Self::channel)?.map(ChannelSlot);
        let answer = if self.from.bool()? { Answer::Granted } else { Answer::Denied };
        let at = self.instant()?;
        let source = self.from.str()?.into();
        // Older states hold no evidence.
        let evidence = if 5 < members { Some(self.from.str()?.into()) } else { None };
        self.skip_rest(members, 5 + usize::from(evidence.is_some()))?;
        Ok(Consent { purpose, channel, answer, at, source, evidence })
    }

    fn all_series(&mut self) -> Read<ThinVec<(SeriesSlot, Series)>> {
        let count = self.length()? / 2;
        let mut all = ThinVec::with_capacity(count);
        for _ in 0..count {
            let key = self.from.u64()?;
            let members = self.length()?;
            let Some(series) = self.series(members)? else { continue };
            // A series that no file refers to any more is forgotten.
            if let Some(slot) = self.tables.find_series(key, SeriesKind::of(&series)) {
                all.push((SeriesSlot(slot), series));
            }
        }
        Ok(all)
    }

    fn series(&mut self, members: usize) -> Read<Option<Series>> {
        let rest = members.checked_sub(1).ok_or_else(|| wrong("a series is empty"))?;
        Ok(Some(match self.from.u8()? {
            0 => {
                let mut entries = ThinVec::with_capacity(rest / 2);
                for _ in 0..rest / 2 {
                    entries.push((self.instant()?, self.from.u32()?));
                }
                Series::Times(entries)
            }
            1 => {
                let mut entries = ThinVec::with_capacity(rest / 5);
                for _ in 0..rest / 5 {
                    entries.push(self.amount()?);
                }
                Series::Amounts(entries)
            }
            2 => {
                let mut entries = ThinVec::with_capacity(rest / 2);
                for _ in 0..rest / 2 {
                    entries.push((self.from.u64()?, self.instant()?));
                }
                Series::Distinct(entries)
            }
            3 => {
                let series = Series::Last(Box::new((self.instant()?, self.value(0)?)));
                self.skip_rest(rest, 2)?;
                series
            }
            4 => {
                let series = Series::LastTime(self.instant()?);
                self.skip_rest(rest, 1)?;
                series
            }
            5 => {
                let tally = self.tally()?;
                self.skip_rest(rest, 7)?;
                Series::Tally(Box::new(tally))
            }
            6 => {
                let total = self.amount()?;
                self.skip_rest(rest, 5)?;
                Series::Total(Box::new(total))
            }
            _ => {
                self.skip_rest(rest, 0)?;
                return Ok(None);
            }
        }))
    }

    fn tally(&mut self) -> Read<Tally> {
        let (first, last) = (self.instant()?, self.instant()?);
        let (count, days) = (self.from.u32()?, self.from.u32()?);
        let gap_max = Span::from_millis(self.from.i64()?);
        // Sixteen bytes in two words, the high one first.
        let (high, low) = (self.from.u64()?, self.from.u64()?);
        let gap_squares = u128::from(high) << 64 | u128::from(low);
        Ok(Tally { first, last, count, days, gap_max, gap_squares })
    }

    fn amount(&mut self) -> Read<Amount> {
        Ok(Amount {
            at: self.instant()?,
            sum: self.number()?,
            min: self.number()?,
            max: self.number()?,
            count: self.from.u32()?,
        })
    }

    fn timer(&mut self, members: usize) -> Read<Timer> {
        let tag = self.from.u8()?;
        let due = self.instant()?;
        let (kind, known) = match tag {
            0 => {
                let trigger = self.trigger()?;
                let object = self.from.u64()?;
                let cause = Box::new(self.cause()?);
                let extended_ms = self.from.u32()?;
                (TimerKind::Absence { trigger, object, cause, extended_ms }, 6)
            }
            1 => (TimerKind::Release { decision: self.decision()? }, 3),
            2 => {
                let trigger = self.trigger()?;
                (TimerKind::Date { trigger, offset: self.from.u8()? }, 4)
            }
            3 => (TimerKind::Schedule { trigger: self.trigger()? }, 3),
            4 => (TimerKind::SessionEnd, 2),
            5 => (TimerKind::Rescore { score: self.score_slot()? }, 3),
            7 => (TimerKind::Desk, 2),
            6 => (TimerKind::Task { decision: self.decision()? }, 3),
            28 => (TimerKind::Rung { decision: self.decision()? }, 3),
            _ => return Err(wrong("a timer is of an unknown kind")),
        };
        self.skip_rest(members, known)?;
        Ok(Timer { due, kind })
    }

    pub(super) fn cause(&mut self) -> Read<Cause> {
        let members = self.length()?;
        let occurrence = self.from.str()?.into();
        let at = self.instant()?;
        let clause = self.from.u8()?;
        let object = self.or_null(|reader| reader.from.str())?.map(Into::into);
        let count = self.length()? / 2;
        let mut properties = ThinVec::with_capacity(count);
        for _ in 0..count {
            let name = self.text()?;
            let slot = self.tables.properties.find(name);
            let value = self.value(0)?;
            if let Some(slot) = slot {
                properties.push((PropertySlot(slot), value));
            }
        }
        properties.sort_by_key(|(slot, _): &(PropertySlot, Value)| *slot);
        self.skip_rest(members, 5)?;
        Ok(Cause { occurrence, at, clause, object, properties })
    }

    fn progress(&mut self, members: usize) -> Read<Progress> {
        let trigger = self.trigger()?;
        let object = self.from.u64()?;
        let acted_at = self.or_null(Self::instant)?;
        let transitions = self.from.u32()?;
        let latch = if self.from.bool()? { Latch::Fired } else { Latch::Armed };
        let count = self.length()?;
        let mut hits = ThinVec::with_capacity(count);
        for _ in 0..count {
            hits.push(self.instant()?);
        }
        self.skip_rest(members, 6)?;
        Ok(Progress { trigger, object, acted_at, transitions, latch, hits })
    }

    fn waiting(&mut self, members: usize) -> Read<Waiting> {
        let waiting = Waiting {
            id: self.decision()?,
            trigger: self.trigger()?,
            cause: Box::new(self.cause()?),
            decided_at: self.instant()?,
            release_at: self.instant()?,
            expires_at: self.instant()?,
            // A reason that this version does not know is replaced at the release anyway.
            reason: Reason::parse(self.from.str()?).unwrap_or(Reason::Capped),
        };
        self.skip_rest(members, 7)?;
        Ok(waiting)
    }

    fn freeze(&mut self, members: usize) -> Read<Freeze> {
        let purposes = members.checked_sub(4).ok_or_else(|| wrong("a freeze is too short"))?;
        let mut freeze = Freeze {
            trigger: self.trigger()?,
            purposes: 0,
            since: self.instant()?,
            until: self.instant()?,
            same: self.or_null(|reader| reader.from.str())?.map(Into::into),
        };
        for _ in 0..purposes {
            let name = self.text()?;
            freeze.purposes |= self.tables.purposes.find(name).map_or(0, bit);
        }
        Ok(freeze)
    }

    fn score(&mut self, members: usize) -> Read<ScoreState> {
        let score = self.score_slot()?;
        let value = self.number()?;
        let was = self.or_null(Self::number)?;
        let changed_at = self.instant()?;
        let mut daily = None;
        let mut known = 4;
        if 6 <= members {
            known = 6;
            let day = self.from.i32()?;
            let count = self.length()?;
            let mut values = ThinVec::with_capacity(count);
            for _ in 0..count {
                let value = self.from.f32()?;
                values.push(if value.is_nan() { 0.0 } else { value });
            }
            daily = Some(Box::new(Daily { day, values }));
        }
        self.skip_rest(members, known)?;
        Ok(ScoreState { score, value, was, changed_at, daily })
    }

    pub(super) fn or_null<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<Option<T>> {
        if self.from.datatype()? == Type::Null {
            self.from.null()?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    pub(super) fn decision(&mut self) -> Read<DecisionId> {
        let bytes = self.from.bytes()?;
        let bytes = <[u8; 16]>::try_from(bytes).map_err(|_| wrong("an id is not 16 bytes"))?;
        Ok(DecisionId::from_bytes(bytes))
    }

    fn index(&mut self) -> Read<usize> {
        let index = self.from.u64()?;
        usize::try_from(index).map_err(|_| wrong("a name is not in the list"))
    }

    pub(super) fn text(&mut self) -> Read<&'b str> {
        let index = self.index()?;
        self.texts.get(index).copied().ok_or_else(|| wrong("a name is not in the list"))
    }

    fn event(&mut self) -> Read<EventSlot> {
        let index = self.index()?;
        if let Some(Some(known)) = self.events.get(index) {
            return Ok(*known);
        }
        let text = self.texts.get(index).ok_or_else(|| wrong("a name is not in the list"))?;
        let slot = match *text {
            "(other)" => Names::OTHER_EVENT,
            name => self.names.event(name),
        };
        if let Some(known) = self.events.get_mut(index) {
            *known = Some(slot);
        }
        Ok(slot)
    }

    pub(super) fn trigger(&mut self) -> Read<TriggerSlot> {
        let text = self.text()?;
        let found = self.tables.triggers.find(text);
        Ok(TriggerSlot(found.unwrap_or_else(|| self.strangers.intern(text))))
    }

    pub(super) fn purpose(&mut self) -> Read<u16> {
        let text = self.text()?;
        let found = self.tables.purposes.find(text);
        Ok(found.unwrap_or_else(|| self.strangers.intern(text)))
    }

    pub(super) fn channel(&mut self) -> Read<u16> {
        let text = self.text()?;
        let found = self.tables.channels.find(text);
        Ok(found.unwrap_or_else(|| self.strangers.intern(text)))
    }

    pub(super) fn score_slot(&mut self) -> Read<ScoreSlot> {
        let text = self.text()?;
        // A score that is gone is forgotten: its slot only has to be no slot of the catalog.
        Ok(ScoreSlot(self.tables.scores.find(text).unwrap_or(Strangers::OTHER_SLOT)))
    }

    pub(super) fn instant(&mut self) -> Read<Timestamp> {
        Ok(self.base + Span::from_millis(self.from.i64()?))
    }

    pub(super) fn number(&mut self) -> Read<f64> {
        let number = match self.from.datatype()? {
            Type::F64 => self.from.f64()?,
            _ => whole(self.from.i64()?),
        };
        if number.is_finite() { Ok(number) } else { Err(wrong("a number is not finite")) }
    }

    fn value(&mut self, depth: u32) -> Read<Value> {
        if VALUE_DEPTH_MAX < depth {
            return Err(wrong("a value is nested too deeply"));
        }
        Ok(match self.from.datatype()? {
            Type::Bool => Value::Bool(self.from.bool()?),
            Type::String => Value::Str(self.from.str()?.into()),
            Type::Array => {
                let count = self.length()?;
                let mut items = Vec::with_capacity(count.min(RESERVED_MAX));
                for _ in 0..count {
                    items.push(self.value(depth + 1)?);
                }
                Value::List(items.into())
            }
            Type::Map => {
                let count = self.from.map()?.ok_or_else(indefinite)?;
                let count = self.bounded(count)?;
                let mut fields: Vec<(Box<str>, Value)> =
                    Vec::with_capacity(count.min(RESERVED_MAX));
                for _ in 0..count {
                    fields.push((self.from.str()?.into(), self.value(depth + 1)?));
                }
                fields.sort_by(|(left, _), (right, _)| left.cmp(right));
                fields.dedup_by(|(left, _), (right, _)| left == right);
                Value::Map(fields.into())
            }
            _ => Value::Num(self.number()?),
        })
    }
}

/// Members of a nested value for which room is made before they are read.
const RESERVED_MAX: usize = 64;

pub(super) fn bit(slot: u16) -> u32 {
    1_u32.checked_shl(u32::from(slot)).unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "a writer writes at most 53 bits so")]
fn whole(number: i64) -> f64 {
    number as f64
}

fn indefinite() -> minicbor::decode::Error {
    wrong("a list has no length")
}

pub(super) fn wrong(what: &str) -> minicbor::decode::Error {
    minicbor::decode::Error::message(what)
}
