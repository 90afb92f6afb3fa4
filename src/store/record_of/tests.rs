//! Each verdict is told in one concrete sentence, in the customer's own time.

use thin_vec::thin_vec;

use super::*;
use crate::engine::decision::{Reason, Rule, VerdictKind};
use crate::engine::input::Answer;
use crate::engine::testing::{
    EMAIL, IN_APP, MARKETING, PING, TASKS, TIMEZONE, at, customer, send, set, shop, slot_of, task,
};
use crate::engine::value::Value;

fn catalog() -> Catalog {
    shop()
        .trigger("cart", |_| {})
        .trigger("dwell", |trigger| trigger.action = send(MARKETING, &[IN_APP]))
        .trigger("call", |trigger| trigger.action = task())
        .open()
}

fn finding(rule: Rule, passed: Passed, detail: Detail) -> Finding {
    Finding { rule, passed, detail }
}

fn ruling(catalog: &Catalog, trigger: &str, verdict: Verdict, findings: Vec<Finding>) -> Ruling {
    Ruling {
        id: DecisionId::from_bytes([7; 16]),
        trigger: slot_of(catalog, trigger),
        occurrence: "e1".into(),
        at: at("2026-03-02T08:12"),
        caused_at: at("2026-03-02T08:11"),
        verdict,
        replaces: None,
        arm: None,
        offer: None,
        conditions: Vec::new(),
        findings,
    }
}

fn cap(catalog: &Catalog, holders: &[&str], free_at: Option<&str>) -> Finding {
    let holders = (1..)
        .zip(holders)
        .map(|(day, trigger)| (at(&format!("2026-03-0{day}T08:12")), slot_of(catalog, trigger)));
    let holders: Vec<_> = holders.collect();
    let detail = Detail::Cap {
        name: "marketing: 3 per rolling 7d".into(),
        used: u32::try_from(holders.len()).unwrap(),
        at_most: 3,
        holders,
        free_at: free_at.map(at),
    };
    finding(Rule::Caps, Passed::No, detail)
}

/// Checks a sentence for a customer in Amsterdam.
fn check(verdict: Verdict, findings: impl FnOnce(&Catalog) -> Vec<Finding>, sentence: &str) {
    let catalog = catalog();
    let trigger = if verdict == Verdict::Task { "call" } else { "cart" };
    let ruling = ruling(&catalog, trigger, verdict, findings(&catalog));
    let names = Names::new(&catalog.events, &catalog.traits);
    let teller = Teller { catalog: &catalog, names: &names, strangers: &Strangers::default() };
    let why = teller.why(&ruling, &WallClock::of(&catalog, &customer("a")));
    assert_eq!(why, sentence);
}

#[test]
fn sends_tasks_and_holdouts() {
    let sent = "`cart` fired and every rule let it pass: sent on `email`";
    check(Verdict::Send { channel: EMAIL }, |_| Vec::new(), sent);
    let handed = "`call` fired and asks for a person: put on the list `tasks`";
    check(Verdict::Task, |_| Vec::new(), handed);
    check(
        Verdict::HoldOut { reason: Reason::Holdout },
        |_| vec![finding(Rule::Holdout, Passed::No, Detail::None)],
        "every rule let it pass, but the customer is in the trigger's holdout: nothing is sent, \
         and what follows is compared",
    );
}

