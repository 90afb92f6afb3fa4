//! People first: what is for them alone.

use super::desk::Desk;
use crate::engine::decision::Reason;
use crate::engine::policy::HandledBy;
use crate::engine::testing::{MARKETING, SERVICE, shop, task};

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
