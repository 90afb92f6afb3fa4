//! People first: what is for them alone, and what they take over.

use super::desk::Desk;
use crate::engine::decision::Reason;
use crate::engine::policy::{HandledBy, LoopGuard};
use crate::engine::slot::EventSlot;
use crate::engine::testing::{MARKETING, SERVICE, at, shop, span, task};

const NOON: &str = "2026-03-02T12:00";

#[test]
fn what_is_for_people_alone_is_never_written() {
    let own = shop().trigger("promo", |t| t.handled_by = HandledBy::People);
    let mut desk = Desk::new(own);
    assert_eq!(desk.ask("promo", NOON), "suppressed human_only");
    assert!(desk.state.ledger.is_empty());
    let purpose = shop().purpose(MARKETING, |p| p.handled_by = HandledBy::People);
    let mut desk = Desk::new(purpose.trigger("promo", |_| {}));
    assert_eq!(desk.ask("promo", NOON), "suppressed human_only");
    assert_eq!(desk.propose(MARKETING, NOON), "suppressed human_only");
    assert_eq!(desk.propose(SERVICE, NOON), "sent in_app", "that one is open");
    let handed = shop().trigger("visit", |t| {
        t.handled_by = HandledBy::People;
        t.action = task();
    });
    assert_eq!(Desk::new(handed).ask("visit", NOON), "task");
}

#[test]
fn a_send_on_its_way_stops_when_its_matter_is_left_to_people() {
    let mut desk = Desk::new(shop().trigger("promo", |_| {}));
    assert_eq!(desk.ask("promo", NOON), "sent email");
    assert_eq!(desk.recheck("promo", NOON, NOON), None);
    desk.catalog.triggers[0].handled_by = HandledBy::People;
    assert_eq!(desk.recheck("promo", NOON, NOON), Some(Reason::HumanOnly));
}

#[test]
fn a_guard_tells_how_many_messages_wait_for_an_answer_and_until_when_they_hold() {
    let mut shop = shop().trigger("promo", |_| {});
    shop.policy.loop_guard = Some(LoopGuard {
        after: 2,
        within: span("10d"),
        purposes: 1 << MARKETING.0,
        answered_by: Box::default(),
        event: EventSlot(0),
    });
    let mut desk = Desk::new(shop);
    let told = |desk: &mut Desk, when: &str| {
        let findings = desk.findings("promo", when);
        desk.why(&findings)
    };
    assert!(told(&mut desk, NOON).is_empty());
    assert_eq!(desk.ask("promo", "2026-03-04T12:00"), "sent email");
    assert_eq!(desk.ask("promo", "2026-03-05T12:00"), "suppressed unanswered");
    let why = "loop_guard: 2/2 since 2026-03-02T12:00; free 2026-03-12T12:00";
    assert_eq!(told(&mut desk, "2026-03-06T12:00"), [why]);
    assert_eq!(desk.propose(MARKETING, "2026-03-06T12:00"), "suppressed unanswered");
    // Enough are too old now.
    assert_eq!(desk.ask("promo", "2026-03-12T12:00"), "sent email");
    let waits = desk.findings("promo", "2026-03-15T12:00");
    let passed = waits.iter().find(|finding| finding.rule.as_str() == "loop_guard").unwrap();
    let one = crate::engine::decision::Detail::Unanswered {
        messages: 1,
        after: 2,
        since: at("2026-03-12T12:00"),
        free_at: None,
    };
    assert_eq!(passed.detail, one);
}