#[test]
fn a_cap_names_its_holders_and_the_next_free_instant() {
    let until = at("2026-03-09T08:12");
    let defer = Verdict::Defer { until, reason: Reason::Capped };
    check(
        defer.clone(),
        |catalog| vec![cap(catalog, &["dwell"], Some("2026-03-09T08:12"))],
        "cap `marketing: 3 per rolling 7d` is held by `dwell` (Sun 1 Mar 09:12); next free \
         Mon 9 Mar 09:12; decided again Mon 9 Mar 09:12 (Europe/Amsterdam)",
    );
    check(
        defer.clone(),
        |catalog| vec![cap(catalog, &["dwell", "cart"], Some("2026-03-09T08:12"))],
        "cap `marketing: 3 per rolling 7d` is held by `cart` (Mon 2 Mar 09:12) and `dwell` \
         (Sun 1 Mar 09:12); next free Mon 9 Mar 09:12; decided again Mon 9 Mar 09:12 \
         (Europe/Amsterdam)",
    );
    check(
        Verdict::Suppress { reason: Reason::Capped },
        |catalog| vec![cap(catalog, &["dwell", "cart", "dwell", "cart", "dwell"], None)],
        "cap `marketing: 3 per rolling 7d` is held by `dwell` \
         (Thu 5 Mar 09:12), `cart` (Wed 4 Mar 09:12), `dwell` (Tue 3 Mar 09:12) and 2 more; it \
         allows none (Europe/Amsterdam)",
    );
}

#[test]
fn quiet_hours_speak_the_time_of_the_customer() {
    let until = at("2026-03-03T07:00");
    check(
        Verdict::Defer { until, reason: Reason::QuietHours },
        |_| {
            let local = jiff::civil::date(2026, 3, 2).at(23, 10, 0, 0);
            vec![
                finding(Rule::Consent, Passed::Yes, Detail::None),
                finding(Rule::QuietHours, Passed::No, Detail::Quiet { local, until }),
            ]
        },
        "it is Mon 2 Mar 23:10 for the customer, and quiet until Tue 3 Mar 08:00; decided again \
         Tue 3 Mar 08:00 (Europe/Amsterdam)",
    );
}

#[test]
fn what_nobody_answered_is_told_with_its_numbers() {
    check(
        Verdict::Suppress { reason: Reason::Unanswered },
        |_| {
            let detail = Detail::Unanswered {
                messages: 3,
                after: 3,
                since: at("2026-03-02T08:12"),
                free_at: Some(at("2026-04-01T08:12")),
            };
            vec![finding(Rule::LoopGuard, Passed::No, detail)]
        },
        "3 messages since Mon 2 Mar 09:12 have had no answer, 3 may: a person takes over; written to \
         again once the customer answers, or from Wed 1 Apr 10:12 on (Europe/Amsterdam)",
    );
}

#[test]
fn refusals_say_what_is_known() {
    let consent = |known| {
        move |_: &Catalog| {
            let detail = Detail::Consent { purpose: MARKETING, known };
            vec![finding(Rule::Consent, Passed::No, detail)]
        }
    };
    check(
        Verdict::Suppress { reason: Reason::OptedOut },
        consent(Some(Answer::Denied)),
        "the customer said no to `marketing`",
    );
    check(
        Verdict::Suppress { reason: Reason::NoConsent },
        consent(None),
        "no answer is known for `marketing`",
    );
    check(
        Verdict::Suppress { reason: Reason::Outranked },
        |catalog| {
            let winner = Detail::Winner(slot_of(catalog, "dwell"));
            vec![finding(Rule::Arbitration, Passed::No, winner)]
        },
        "another trigger of higher priority fired at the same instant: `dwell` goes first",
    );
    check(
        Verdict::Suppress { reason: Reason::OncePer },
        |_| {
            let until = Some(at("2026-03-09T08:12"));
            let detail = Detail::Freeze { by: "cart".into(), until };
            vec![finding(Rule::OncePer, Passed::No, detail)]
        },
        "`cart` has acted already and rests until Mon 9 Mar 09:12 (Europe/Amsterdam)",
    );
    check(
        Verdict::Expire { reason: Reason::TooOld },
        |_| vec![finding(Rule::Expiry, Passed::No, Detail::None)],
        "the event was older than the trigger acts on",
    );
}

#[test]
fn without_a_zone_the_policy_speaks() {
    let catalog = catalog();
    let mut nobody = customer("a");
    set(&mut nobody, TIMEZONE, "");
    assert_eq!(WallClock::of(&catalog, &nobody).zone(), "UTC");
    assert_eq!(WallClock::of(&catalog, &nobody).say(at("2026-03-02T08:12")), "Mon 2 Mar 08:12");
}

