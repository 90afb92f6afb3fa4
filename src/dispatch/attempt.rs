//! The states of an outbox row, from committed to settled. Pure: what is seen goes in, what to do
//! comes out.
//!
//! An attempt is committed before its call, so that a crash can at worst leave a call whose result
//! is not known, never a call that nobody knows of.

use crate::config::OnUnknown;
use crate::engine::decision::Reason;
use crate::engine::id::DecisionId;
use crate::engine::input::Delivery;
use crate::engine::planted::{Fault, is_planted};
use crate::engine::time::{Span, Timestamp};
use crate::store::record::{Confirming, OutboxRow};

use super::backoff;
use super::outcome::{Answer, CallResult};

/// A call later than this after its decision is checked by the governor once more.
pub const RECHECK_AFTER: Span = Span::from_millis(5_000);

/// How often the other side is asked about one attempt, before nobody will ever know.
pub const ASKS_MAX: u32 = 8;

/// A row in hand, and what is known of the attempts before its current one.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// The row as it is committed.
    pub row: OutboxRow,
    /// Whether an earlier attempt may have arrived.
    pub doubt: Doubt,
}

/// Whether an attempt before the current one may have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Certainly none did.
    None,
    /// One may have.
    Earlier,
}

/// How a row comes into hand, or back into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was committed with its first attempt begun, and nobody has called yet.
    Fresh,
    /// It was left by an earlier run, or its wait is over: what was begun has an unknown result.
    Found,
    /// The call of its current attempt came to this.
    Called(CallResult),
    /// The other side was asked about it, and said this.
    Asked(Answer),
}

/// What to do with a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Call now: the attempt is committed already.
    Call,
    /// Commit this row, in which an attempt is begun, then call.
    Begin(Held),
    /// Ask the other side whether an earlier attempt arrived.
    Ask,
    /// Commit this row, then wait until it is due.
    Wait(OutboxRow),
    /// It has come to its end.
    Finish(Delivery),
}

/// The next thing to do with a row.
pub fn next(held: &Held, seen: Seen, on_unknown: OnUnknown, now: Timestamp) -> Next {
    let row = &held.row;
    if let Some(confirming) = &row.confirming {
        return confirm(row, confirming, seen, now);
    }
    match seen {
        Seen::Fresh if is_over(row, now) => Next::Finish(Delivery::Expired),
        Seen::Fresh => Next::Call,
        Seen::Found => found(row, on_unknown, now),
        Seen::Called(CallResult::Delivered | CallResult::DeliveredAs { .. }) => {
            Next::Finish(Delivery::Delivered)
        }
        Seen::Called(CallResult::Accepted { name, by, every, within }) => {
            let (every_ms, until_ms) = (every.as_millis(), (now + within).as_millis());
            let since_ms = now.as_millis();
            let confirming = Some(Confirming { name, by, since_ms, every_ms, until_ms });
            ask_at(&OutboxRow { confirming, ..row.clone() }, 1, now + every)
        }
        Seen::Called(CallResult::Rejected { why }) => Next::Finish(match held.doubt {
            Doubt::None => Delivery::Rejected { why: why.into() },
            Doubt::Earlier => in_doubt(&why),
        }),
        Seen::Called(CallResult::NotSent { why, not_before }) => {
            wait(row, held.doubt, &why, not_before, now)
        }
        Seen::Called(CallResult::PutOff { why }) => wait(row, held.doubt, &why, None, now),
        Seen::Called(CallResult::Unknown { why }) => match on_unknown {
            OnUnknown::Hold => Next::Finish(Delivery::Unknown { why: why.into() }),
            OnUnknown::Retry => wait(row, Doubt::Earlier, &why, None, now),
            OnUnknown::Probe { after } => ask_at(row, 1, now + after),
        },
        Seen::Asked(Answer::Taken { .. }) => Next::Finish(Delivery::Delivered),
        Seen::Asked(Answer::Absent) if is_over(row, now) => Next::Finish(Delivery::Expired),
        Seen::Asked(Answer::Absent) => begin(row, Doubt::None),
        Seen::Asked(Answer::Unclear { why }) if ASKS_MAX <= row.asks => {
            Next::Finish(in_doubt(&why))
        }
        Seen::Asked(Answer::Unclear { .. }) => {
            let asks = row.asks.saturating_add(1);
            // It sends nothing, so that it may be asked when it would be too late to send.
            let at = backoff::next(&id_of(row), asks, now, None, now + Span::DAY);
            ask_at(row, asks, at.unwrap_or(now))
        }
    }
}

