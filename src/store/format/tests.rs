//! States survive the way to bytes and back, and bytes of any kind survive the reader.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
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
use crate::engine::series::{Amount, Series, Tally};
use crate::engine::slot::{
    ChannelSlot, PropertySlot, PurposeSlot, ScoreSlot, SeriesSlot, TriggerSlot,
};
use crate::engine::task::{AtDesk, CHAIN_MAX, Stage, Standing, TaskOutcome, TaskState};
use crate::engine::time::{Span, Timestamp};
use crate::engine::timer::{Timer, TimerKind};
use crate::engine::value::Value;

fn table(names: &[&str]) -> Table {
    Table::new(names.iter().map(|name| Arc::from(*name)))
}

fn tables() -> Tables {
    let mut tables = Tables::default();
    tables.triggers = table(&["cart", "dwell", "renewal"]);
    tables.scores = table(&["health", "churn"]);
    tables.purposes = table(&["marketing", "service"]);
    tables.channels = table(&["email", "in_app"]);
    tables.tags = table(&["onboarding", "vip"]);
    tables.properties = table(&["path", "value"]);
    tables.with_series([
        (11, SeriesKind::Times),
        (7, SeriesKind::Amounts),
        (5, SeriesKind::Distinct),
        (3, SeriesKind::Last),
        (1, SeriesKind::LastTime),
        (13, SeriesKind::Tally),
        (17, SeriesKind::Total),
    ])
}

fn names() -> Names {
    let texts = |list: &[&str]| list.iter().map(|name| Arc::from(*name)).collect::<Vec<_>>();
    Names::new(&texts(&["Page: /", "Cart Updated"]), &texts(&["plan", "email"]))
}

#[test]
fn numbers_of_the_whole_history_survive() {
    let mut dice = Dice(3);
    let tally = Tally {
        first: dice.instant(),
        last: dice.instant(),
        count: dice.small(),
        days: dice.small(),
        gap_max: Span::from_millis(i64::from(dice.small())),
        gap_squares: u128::from(dice.next()) << 64 | u128::from(dice.next()),
    };
    let total = Amount { at: dice.instant(), sum: 7.5, min: -1.0, max: 3.25, count: dice.small() };
    let mut state = CustomerState::new(CustomerId::new("c1"), Timestamp::from_millis(1_000));
    state.series.push((SeriesSlot(5), Series::Tally(Box::new(tally))));
    state.series.push((SeriesSlot(6), Series::Total(Box::new(total))));
    let mut names = names();
    let bytes = encoded(&names, &state);
    assert_eq!(decoded(&mut Format::new(tables()), &mut names, &bytes).unwrap(), state);
}

