//! States survive the way to bytes and back, and bytes of any kind survive the reader.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::engine::customer::{Consent, Contact, Progress, Waiting};
use crate::engine::input::Told;
use crate::engine::series::{Amount, Series, Tally};
use crate::engine::slot::{PurposeSlot, SeriesSlot, TriggerSlot};
use crate::engine::time::{Span, Timestamp};
use crate::engine::timer::{Timer, TimerKind};

mod dice;

pub(super) use dice::Dice;

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
    then.rare.pools = None;
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