/// The next thing to do with a row that somebody on the other side has yet to confirm. It is never
/// called again.
fn confirm(row: &OutboxRow, confirming: &Confirming, seen: Seen, now: Timestamp) -> Next {
    match seen {
        Seen::Asked(Answer::Taken { .. }) => Next::Finish(Delivery::Delivered),
        Seen::Asked(Answer::Absent) => {
            Next::Finish(Delivery::Rejected { why: "it was not confirmed".into() })
        }
        Seen::Asked(Answer::Unclear { why }) if confirming.until_ms <= now.as_millis() => {
            let why = format!("nobody said in time whether it is confirmed; at last: {why}");
            Next::Finish(Delivery::Unknown { why: why.into() })
        }
        Seen::Asked(Answer::Unclear { .. }) => {
            let every = Span::from_millis(confirming.every_ms.max(1));
            ask_at(row, row.asks.saturating_add(1), now + every)
        }
        Seen::Fresh | Seen::Found | Seen::Called(_) => Next::Ask,
    }
}

/// The row with its attempt in doubt, to be asked about then.
fn ask_at(row: &OutboxRow, asks: u32, at: Timestamp) -> Next {
    let next_at_ms = at.as_millis();
    Next::Wait(OutboxRow { in_flight: true, asks, next_at_ms, ..row.clone() })
}

fn begin(row: &OutboxRow, doubt: Doubt) -> Next {
    let attempt = row.attempt.saturating_add(1);
    let row = OutboxRow { attempt, in_flight: true, asks: 0, ..row.clone() };
    Next::Begin(Held { row, doubt })
}

fn id_of(row: &OutboxRow) -> DecisionId {
    // A row whose id cannot be read shares its jitter with others like it, no more.
    DecisionId::parse(&row.decision).unwrap_or(DecisionId::from_bytes([0; 16]))
}

/// What to do with a row of which an attempt may have arrived, where the other side knows a call
/// again for so long after its decision, and no longer.
pub fn while_known(
    on_unknown: OnUnknown,
    life: Option<Span>,
    row: &OutboxRow,
    now: Timestamp,
) -> OnUnknown {
    match life {
        Some(life)
            if on_unknown == OnUnknown::Retry
                && Timestamp::from_millis(row.decided_at_ms) + life < now =>
        {
            OnUnknown::Hold
        }
        Some(_) | None => on_unknown,
    }
}

/// Whether the governor has to be asked before this call.
pub fn needs_recheck(row: &OutboxRow, now: Timestamp) -> bool {
    Timestamp::from_millis(row.decided_at_ms) + RECHECK_AFTER < now
}

/// The end of a row that the governor refuses at the last moment.
pub fn refuse(held: &Held, reason: Reason, detail: Option<Box<str>>) -> Delivery {
    match held.doubt {
        Doubt::None => Delivery::Refused { reason, detail },
        Doubt::Earlier => in_doubt(detail.as_deref().unwrap_or(reason.sentence())),
    }
}

fn found(row: &OutboxRow, on_unknown: OnUnknown, now: Timestamp) -> Next {
    let begun = row.in_flight && !is_planted(Fault::DoubtForgotten);
    let doubt = if begun { Doubt::Earlier } else { Doubt::None };
    let left = "the program ended while the call was under way";
    match (doubt, on_unknown) {
        (Doubt::Earlier, OnUnknown::Hold) => {
            return Next::Finish(Delivery::Unknown { why: left.into() });
        }
        // The call may have been made a moment ago, and be on its way.
        (Doubt::Earlier, OnUnknown::Probe { after }) if row.asks == 0 => {
            return ask_at(row, 1, now + after);
        }
        (Doubt::Earlier, OnUnknown::Probe { .. }) => return Next::Ask,
        (Doubt::Earlier, OnUnknown::Retry) | (Doubt::None, _) => {}
    }
    if is_over(row, now) {
        return Next::Finish(lapsed(doubt, left));
    }
    begin(row, doubt)
}

