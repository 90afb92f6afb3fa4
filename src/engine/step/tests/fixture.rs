//! Triggers of every kind for the scenarios, by name: a scenario takes those it is about.

use std::sync::Arc;

use crate::engine::catalog::{
    Absence, AbsenceScope, Action, Catalog, Crossing, EventClause, Measure, Message, RiskEnd,
    Score, ScoreSource, SeriesSpec, SessionEdge, Step, Suppression, Times, TraitPath, Trigger,
    When,
};
use crate::engine::condition::{Comparison, Condition, Expr, History, SessionField};
use crate::engine::health::{self, Scorecard};
use crate::engine::policy::QuietRule;
use crate::engine::schedule::Schedule;
use crate::engine::slot::{EventSlot, PropertySlot, ScoreSlot, SeriesSlot, TraitSlot};
use crate::engine::testing::{
    EMAIL, IN_APP, MARKETING, RESOLVED, SERVICE, SMS, Shop, TRANSACTIONAL, clause, condition, send,
    send_with, shop, span, task,
};
use crate::engine::value::Value;

/// Events beside those of the shop.
const EVENTS: [&str; 16] = [
    "Checkout",
    "Order",
    "Left",
    "Pricing",
    "Cancel",
    "Ticket",
    "Delayed",
    "Scanned",
    "Delivered",
    "Incident",
    "A",
    "B",
    "C",
    "Product",
    "Used",
    "Login",
];
/// Properties beside those of the shop.
const PROPERTIES: [&str; 5] = ["cart", "hours", "service", "path", "day"];
/// Traits beside those of the shop.
const TRAITS: [&str; 5] = ["plan", "renews", "services", "tier", "ticket"];

fn slot(list: &[Arc<str>], name: &str) -> u16 {
    let index = list.iter().position(|known| **known == *name);
    u16::try_from(index.unwrap_or_else(|| panic!("`{name}` is in no table"))).unwrap()
}

/// A catalog of some of the triggers below.
pub(super) fn catalog(names: &[&str]) -> Catalog {
    catalog_with(names, |shop| shop)
}

/// The same, with a changed policy.
pub(super) fn catalog_with(names: &[&str], change: impl FnOnce(Shop) -> Shop) -> Catalog {
    let mut shop = shop();
    shop.events.extend(EVENTS.map(Arc::from));
    shop.properties.extend(PROPERTIES.map(Arc::from));
    shop.traits.extend(TRAITS.map(Arc::from));
    for name in names {
        let when = when_of(&shop, name);
        shop = add(shop, name, when);
    }
    let mut catalog = change(shop).open();
    for (name, source) in [("hello", "Hello."), ("title", "Call them.")] {
        catalog.texts.add(name, source).unwrap();
    }
    for trigger in &mut catalog.triggers {
        say(trigger, "hello");
    }
    let ticket = SeriesSpec {
        event: EventSlot(slot(&catalog.events, "Ticket")),
        filter: None,
        measure: Measure::Times,
        keep: span("24h"),
        key: 1,
    };
    let used =
        SeriesSpec { event: EventSlot(slot(&catalog.events, "Used")), key: 2, ..ticket.clone() };
    catalog.series_of_event[ticket.event.index()] = Box::new([TICKETS]);
    catalog.series_of_event[used.event.index()] = Box::new([USES]);
    catalog.series = Box::new([ticket, used]);
    catalog.scores = Box::new([Score {
        name: "risk".into(),
        version: "v1".into(),
        source: ScoreSource::Pushed,
        bands: Box::default(),
        risk: RiskEnd::High,
        days: health::DAYS,
    }]);
    catalog
}

/// Makes a template the whole message of a trigger, if it sends one.
pub(super) fn say(trigger: &mut Trigger, template: &str) {
    if let Action::Send(send) = &mut trigger.action {
        let fields: Box<[(Box<str>, Box<str>)]> = Box::new([("body".into(), template.into())]);
        send.message = Message { variants: Box::new([("en".into(), fields)]) };
    }
}