#[test]
fn a_dry_run_does_not_claim_to_have_sent() {
    let catalog = shop().dry_run().trigger("cart", |_| {}).open();
    let names = Names::default();
    let teller = Teller { catalog: &catalog, names: &names, strangers: &Strangers::default() };
    let ruling = ruling(&catalog, "cart", Verdict::Send { channel: EMAIL }, Vec::new());
    let record = teller.decision(&customer("a"), &Decision::default(), &ruling);
    assert!(record.dry_run && record.why.contains("were sending not off"), "{}", record.why);
}

#[test]
fn a_record_names_everything_that_made_it() {
    let catalog = catalog();
    let names = Names::new(&catalog.events, &catalog.traits);
    let teller = Teller { catalog: &catalog, names: &names, strangers: &Strangers::default() };
    let mut ruling = ruling(&catalog, "cart", Verdict::Send { channel: EMAIL }, Vec::new());
    ruling.replaces = Some(VerdictKind::Defer);
    ruling.conditions = vec![Held {
        text: "customer.plan == \"pro\"".into(),
        place: crate::engine::condition::Place { file: "a.yaml".into(), line: 3, column: 5 },
        outcome: Truth::Missing,
        seen: vec![("customer.plan".into(), None), ("n".into(), Some(Value::Num(3.0)))],
    }];
    let content = Content { locale: "en".into(), fields: vec![("body".into(), "Hello!".into())] };
    let outreach = Outreach {
        decision: ruling.id,
        trigger: ruling.trigger,
        customer: crate::engine::id::CustomerId::new("a"),
        channel: EMAIL,
        address: Some("ann@shop.example".into()),
        purpose: MARKETING,
        decided_at: ruling.at,
        expires_at: at("2026-03-03T08:12"),
        offer: Some("TEN".into()),
        arm: None,
        content,
    };
    let decision = Decision {
        effects: thin_vec![Effect::Deliver(outreach.clone())],
        rulings: thin_vec![ruling.clone()],
        ..Decision::default()
    };
    let ruled = teller.ruled(&customer("a"), &decision, &ruling);
    assert_eq!((ruled.replaces, ruled.at), (Some(VerdictKind::Defer), ruling.at));
    let record = ruled.record;
    assert_eq!(
        (&*record.trigger, record.purpose.as_deref(), record.channel.as_deref()),
        ("cart", Some("marketing"), Some("email"))
    );
    assert_eq!((&*record.content[0].text, &*record.versions.trigger), ("Hello!", "v1"));
    let condition = &record.conditions[0];
    assert_eq!((&*condition.place, &*condition.outcome), ("a.yaml:3:5", "missing"));
    assert_eq!(condition.seen[0].value, serde_json::Value::Null);
    assert_eq!(condition.seen[1].value, serde_json::json!(3));
    let row = teller.outbox(4, &outreach);
    assert_eq!((row.shard, row.attempt, row.in_flight), (4, 1, true));
    assert_eq!((row.address.as_deref(), &*row.locale), (Some("ann@shop.example"), "en"));
}

#[test]
fn what_is_gone_is_called_by_its_last_name() {
    let catalog = catalog();
    let names = Names::new(&catalog.events, &catalog.traits);
    let mut strangers = Strangers::default();
    let gone = strangers.intern("old-trigger");
    let teller = Teller { catalog: &catalog, names: &names, strangers: &strangers };
    assert_eq!(teller.trigger(TriggerSlot(gone)), "old-trigger");
    assert_eq!(teller.channel(ChannelSlot(gone + 1)), "(removed)");
    assert_eq!(
        (teller.channel(TASKS), teller.timeline((PING, at("2026-03-02T08:12"))).event),
        ("tasks", "Ping".to_owned())
    );
}
