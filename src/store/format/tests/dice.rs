//! Invents states from a seed.

use super::super::*;
use crate::engine::classifier::Case;
use crate::engine::customer::{
    Bounced, Cause, Consent, Contact, ContactKind, Daily, Latch, Profiling, Progress, ScoreState,
    Session, Waiting,
};
use crate::engine::decision::Reason;
use crate::engine::desk::{Desk, Held, Request, Waits};
use crate::engine::id::DecisionId;
use crate::engine::input::{Answer, Told};
use crate::engine::policy::Freeze;
use crate::engine::recent::Remembered;
use crate::engine::rival::{Came, Rival, Said};
use crate::engine::series::{Amount, Series};
use crate::engine::slot::{
    ChannelSlot, PropertySlot, PurposeSlot, ScoreSlot, SeriesSlot, TriggerSlot,
};
use crate::engine::task::{AtDesk, CHAIN_MAX, Stage, Standing, TaskOutcome, TaskState};
use crate::engine::time::{Span, Timestamp};
use crate::engine::timer::{Timer, TimerKind};
use crate::engine::value::Value;

/// A source of states, the same for the same seed.
pub(in crate::store::format) struct Dice(pub(super) u64);

impl Dice {
    pub(in crate::store::format) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(in crate::store::format) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(in crate::store::format) fn slot(&mut self, bound: u64) -> u16 {
        u16::try_from(self.below(bound)).unwrap()
    }