/// Invents states from a seed.
pub(super) struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn slot(&mut self, bound: u64) -> u16 {
        u16::try_from(self.below(bound)).unwrap()
    }

    pub(super) fn instant(&mut self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.below(4_000_000_000_000)).unwrap())
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.below(1 << 20)).unwrap()
    }

    fn number(&mut self) -> f64 {
        match self.below(4) {
            0 => 0.0,
            1 => -0.0,
            2 => f64::from(self.small()),
            _ => f64::from(self.small()) / 7.0 - 70_000.0,
        }
    }

    fn text(&mut self) -> Box<str> {
        let letters = ["", "a", "ü", "日本", "\u{0}", "long text with spaces", "\""];
        (0..self.below(3)).map(|_| letters[usize::from(self.slot(7))]).collect::<String>().into()
    }

    pub(super) fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| make(self))
    }

    pub(super) fn list<T, L: FromIterator<T>>(
        &mut self,
        mut make: impl FnMut(&mut Self) -> T,
    ) -> L {
        let count = self.below(4);
        (0..count).map(|_| make(self)).collect()
    }

    fn value(&mut self, depth: u32) -> Value {
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

    pub(super) fn id(&mut self) -> DecisionId {
        let half = self.next().to_le_bytes();
        DecisionId::from_bytes([half, half].concat().try_into().unwrap())
    }

    pub(super) fn cause(&mut self) -> Cause {
        let slots: std::collections::BTreeSet<u16> = self.list(|dice| dice.slot(2));
        Cause {
            occurrence: self.text(),
            at: self.instant(),
            clause: 3,
            object: self.maybe(Self::text),
            properties: slots.into_iter().map(|slot| (PropertySlot(slot), self.value(0))).collect(),
        }
    }

    fn series(&mut self) -> thin_vec::ThinVec<(SeriesSlot, Series)> {
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

    fn timer_kind(&mut self) -> TimerKind {
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

    fn progress(&mut self) -> Progress {
        Progress {
            trigger: TriggerSlot(self.slot(3)),
            object: self.below(3),
            acted_at: self.maybe(Self::instant),
            transitions: self.small(),
            latch: if self.below(2) == 0 { Latch::Armed } else { Latch::Fired },
            hits: self.list(Self::instant),
        }
    }

    fn waiting(&mut self) -> Waiting {
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

    fn contact(&mut self) -> Contact {
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

    fn rival(&mut self, slot: u16) -> Rival {
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

    fn score(&mut self, slot: u16) -> ScoreState {
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

    fn task(&mut self) -> TaskState {
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

    fn request(&mut self) -> Request {
        Request {
            priority: 3,
            worth: self.number(),
            opened_at: self.instant(),
            skills: (0..self.slot(3)).map(|_| self.text()).collect(),
            language: self.maybe(Self::text),
            owner: self.maybe(Self::text),
        }
    }

    fn desk(&mut self) -> Desk {
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

    fn consent(&mut self) -> Consent {
        Consent {
            purpose: self.maybe(|dice| PurposeSlot(dice.slot(2))),
            channel: self.maybe(|dice| ChannelSlot(dice.slot(2))),
            answer: if self.below(2) == 0 { Answer::Granted } else { Answer::Denied },
            at: self.instant(),
            source: self.text(),
            evidence: self.maybe(Self::text),
        }
    }

    fn profiling(&mut self) -> Profiling {
        Profiling {
            answer: if self.below(2) == 0 { Answer::Granted } else { Answer::Denied },
            at: self.instant(),
            source: self.text(),
            evidence: self.maybe(Self::text),
        }
    }

    fn freeze(&mut self) -> Freeze {
        Freeze {
            trigger: TriggerSlot(self.slot(3)),
            purposes: u32::from(self.slot(4)),
            since: self.instant(),
            until: self.instant(),
            same: self.maybe(Self::text),
        }
    }

    fn state(&mut self, names: &mut Names) -> CustomerState {
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
            contact.told = Told::from_code(u8::try_from(self.slot(9)).unwrap()).unwrap();
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
        state.timers.sort_by_key(|timer| timer.due);
        state
    }
}

fn encoded(names: &Names, state: &CustomerState) -> Vec<u8> {
    let mut bytes = Vec::new();
    Format::new(tables()).encode(names, state, &mut bytes).unwrap();
    bytes
}

fn decoded(format: &mut Format, names: &mut Names, bytes: &[u8]) -> Result<CustomerState, Error> {
    format.decode(names, CustomerId::new("c1"), bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn a_state_comes_back_as_it_was(seed: u64) {
        let mut names = names();
        let state = Dice(seed).state(&mut names);
        let bytes = encoded(&names, &state);
        let back = decoded(&mut Format::new(tables()), &mut names, &bytes).unwrap();
        prop_assert_eq!(&back, &state);
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_order_in_which_names_arrived(seed: u64) {
        let mut names = names();
        let state = Dice(seed).state(&mut names);
        let bytes = encoded(&names, &state);
        let mut other = Names::default();
        for name in ["zzz", "other", "only arrived", "Cart Updated"] {
            other.event(name);
            other.trait_(name);
        }
        let mut format = Format::new(tables());
        let back = decoded(&mut format, &mut other, &bytes).unwrap();
        let mut again = Vec::new();
        format.encode(&other, &back, &mut again).unwrap();
        prop_assert_eq!(bytes, again);
    }

    #[test]
    fn damaged_bytes_are_an_error_or_a_state(seed: u64, at: usize, flip in 1_u8.., cut: usize) {
        let mut names = names();
        let state = Dice(seed).state(&mut names);
        let mut bytes = encoded(&names, &state);
        let at = at % bytes.len();
        bytes[at] ^= flip;
        let _either = decoded(&mut Format::new(tables()), &mut names, &bytes).is_ok();
        let cut = cut % bytes.len();
        let whole = encoded(&names, &state);
        prop_assert!(decoded(&mut Format::new(tables()), &mut names, &whole[..cut]).is_err());
    }

    #[test]
    fn any_bytes_are_an_error_or_a_state(mut bytes: Vec<u8>) {
        bytes.insert(0, VERSION);
        let _either = decoded(&mut Format::new(tables()), &mut names(), &bytes).is_ok();
    }
}

#[test]
fn a_list_that_claims_more_than_there_is_reserves_nothing() {
    // An array of 2^32 names, and a map of 2^40 fields.
    let names_ = [1, 0x9a, 255, 255, 255, 255];
    let fields = [1, 0x80, 0xbb, 0, 0, 1, 0, 0, 0, 0, 0];
    for bytes in [&names_[..], &fields] {
        assert!(decoded(&mut Format::new(tables()), &mut names(), bytes).is_err());
    }
    let mut nested = vec![1, 0x81, 0x61, b'a', 0xa1, 4, 0x82, 0];
    nested.extend([0x81].repeat(10_000));
    let refused = decoded(&mut Format::new(tables()), &mut names(), &nested).unwrap_err();
    assert!(refused.to_string().contains("nested too deeply"), "{refused}");
}

#[test]
fn newer_formats_and_unknown_fields() {
    let refused = decoded(&mut Format::new(tables()), &mut names(), &[2, 0x80, 0xa0]).unwrap_err();
    assert_eq!(refused, Error::Newer(2));
    assert!(decoded(&mut Format::new(tables()), &mut names(), &[]).is_err());
    // Field 200 is a list that this version does not know; field 1 is the applied position.
    let bytes = [1, 0x80, 0xa3, 0, 0x18, 50, 0x18, 200, 0x82, 1, 0x61, b'x', 1, 9];
    let back = decoded(&mut Format::new(tables()), &mut names(), &bytes).unwrap();
    assert_eq!((back.applied, back.first_seen), (9, Timestamp::from_millis(50)));
}

#[test]
fn records_may_grow_at_their_end() {
    // A session with a fourth member.
    let bytes = [1, 0x80, 0xa2, 0, 0, 18, 0x84, 1, 2, 3, 0x61, b'?'];
    let back = decoded(&mut Format::new(tables()), &mut names(), &bytes).unwrap();
    assert_eq!(back.rare.session.as_ref().unwrap().events, 3);
    let short = [1, 0x80, 0xa2, 0, 0, 18, 0x82, 1, 2];
    assert!(decoded(&mut Format::new(tables()), &mut names(), &short).is_err());
}

#[test]
fn another_catalog_keeps_what_protects_the_customer() {
    let mut names = names();
    let at = Timestamp::from_millis(1_000);
    let mut state = CustomerState::new(CustomerId::new("c1"), at);
    let mut dice = Dice(1);
    state.rare.consents.push(Consent { purpose: Some(PurposeSlot(1)), ..dice.consent() });
    let contact =
        Contact { trigger: TriggerSlot(1), purpose: Some(PurposeSlot(0)), ..dice.contact() };
    state.ledger.push(contact);
    state.rare.waiting.push(Waiting { trigger: TriggerSlot(1), ..dice.waiting() });
    let id = state.rare.waiting[0].id;
    state.timers.push(Timer { due: at, kind: TimerKind::Release { decision: id } });
    state.timers.push(Timer { due: at, kind: TimerKind::Schedule { trigger: TriggerSlot(2) } });
    state.progress.push(Progress { trigger: TriggerSlot(1), ..dice.progress() });
    state.series.push((SeriesSlot(4), Series::LastTime(at)));
    state.rare.scores.push(dice.score(0));
    let bytes = encoded(&names, &state);

    // `dwell`, `service`, `health` and the series are gone; `renewal` has moved.
    let mut other = Tables::default();
    other.triggers = table(&["renewal"]);
    other.purposes = table(&["news", "marketing"]);
    other.channels = table(&["email", "in_app"]);
    let mut format = Format::new(other);
    let back = decoded(&mut format, &mut names, &bytes).unwrap();
    assert_eq!((back.progress.len(), back.rare.scores.len(), back.series.len()), (0, 0, 0));
    let kinds: Vec<_> = back.timers.iter().map(|timer| timer.kind.clone()).collect();
    let renewal = TimerKind::Schedule { trigger: TriggerSlot(0) };
    assert_eq!(kinds, [TimerKind::Release { decision: id }, renewal]);
    let gone = format.strangers().text(back.rare.waiting[0].trigger.0).unwrap();
    assert_eq!(&**gone, "dwell", "what waits is still there to be cancelled on record");
    assert_eq!(back.ledger[0].purpose, Some(PurposeSlot(1)), "marketing has moved");
    let stranger = back.rare.consents[0].purpose.unwrap();
    assert_eq!(format.strangers().text(stranger.0).map(|name| &**name), Some("service"));

    // The first catalog comes back: the refusal and the contact are bound as before.
    let mut bytes = Vec::new();
    format.encode(&names, &back, &mut bytes).unwrap();
    let again = decoded(&mut Format::new(tables()), &mut names, &bytes).unwrap();
    assert_eq!(again.rare.consents, state.rare.consents);
    assert_eq!(again.ledger[0].trigger, TriggerSlot(1));
}

/// Written by format 1. It must be readable for ever: never change it, add another beside it.
const GOLDEN_1: &str = include_str!("golden_1.hex");

#[test]
fn the_golden_bytes_of_format_1_are_read_and_written() {
    let digits: Vec<u8> = GOLDEN_1.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    let golden: Vec<u8> =
        digits.chunks(2).map(|pair| digit(pair[0]) * 16 + digit(pair[1])).collect();
    let mut names = names();
    let back = decoded(&mut Format::new(tables()), &mut names, &golden).unwrap();
    let mut then = Dice(42).state(&mut self::names());
    // Which was not kept then.
    then.rare.rivals.clear();
    then.rare.bounced.clear();
    then.rare.answered_at = None;
    then.rare.handed_over_at = None;
    then.ledger.iter_mut().for_each(|contact| contact.told = Told::Nothing);
    then.rare.tasks.clear();
    then.rare.desk = None;
    then.rare.profiling = None;
    then.rare.rungs.clear();
    then.timers.retain(|timer| {
        !matches!(timer.kind, TimerKind::Task { .. } | TimerKind::Desk | TimerKind::Rung { .. })
    });
    assert_eq!(back, then, "the state that was written then");
    assert_eq!(encoded(&names, &back), golden);
}

#[test]
fn a_state_for_another_log_forgets_positions_and_nothing_else() {
    use super::moved::without_position;
    let digits: Vec<u8> = GOLDEN_1.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let golden: Vec<u8> = digits.chunks(2).map(byte).collect();
    let read = |bytes: &[u8]| decoded(&mut Format::new(tables()), &mut names(), bytes).unwrap();
    let moved = without_position(&golden).unwrap();
    let before = read(&golden);
    assert_ne!(before.applied, 0);
    assert_eq!(read(&moved), CustomerState { applied: 0, ..before });
    assert_eq!(without_position(&moved).unwrap(), moved);
    assert!(without_position(&[9]).is_err());
    assert!(without_position(golden.get(..9).unwrap()).is_err());
}