/// A catalog whose score is a scorecard: 10 points for each `Used` of the last 24 hours.
pub(super) fn catalog_of_health(names: &[&str]) -> Catalog {
    let mut catalog = catalog(names);
    let uses = Expr::History(History::Count(USES, span("24h")));
    catalog.scores[0].source = ScoreSource::Scorecard(Scorecard {
        every: span("1h"),
        measures: Box::new([health::Measure {
            name: "use".into(),
            weight: 1.0,
            value: uses,
            text: "count(\"Used\", \"24h\")".into(),
            scale: Box::new([(0.0, 0.0), (10.0, 100.0)]),
            missing: health::Missing::Bad,
        }]),
        inputs: Box::new([EventSlot(slot(&catalog.events, "Used"))]),
    });
    catalog
}

const TICKETS: SeriesSlot = SeriesSlot(0);
const USES: SeriesSlot = SeriesSlot(1);

/// The names of a shop.
struct Names<'a>(&'a Shop);

impl Names<'_> {
    fn event(&self, name: &str) -> EventSlot {
        EventSlot(slot(&self.0.events, name))
    }

    fn clause(&self, name: &str) -> EventClause {
        clause(self.event(name))
    }

    fn property(&self, name: &str) -> PropertySlot {
        PropertySlot(slot(&self.0.properties, name))
    }

    fn path(&self, name: &str) -> TraitPath {
        TraitPath { slot: TraitSlot(slot(&self.0.traits, name)), path: Box::default() }
    }

    fn at_least(&self, name: &str, number: f64) -> Option<Condition> {
        let property = Expr::Property(self.property(name));
        Some(compare(Comparison::GreaterOrEqual, property, Value::Num(number)))
    }

    fn absence(&self, events: &[&str], hold: &str) -> Option<Absence> {
        let events: Box<[_]> = events.iter().map(|name| self.event(name)).collect();
        let scope = if events.is_empty() { AbsenceScope::AnyPage } else { AbsenceScope::Named };
        Some(Absence { events, scope, hold: span(hold) })
    }
}

/// What makes each of them match.
fn when_of(shop: &Shop, name: &str) -> When {
    let names = Names(shop);
    let one = |clause: EventClause| When::Event(Box::new([clause]));
    match name {
        "big_cart" | "help_and_offer" => {
            one(EventClause { filter: names.at_least("cart", 100.0), ..names.clause("Checkout") })
        }
        "checkout" => one(EventClause {
            filter: names.at_least("cart", 20.0),
            absence: names.absence(&["Order", "Left"], "3m"),
            ..names.clause("Checkout")
        }),
        "pricing" => one(EventClause {
            times: Some(Times { count: 3, within: span("1h") }),
            ..names.clause("Pricing")
        }),
        "cancel" => one(names.clause("Cancel")),
        "parcel" => When::Event(Box::new([
            EventClause { filter: names.at_least("hours", 24.0), ..names.clause("Delayed") },
            EventClause {
                absence: names.absence(&["Scanned", "Delivered"], "36h"),
                ..names.clause("Scanned")
            },
        ])),
        "outage" => one(EventClause {
            affects: Some(condition(Expr::In {
                needle: Box::new(Expr::Property(names.property("service"))),
                haystack: Box::new(Expr::Trait {
                    slot: names.path("services").slot,
                    path: Box::default(),
                }),
            })),
            ..names.clause("Incident")
        }),
        "dwell" => {
            one(EventClause { absence: names.absence(&[], "5m"), ..names.clause("Product") })
        }
        _ => when_of_others(&names, name),
    }
}