    pub(in crate::store::format) fn instant(&mut self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.below(4_000_000_000_000)).unwrap())
    }

    pub(in crate::store::format) fn small(&mut self) -> u32 {
        u32::try_from(self.below(1 << 20)).unwrap()
    }

    pub(in crate::store::format) fn number(&mut self) -> f64 {
        match self.below(4) {
            0 => 0.0,
            1 => -0.0,
            2 => f64::from(self.small()),
            _ => f64::from(self.small()) / 7.0 - 70_000.0,
        }
    }

    pub(in crate::store::format) fn text(&mut self) -> Box<str> {
        let letters = ["", "a", "ü", "日本", "\u{0}", "long text with spaces", "\""];
        (0..self.below(3)).map(|_| letters[usize::from(self.slot(7))]).collect::<String>().into()
    }

    pub(in crate::store::format) fn maybe<T>(
        &mut self,
        make: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    pub(in crate::store::format) fn list<T, L: FromIterator<T>>(
        &mut self,
        mut make: impl FnMut(&mut Self) -> T,
    ) -> L {
        let count = self.below(4);
        (0..count).map(|_| make(self)).collect()
    }

    pub(in crate::store::format) fn value(&mut self, depth: u32) -> Value {
        match self.below(if depth < 3 { 5 } else { 3 }) {
            0 => Value::Bool(self.below(2) == 0),
            1 => Value::Num(self.number()),
            2 => Value::Str((&*self.text()).into()),
            3 => Value::List(self.list::<_, Vec<_>>(|dice| dice.value(depth + 1)).into()),
            _ => {
                let fields: std::collections::BTreeMap<Box<str>, Value> =
                    self.list(|dice| (dice.text(), dice.value(depth + 1)));
                Value::Map(fields.into_iter().collect::<Vec<_>>().into())
            }
        }
    }

    pub(in crate::store::format) fn id(&mut self) -> DecisionId {
        let half = self.next().to_le_bytes();
        DecisionId::from_bytes([half, half].concat().try_into().unwrap())
    }

    pub(in crate::store::format) fn cause(&mut self) -> Cause {
        let slots: std::collections::BTreeSet<u16> = self.list(|dice| dice.slot(2));
        Cause {
            occurrence: self.text(),
            at: self.instant(),
            clause: 3,
            object: self.maybe(Self::text),
            properties: slots.into_iter().map(|slot| (PropertySlot(slot), self.value(0))).collect(),
        }
    }

    pub(in crate::store::format) fn series(&mut self) -> thin_vec::ThinVec<(SeriesSlot, Series)> {
        let all = [
            Series::Times(self.list(|dice| (dice.instant(), dice.small()))),
            Series::Amounts(self.list(|dice| Amount {
                at: dice.instant(),
                sum: dice.number(),
                min: dice.number(),
                max: dice.number(),
                count: dice.small(),
            })),
            Series::Distinct(self.list(|dice| (dice.next(), dice.instant()))),
            Series::Last(Box::new((self.instant(), self.value(0)))),
            Series::LastTime(self.instant()),
        ];
        (0_u16..).map(SeriesSlot).zip(all).filter(|_| self.below(2) == 0).collect()
    }

    pub(in crate::store::format) fn timer_kind(&mut self) -> TimerKind {
        let trigger = TriggerSlot(self.slot(3));
        match self.below(6) {
            0 => TimerKind::Absence {
                trigger,
                object: self.next(),
                cause: Box::new(self.cause()),
                extended_ms: self.small(),
            },
            1 => TimerKind::Release { decision: self.id() },
            2 => TimerKind::Date { trigger, offset: 2 },
            3 => TimerKind::Schedule { trigger },
            4 => TimerKind::SessionEnd,
            _ => TimerKind::Rescore { score: ScoreSlot(self.slot(2)) },
        }
    }

    pub(in crate::store::format) fn progress(&mut self) -> Progress {
        Progress {
            trigger: TriggerSlot(self.slot(3)),
            object: self.below(3),
            acted_at: self.maybe(Self::instant),
            transitions: self.small(),
            latch: if self.below(2) == 0 { Latch::Armed } else { Latch::Fired },
            hits: self.list(Self::instant),
        }
    }

    pub(in crate::store::format) fn waiting(&mut self) -> Waiting {
        Waiting {
            id: self.id(),
            trigger: TriggerSlot(self.slot(3)),
            cause: Box::new(self.cause()),
            decided_at: self.instant(),
            release_at: self.instant(),
            expires_at: self.instant(),
            reason: Reason::ALL[usize::from(self.slot(20))],
        }
    }

    pub(in crate::store::format) fn contact(&mut self) -> Contact {
        let kinds = [
            ContactKind::Reserved,
            ContactKind::Sent,
            ContactKind::Unknown,
            ContactKind::Ghost,
            ContactKind::DryRun,
        ];
        Contact {
            at: self.instant(),
            decision: self.next(),
            trigger: TriggerSlot(self.slot(3)),
            purpose: self.maybe(|dice| PurposeSlot(dice.slot(2))),
            channel: ChannelSlot(self.slot(2)),
            tags: u32::from(self.slot(4)),
            kind: kinds[usize::from(self.slot(5))],
            told: Told::Nothing,
        }
    }

    pub(in crate::store::format) fn rival(&mut self, slot: u16) -> Rival {
        Rival {
            score: ScoreSlot(slot),
            pair: self.next(),
            value: self.maybe(Self::number),
            open: self.maybe(|dice| Said {
                at: dice.instant(),
                seen: u32::from(dice.slot(900)),
                champion: dice.number(),
                challenger: dice.number(),
            }),
            closed: self.list(|dice| Came {
                at: dice.instant(),
                case: if dice.below(2) == 0 { Case::Positive } else { Case::Negative },
                champion: dice.number(),
                challenger: dice.number(),
            }),
        }
    }

    pub(in crate::store::format) fn score(&mut self, slot: u16) -> ScoreState {
        ScoreState {
            score: ScoreSlot(slot),
            value: self.number(),
            was: self.maybe(Self::number),
            changed_at: self.instant(),
            daily: self.maybe(|dice| {
                let day = i32::try_from(dice.below(20_000)).unwrap();
                Box::new(Daily { day, values: dice.list(|dice| f32::from(dice.slot(100))) })
            }),
        }
    }

    pub(in crate::store::format) fn task(&mut self) -> TaskState {
        TaskState {
            id: self.id(),
            trigger: TriggerSlot(self.slot(3)),
            stage: Stage::ALL[usize::from(self.slot(4))],
            turn: self.small(),
            opened_at: self.instant(),
            changed_at: self.instant(),
            ack_within: self.maybe(|dice| Span::from_millis(i64::from(dice.small()))),
            ack_by: self.maybe(Self::instant),
            due_at: self.maybe(Self::instant),
            overdue_at: self.maybe(Self::instant),
            expires_at: self.maybe(Self::instant),
            assigned_to: self.maybe(Self::text),
            chain: (0..self.slot(3)).map(|_| self.text()).take(CHAIN_MAX).collect(),
            outcome: self.maybe(|dice| TaskOutcome::ALL[usize::from(dice.slot(6))]),
            desk: self.maybe(|dice| {
                Box::new(AtDesk {
                    team: dice.text(),
                    request: dice.request(),
                    standing: Standing::ALL[usize::from(dice.slot(4))],
                    again_at: dice.maybe(Self::instant),
                    why: dice.maybe(Self::text),
                })
            }),
        }
    }

    pub(in crate::store::format) fn request(&mut self) -> Request {
        Request {
            priority: 3,
            worth: self.number(),
            opened_at: self.instant(),
            skills: (0..self.slot(3)).map(|_| self.text()).collect(),
            language: self.maybe(Self::text),
            owner: self.maybe(Self::text),
        }
    }

    pub(in crate::store::format) fn desk(&mut self) -> Desk {
        Desk {
            day: 20_000,
            taken: self.small(),
            by_person: (0..self.slot(3)).map(|_| (self.text(), self.small())).collect(),
            waiting: (0..self.slot(3))
                .map(|_| {
                    let customer = CustomerId::new(self.text());
                    Waits { task: self.id(), customer, request: self.request() }
                })
                .collect(),
            held: (0..self.slot(3))
                .map(|_| Held { task: self.id(), person: self.text(), since: self.instant() })
                .collect(),
        }
    }

    pub(in crate::store::format) fn consent(&mut self) -> Consent {
        Consent {
            purpose: self.maybe(|dice| PurposeSlot(dice.slot(2))),
            channel: self.maybe(|dice| ChannelSlot(dice.slot(2))),
            answer: if self.below(2) == 0 { Answer::Granted } else { Answer::Denied },
            at: self.instant(),
            source: self.text(),
            evidence: self.maybe(Self::text),
        }
    }

    pub(in crate::store::format) fn profiling(&mut self) -> Profiling {
        Profiling {
            answer: if self.below(2) == 0 { Answer::Granted } else { Answer::Denied },
            at: self.instant(),
            source: self.text(),
            evidence: self.maybe(Self::text),
        }
    }

    pub(in crate::store::format) fn freeze(&mut self) -> Freeze {
        Freeze {
            trigger: TriggerSlot(self.slot(3)),
            purposes: u32::from(self.slot(4)),
            since: self.instant(),
            until: self.instant(),
            same: self.maybe(Self::text),
        }
    }

    pub(in crate::store::format) fn state(&mut self, names: &mut Names) -> CustomerState {
        let mut state = CustomerState::new(CustomerId::new("c1"), self.instant());
        state.applied = self.next();
        state.now = self.instant();
        state.last_seen = self.instant();
        for trait_ in ["plan", "email", "only arrived", "other"] {
            if self.below(2) == 0 {
                state.traits.push((names.trait_(trait_).unwrap(), self.value(0)));
            }
        }
        state.traits.sort_by_key(|(slot, _)| *slot);
        state.rare.consents = self.list(Self::consent);
        state.rare.paused_until = self.maybe(Self::instant);
        state.rare.preferred_channel = self.maybe(|dice| ChannelSlot(dice.slot(2)));
        state.series = self.series();
        state.timers = self.list(|dice| Timer { due: dice.instant(), kind: dice.timer_kind() });
        state.timers.sort_by_key(|timer| timer.due);
        state.progress = self.list(Self::progress);
        state.progress.sort_by_key(|progress| (progress.trigger, progress.object));
        state.progress.dedup_by_key(|progress| (progress.trigger, progress.object));
        state.rare.waiting = self.list(Self::waiting);
        state.ledger = self.list(Self::contact);
        state.rare.freezes = self.list(Self::freeze);
        state.rare.scores = (0..self.slot(3)).map(|slot| self.score(slot)).collect();
        let timeline: thin_vec::ThinVec<Remembered> = self.list(|dice| {
            let name = ["Page: /", "Cart Updated", "only arrived"][usize::from(dice.slot(3))];
            Remembered::new(names.event(name), dice.instant())
        });
        let marks: thin_vec::ThinVec<u64> = self.list(Self::next);
        state.recent.set_timeline(timeline.into_iter());
        state.recent.set_marks(marks.iter().copied());
        if !marks.is_empty() {
            state.recent.set_next_mark(self.slot(200));
        }
        state.rare.session = self.maybe(|dice| {
            let (started_at, last_at) = (dice.instant(), dice.instant());
            Box::new(Session { started_at, last_at, events: dice.small() })
        });
        // Last: what was drawn before it was written down once.
        state.rare.rivals = (0..self.slot(3)).map(|slot| self.rival(slot)).collect();
        for contact in &mut state.ledger {
            contact.told = Told::from_code(u8::try_from(self.slot(10)).unwrap()).unwrap();
        }
        state.rare.answered_at = self.maybe(Self::instant);
        state.rare.handed_over_at = self.maybe(Self::instant);
        state.rare.bounced = self.list(|dice| Bounced {
            channel: ChannelSlot(dice.slot(2)),
            address: dice.next(),
            at: dice.instant(),
        });
        state.rare.tasks = self.list(Self::task);
        for task in &state.rare.tasks {
            let kind = TimerKind::Task { decision: task.id };
            state.timers.push(Timer { due: task.opened_at, kind });
        }
        state.rare.profiling = self.maybe(Self::profiling).map(Box::new);
        state.rare.desk = self.maybe(|dice| Box::new(dice.desk()));
        if state.rare.desk.is_some() {
            state.timers.push(Timer { due: self.instant(), kind: TimerKind::Desk });
        }
        state.rare.rungs = self.list(|dice| dice.rung());
        for rung in &state.rare.rungs {
            let kind = TimerKind::Rung { decision: rung.decision };
            state.timers.push(Timer { due: rung.expires_at, kind });
        }
        state.rare.pools = self.maybe(|dice| Box::new(dice.pools()));
        state.timers.sort_by_key(|timer| timer.due);
        state
    }
}