fn wait(
    row: &OutboxRow,
    doubt: Doubt,
    why: &str,
    not_before: Option<Timestamp>,
    now: Timestamp,
) -> Next {
    let id = id_of(row);
    let expires_at = Timestamp::from_millis(row.expires_at_ms);
    match backoff::next(&id, row.attempt, now, not_before, expires_at) {
        Some(at) => Next::Wait(OutboxRow {
            in_flight: doubt == Doubt::Earlier,
            next_at_ms: at.as_millis(),
            ..row.clone()
        }),
        None => Next::Finish(lapsed(doubt, why)),
    }
}

fn is_over(row: &OutboxRow, now: Timestamp) -> bool {
    row.expires_at_ms <= now.as_millis()
}

/// The end of a row for which there is no time left.
fn lapsed(doubt: Doubt, why: &str) -> Delivery {
    match doubt {
        Doubt::None => Delivery::Expired,
        Doubt::Earlier => in_doubt(why),
    }
}

fn in_doubt(why: &str) -> Delivery {
    Delivery::Unknown { why: format!("an earlier attempt may have arrived; at last: {why}").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECIDED: i64 = 1_772_366_400_000;

    fn row(attempt: u32) -> OutboxRow {
        OutboxRow {
            attempt,
            decision: "07".repeat(16),
            decided_at_ms: DECIDED,
            next_at_ms: DECIDED,
            expires_at_ms: DECIDED + 3_600_000,
            ..crate::dispatch::tests::row()
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(DECIDED + seconds * 1_000)
    }

    fn held(attempt: u32, doubt: Doubt) -> Held {
        Held { row: row(attempt), doubt }
    }

    /// A row of which no attempt may have arrived.
    fn settled(attempt: u32) -> Held {
        Held { row: OutboxRow { in_flight: false, ..row(attempt) }, doubt: Doubt::None }
    }

    fn not_sent() -> CallResult {
        CallResult::NotSent { why: "refused".to_owned(), not_before: None }
    }

    fn unknown() -> CallResult {
        CallResult::Unknown { why: "reset".to_owned() }
    }

    fn step(held: &Held, seen: Seen, on_unknown: OnUnknown, seconds: i64) -> String {
        match next(held, seen, on_unknown, at(seconds)) {
            Next::Call => "call".to_owned(),
            Next::Ask => "ask".to_owned(),
            Next::Begin(Held { row, doubt }) => {
                assert!(row.in_flight, "what is begun is in flight");
                format!("begin {} {doubt:?}", row.attempt)
            }
            Next::Wait(row) => format!("wait {} in_flight={}", row.attempt, row.in_flight),
            Next::Finish(delivery) => {
                format!("{delivery:?}").split([' ', '{']).next().unwrap_or_default().to_owned()
            }
        }
    }

    #[test]
    fn every_state_has_its_successor() {
        use Doubt::{Earlier, None};
        use OnUnknown::{Hold, Retry};
        let probe = OnUnknown::Probe { after: Span::from_millis(30_000) };
        let asked = |answer| Seen::Asked(answer);
        let unclear = || Answer::Unclear { why: "busy".to_owned() };
        let asks = |asks| Held { row: OutboxRow { asks, ..row(1) }, doubt: None };
        let called = Seen::Called;
        let rejected = || CallResult::Rejected { why: "no".to_owned() };
        for (number, (held, seen, on_unknown, seconds, expected)) in [
            (held(1, None), Seen::Fresh, Hold, 1, "call"),
            (held(1, None), Seen::Fresh, Retry, 3_600, "Expired"),
            (held(1, None), called(CallResult::Delivered), Hold, 1, "Delivered"),
            (held(3, Earlier), called(CallResult::Delivered), Retry, 1, "Delivered"),
            (held(1, None), called(rejected()), Retry, 1, "Rejected"),
            (held(2, Earlier), called(rejected()), Retry, 1, "Unknown"),
            (
                held(1, None),
                called(CallResult::PutOff { why: "greylisted".to_owned() }),
                Hold,
                1,
                "wait 1 in_flight=false",
            ),
            (held(1, None), called(not_sent()), Hold, 1, "wait 1 in_flight=false"),
            (held(2, Earlier), called(not_sent()), Retry, 1, "wait 2 in_flight=true"),
            (held(1, None), called(not_sent()), Retry, 3_599, "Expired"),
            (held(2, Earlier), called(not_sent()), Retry, 3_599, "Unknown"),
            (held(1, None), called(unknown()), Retry, 1, "wait 1 in_flight=true"),
            (held(1, None), called(unknown()), Retry, 3_599, "Unknown"),
            (held(1, None), called(unknown()), Hold, 1, "Unknown"),
            (held(1, None), Seen::Found, Retry, 9, "begin 2 Earlier"),
            (held(1, None), Seen::Found, Hold, 9, "Unknown"),
            (held(1, None), Seen::Found, Retry, 3_600, "Unknown"),
            (held(1, None), called(unknown()), probe, 1, "wait 1 in_flight=true"),
            (held(1, None), Seen::Found, probe, 9, "wait 1 in_flight=true"),
            (asks(1), Seen::Found, probe, 40, "ask"),
            (asks(1), Seen::Found, probe, 9_999, "ask"),
            (asks(1), asked(Answer::Taken { name: Option::None }), probe, 40, "Delivered"),
            (asks(1), asked(Answer::Absent), probe, 40, "begin 2 None"),
            (asks(1), asked(Answer::Absent), probe, 3_600, "Expired"),
            (asks(1), asked(unclear()), probe, 40, "wait 1 in_flight=true"),
            (asks(ASKS_MAX), asked(unclear()), probe, 40, "Unknown"),
            (settled(1), Seen::Found, probe, 9, "begin 2 None"),
            (settled(1), Seen::Found, Hold, 9, "begin 2 None"),
            (settled(0), Seen::Found, Hold, 9, "begin 1 None"),
            (settled(1), Seen::Found, Retry, 3_600, "Expired"),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(step(&held, seen, on_unknown, seconds), expected, "case {number}");
        }
    }

    #[test]
    fn what_a_person_has_to_confirm_is_asked_about_and_never_called_again() {
        use OnUnknown::{Hold, Retry};
        let hours = |hours| Span::HOUR.times(hours);
        let accepted = || {
            let (every, within) = (hours(1), hours(72));
            Seen::Called(CallResult::Accepted { name: "m1".to_owned(), by: None, every, within })
        };
        let Next::Wait(row) = next(&held(1, Doubt::None), accepted(), Hold, at(0)) else {
            panic!("it is waited for")
        };
        assert_eq!(row.next_at_ms, at(3_600).as_millis());
        assert_eq!(row.confirming.as_ref().map(|known| &*known.name), Some("m1"));
        let held = Held { row, doubt: Doubt::None };
        let unclear = || Seen::Asked(Answer::Unclear { why: "not yet".to_owned() });
        let day = 86_400;
        for (seen, seconds, expected) in [
            // After a restart, too, and long after it would be too late to send.
            (Seen::Found, 3_600, "ask"),
            (Seen::Found, day, "ask"),
            (unclear(), 3_600, "wait 1 in_flight=true"),
            (unclear(), 3 * day - 1, "wait 1 in_flight=true"),
            (unclear(), 3 * day, "Unknown"),
            (Seen::Asked(Answer::Taken { name: None }), day, "Delivered"),
            (Seen::Asked(Answer::Absent), day, "Rejected"),
        ] {
            for on_unknown in [Hold, Retry] {
                let told = format!("{seen:?} at {seconds}");
                assert_eq!(step(&held, seen.clone(), on_unknown, seconds), expected, "{told}");
            }
        }
        let Next::Wait(again) = next(&held, unclear(), Hold, at(7_200)) else { panic!("again") };
        assert_eq!(again.next_at_ms, at(10_800).as_millis());
    }

    #[test]
    fn nothing_in_doubt_ends_as_not_sent() {
        assert_eq!(
            refuse(&held(1, Doubt::None), Reason::OptedOut, None),
            Delivery::Refused { reason: Reason::OptedOut, detail: None }
        );
        let delivery = refuse(&held(2, Doubt::Earlier), Reason::OptedOut, None);
        assert!(matches!(delivery, Delivery::Unknown { .. }), "{delivery:?}");
    }

    #[test]
    fn a_call_is_not_repeated_once_its_key_is_forgotten() {
        use OnUnknown::{Hold, Retry};
        let life = Some(Span::from_millis(60_000));
        for (said, life, seconds, expected) in [
            (Retry, life, 60, Retry),
            (Retry, life, 61, Hold),
            (Retry, None, 9_999, Retry),
            (Hold, life, 1, Hold),
        ] {
            assert_eq!(while_known(said, life, &row(1), at(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn a_late_call_is_checked_once_more() {
        assert!(!needs_recheck(&row(1), at(5)));
        assert!(needs_recheck(&row(1), at(6)));
    }
}