/// The same for those that do not watch a single event.
fn when_of_others(names: &Names<'_>, name: &str) -> When {
    let step = |name| Step { event: names.event(name), filter: None };
    match name {
        "sequence" => When::Sequence {
            steps: Box::new([step("A"), step("B"), step("C")]),
            within: span("60m"),
        },
        "hello" => When::Session { edge: SessionEdge::Started, filter: None },
        "goodbye" => When::Session {
            edge: SessionEdge::Ended,
            filter: Some(compare(
                Comparison::GreaterOrEqual,
                Expr::Session(SessionField::Events),
                Value::Num(2.0),
            )),
        },
        "upgrade" => When::Change {
            of: names.path("plan"),
            from: Box::new([Value::Str("trial".into())]),
            to: Box::default(),
        },
        "risk" => When::Score {
            score: ScoreSlot(0),
            crossing: Crossing::RisesAbove { line: 0.7, rearm: 0.6 },
        },
        "unwell" => When::Score {
            score: ScoreSlot(0),
            crossing: Crossing::FallsBelow { line: 30.0, rearm: 40.0 },
        },
        "renewal" => When::Date {
            of: names.path("renews"),
            offset_days: Box::new([-7, -1]),
            at: "10:00".parse().unwrap(),
        },
        "weekly" => {
            When::Schedule { schedule: Schedule::parse("0 9 * * Mon").unwrap(), zone: None }
        }
        _ => panic!("no trigger `{name}` in the fixture"),
    }
}

fn add(shop: Shop, name: &str, when: When) -> Shop {
    let object = PropertySlot(0);
    let tier = TraitSlot(slot(&shop.traits, "tier"));
    let ticket = TraitSlot(slot(&shop.traits, "ticket"));
    let service = PropertySlot(slot(&shop.properties, "service"));
    shop.trigger(name, |trigger: &mut Trigger| {
        trigger.when = when;
        trigger.action = send(SERVICE, &[IN_APP]);
        match name {
            "checkout" => {
                let open = Expr::Trait { slot: ticket, path: Box::default() };
                trigger.conditions =
                    Box::new([condition(Expr::Not(Box::new(Expr::Flag(Box::new(open)))))]);
                trigger.action = send(MARKETING, &[IN_APP]);
            }
            "cancel" => {
                trigger.conditions = Box::new([compare(
                    Comparison::GreaterOrEqual,
                    Expr::History(History::Count(TICKETS, span("24h"))),
                    Value::Num(1.0),
                )]);
            }
            "parcel" => {
                trigger.per = Some(object);
                trigger.captures = Box::new([object]);
                trigger.action = send(SERVICE, &[SMS]);
                trigger.once_per = Some(span("48h"));
            }
            "outage" => {
                trigger.per = Some(object);
                trigger.captures = Box::new([object, service]);
                trigger.action = send_with(TRANSACTIONAL, &[IN_APP], |send| {
                    send.spread_over = Some(span("5m"));
                });
                trigger.suppress = Some(Suppression {
                    purposes: 1 << MARKETING.0,
                    longest: span("24h"),
                    until: Some(RESOLVED),
                    same: Some(object),
                });
            }
            "risk" => {
                trigger.action = task();
                trigger.conditions = Box::new([compare(
                    Comparison::Equal,
                    Expr::Trait { slot: tier, path: Box::default() },
                    Value::Str("vip".into()),
                )]);
            }
            "renewal" | "weekly" => trigger.action = send(MARKETING, &[EMAIL]),
            _ => {}
        }
    })
}

/// `left op right`.
pub(super) fn compare(op: Comparison, left: Expr, right: Value) -> Condition {
    let (left, right) = (Box::new(left), Box::new(Expr::Literal(right)));
    condition(Expr::Compare { op, left, right })
}

/// Makes every channel quiet at night, `in_app` too.
pub(super) fn all_quiet(mut shop: Shop, hours: &str) -> Shop {
    for channel in &mut shop.policy.channels {
        channel.quiet = QuietRule::Kept;
    }
    shop.quiet(hours)
}
