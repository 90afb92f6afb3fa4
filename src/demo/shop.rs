//! A simulated shop with known truth: who is content, who drifts away, and what each of them does.
//!
//! Everything follows from the seed. Time comes in; what happened up to it comes out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde_json::{Value, json};

use crate::engine::time::{Span, Timestamp, Zone};

use super::people::{Mood, Person, people};

/// Something that happened, ready for the door every event takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// The event as an SDK would send it.
    pub json: Value,
}

/// What is planned. The order is that of a queue, it means nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    Identify,
    Login,
    Feature,
    Checkout,
    Look,
    Pay,
    Leave,
    Scan(u8),
    Delay,
    Delivered,
    Ticket,
    Escalate,
    Survey,
    Invoice,
    Rescore,
    Shift,
    IncidentOpens,
    IncidentEnds,
}

/// The shop.
#[derive(Debug)]
pub struct Shop {
    rng: fastrand::Rng,
    people: Vec<Person>,
    queue: BinaryHeap<Reverse<(Timestamp, u64, usize, Plan)>>,
    next: u64,
    incident: u32,
    parcels: u32,
}

/// Features people use; the health score counts how many different ones.
const FEATURES: [&str; 10] = [
    "reorder",
    "wishlist",
    "team-cart",
    "invoices",
    "approvals",
    "api",
    "budgets",
    "labels",
    "reports",
    "sso",
];
/// Services an incident can hit.
pub(super) const SERVICES: [&str; 3] = ["billing-api", "search-api", "label-printing"];
/// How long a mood lasts before it may change, on average.
const SHIFT: Span = Span::from_millis(3 * 86_400_000);
/// How long until someone goes to the till again, on average.
const CHECKOUT: Span = Span::from_millis(2 * 86_400_000);
/// How long before the start the shop's analysts began to push scores.
const SCORED_FOR: Span = Span::from_millis(10 * 86_400_000);
/// Person number of what concerns nobody in particular.
const NOBODY: usize = usize::MAX;

impl Shop {
    /// Opens the shop `history` before `start`, so that there is a past to look back on.
    pub fn open(seed: u64, customers: usize, start: Timestamp, history: Span) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let people = people(&mut rng, customers, start);
        let mut shop =
            Self { rng, people, queue: BinaryHeap::new(), next: 0, incident: 0, parcels: 0 };
        let opened = start - history;
        for who in 0..customers {
            shop.plan(opened, who, Plan::Identify);
            for (plan, mean) in [
                (Plan::Login, Span::HOUR.times(10)),
                (Plan::Feature, Span::HOUR.times(16)),
                (Plan::Checkout, CHECKOUT),
                (Plan::Ticket, Span::DAY.times(30)),
                (Plan::Survey, Span::DAY.times(25)),
                (Plan::Invoice, Span::DAY.times(150)),
                (Plan::Shift, SHIFT),
            ] {
                shop.plan_after(opened, mean, who, plan);
            }
            let first_score =
                std::cmp::max(opened, start - SCORED_FOR) + Span::HOUR.times(shop.rng.i64(1..6));
            shop.plan(first_score, who, Plan::Rescore);
            // New on trial, half of them look what it would cost; then come three tips within the
            // week, and the cap has something to hold.
            let trial_ends = shop.people.get(who).and_then(|person| person.trial_ends);
            if let Some(ends) = trial_ends.filter(|_| shop.rng.bool()) {
                let look = ends - Span::DAY.times(7) - Span::HOUR.times(shop.rng.i64(4..16));
                shop.plan(look, who, Plan::Look);
            }
        }
        // Often enough that one opens within minutes of the shop's present.
        shop.plan(start - Span::HOUR.times(22), NOBODY, Plan::IncidentOpens);
        shop
    }

    /// All that happened up to an instant, in order of time.
    pub fn until(&mut self, to: Timestamp) -> Vec<Happening> {
        let mut happened = Vec::new();
        while let Some(Reverse((at, _, who, plan))) = self.queue.peek().copied() {
            if to < at {
                break;
            }
            self.queue.pop();
            self.carry_out(at, who, plan, &mut happened);
        }
        happened
    }

    /// The people, with the truth about each.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    fn plan(&mut self, at: Timestamp, who: usize, plan: Plan) {
        self.next += 1;
        self.queue.push(Reverse((at, self.next, who, plan)));
    }

    /// Plans after an exponentially distributed time, moved into the person's waking hours.
    fn plan_after(&mut self, now: Timestamp, mean: Span, who: usize, plan: Plan) {
        let at = now + exponential(&mut self.rng, mean);
        let at = match self.people.get(who) {
            Some(person) => awake(at, &person.zone, &mut self.rng),
            None => at,
        };
        self.plan(at, who, plan);
    }

    fn carry_out(&mut self, at: Timestamp, who: usize, plan: Plan, out: &mut Vec<Happening>) {
        let Some(person) = self.people.get(who) else {
            return self.incident(at, plan, out);
        };
        let pace = person.mood.pace(at);
        let slow = |span: Span| Span::from_millis(scaled(span, 1.0 / pace));
        match plan {
            Plan::Identify => out.push(identify(at, person, &mut self.next)),
            Plan::Login => {
                self.track(at, who, "Logged In", json!({}), out);
                for service in 0..person_services(&self.people, who).len() {
                    let calls = person_services(&self.people, who).get(service).cloned();
                    self.track(at, who, "API Called", json!({"service": calls}), out);
                }
                self.plan_after(at, slow(Span::HOUR.times(20)), who, Plan::Login);
            }
            Plan::Feature => {
                let reach = if 0.5 < pace { FEATURES.len() } else { 3 };
                let feature = FEATURES.get(self.rng.usize(0..reach)).copied();
                self.track(at, who, "Feature Used", json!({"feature": feature}), out);
                self.plan_after(at, slow(Span::HOUR.times(30)), who, Plan::Feature);
            }
            Plan::Checkout => self.checkout(at, who, slow(CHECKOUT), out),
            Plan::Look => self.track(at, who, "Checkout Viewed", json!({"cart_value": 49}), out),
            Plan::Pay => self.pay(at, who, out),
            Plan::Leave => self.track(at, who, "Checkout Left", json!({}), out),
            Plan::Scan(_) | Plan::Delay | Plan::Delivered => self.parcel(at, who, plan, out),
            Plan::Ticket | Plan::Escalate | Plan::Survey | Plan::Invoice => {
                self.service(at, who, plan, out);
            }
            Plan::Rescore => self.rescore(at, who, out),
            Plan::Shift => {
                let roll = self.rng.f64();
                if let Some(person) = self.people.get_mut(who) {
                    person.mood = person.mood.shifted(roll, at);
                }
                self.plan_after(at, SHIFT, who, Plan::Shift);
            }
            Plan::IncidentOpens | Plan::IncidentEnds => {}
        }
    }

    fn checkout(&mut self, at: Timestamp, who: usize, again: Span, out: &mut Vec<Happening>) {
        let value = (15.0 + self.rng.f64() * 160.0).round();
        self.track(at, who, "Checkout Viewed", json!({"cart_value": value}), out);
        let roll = self.rng.f64();
        if roll < 0.5 {
            let pause = Span::SECOND.times(self.rng.i64(20..160));
            self.plan(at + pause, who, Plan::Pay);
        } else if roll < 0.65 {
            let pause = Span::SECOND.times(self.rng.i64(10..170));
            self.plan(at + pause, who, Plan::Leave);
        } else if roll < 0.8 {
            // They linger beyond the three minutes and buy in the end.
            let pause = Span::MINUTE.times(self.rng.i64(4..25));
            self.plan(at + pause, who, Plan::Pay);
        }
        self.plan_after(at, again, who, Plan::Checkout);
    }

    fn pay(&mut self, at: Timestamp, who: usize, out: &mut Vec<Happening>) {
        let total = (20.0 + self.rng.f64() * 150.0).round();
        self.parcels += 1;
        if let Some(person) = self.people.get_mut(who) {
            person.parcel = self.parcels;
        }
        self.track(at, who, "Order Completed", json!({"total": total}), out);
        let packed = Span::HOUR.times(self.rng.i64(4..10));
        self.plan(at + packed, who, Plan::Scan(0));
    }

    fn parcel(&mut self, at: Timestamp, who: usize, plan: Plan, out: &mut Vec<Happening>) {
        let parcel = self.people.get(who).map_or(0, |person| person.parcel);
        let (shipment, order) = (format!("P{parcel}"), (1_000 + parcel).to_string());
        let ids = json!({"shipment_id": shipment, "order_id": order});
        match plan {
            Plan::Scan(times) => {
                self.track(at, who, "Shipment Scanned", ids, out);
                let pause = Span::HOUR.times(self.rng.i64(8..20));
                match (times, self.rng.f64()) {
                    // One parcel in twelve is lost sight of: no further scan for days.
                    (1, roll) if roll < 0.08 => {
                        self.plan(at + Span::DAY.times(4), who, Plan::Delivered);
                    }
                    (1, roll) if roll < 0.2 => self.plan(at + pause, who, Plan::Delay),
                    (0 | 1, _) => self.plan(at + pause, who, Plan::Scan(times + 1)),
                    _ => self.plan(at + pause, who, Plan::Delivered),
                }
            }
            Plan::Delay => {
                let hours = self.rng.i64(20..60);
                let late =
                    json!({"shipment_id": shipment, "order_id": order, "delay_hours": hours});
                self.track(at, who, "Shipment Delayed", late, out);
                self.plan(at + Span::DAY.times(2), who, Plan::Delivered);
            }
            _ => self.track(at, who, "Shipment Delivered", ids, out),
        }
    }

    fn service(&mut self, at: Timestamp, who: usize, plan: Plan, out: &mut Vec<Happening>) {
        let mood = self.people.get(who).map_or(Mood::Content, |person| person.mood);
        match plan {
            Plan::Ticket => {
                self.track(at, who, "Ticket Opened", json!({"topic": "delivery"}), out);
                if mood != Mood::Content && self.rng.f64() < 0.5 {
                    let pause = Span::HOUR.times(self.rng.i64(3..30));
                    self.plan(at + pause, who, Plan::Escalate);
                }
                let again = if mood == Mood::Content { 40 } else { 6 };
                self.plan_after(at, Span::DAY.times(again), who, Plan::Ticket);
            }
            Plan::Escalate => self.track(at, who, "Ticket Escalated", json!({}), out),
            Plan::Survey => {
                let score = match mood {
                    Mood::Content => self.rng.i64(7..11),
                    Mood::Declining { .. } => self.rng.i64(2..8),
                    Mood::Leaving { .. } => self.rng.i64(0..5),
                };
                self.track(at, who, "Survey Answered", json!({"score": score}), out);
                self.plan_after(at, Span::DAY.times(25), who, Plan::Survey);
            }
            _ => {
                self.track(at, who, "Invoice Overdue", json!({}), out);
                self.plan_after(at, Span::DAY.times(150), who, Plan::Invoice);
            }
        }
    }

    /// The shop's own analysts push a churn probability: the truth, blurred.
    fn rescore(&mut self, at: Timestamp, who: usize, out: &mut Vec<Happening>) {
        let truth = self.people.get(who).map_or(0.0, |person| person.mood.churn(at));
        let blurred = (truth + (self.rng.f64() - 0.5) * 0.12).clamp(0.01, 0.99);
        let score = (blurred * 1000.0).round() / 1000.0;
        self.track(at, who, "Score Updated", json!({"model": "churn", "score": score}), out);
        self.plan(at + Span::HOUR.times(6), who, Plan::Rescore);
    }

    fn incident(&mut self, at: Timestamp, plan: Plan, out: &mut Vec<Happening>) {
        let (event, next, pause) = match plan {
            Plan::IncidentOpens => ("Incident Opened", Plan::IncidentEnds, Span::HOUR.times(3)),
            _ => ("Incident Resolved", Plan::IncidentOpens, Span::HOUR.times(20)),
        };
        if plan == Plan::IncidentOpens {
            self.incident += 1;
        }
        let number = self.incident as usize;
        let service = SERVICES.get(number % SERVICES.len()).copied();
        self.next += 1;
        out.push(Happening {
            at,
            json: json!({
                "broadcast": true, "event": event, "id": format!("demo-{}", self.next),
                "at": at.to_string(),
                "with": {
                    "incident_id": format!("I{number}"), "service": service,
                    "severity": "major", "summary": "Requests are slow and some fail.",
                    "next_update": (at + Span::HOUR).to_string(),
                },
            }),
        });
        self.plan(at + pause, NOBODY, next);
    }

    fn track(
        &mut self,
        at: Timestamp,
        who: usize,
        event: &str,
        properties: Value,
        out: &mut Vec<Happening>,
    ) {
        let Some(person) = self.people.get(who) else { return };
        self.next += 1;
        let mut json = json!({
            "type": "track", "userId": person.id, "event": event,
            "messageId": format!("demo-{}", self.next), "timestamp": at.to_string(),
        });
        if let Value::Object(fields) = &mut json {
            fields.insert("properties".to_owned(), properties);
        }
        out.push(Happening { at, json });
    }
}

fn identify(at: Timestamp, person: &Person, next: &mut u64) -> Happening {
    *next += 1;
    Happening {
        at,
        json: json!({
            "type": "identify", "userId": person.id, "messageId": format!("demo-{next}"),
            "timestamp": at.to_string(), "traits": person.traits,
        }),
    }
}

fn person_services(people: &[Person], who: usize) -> &[&'static str] {
    people.get(who).map_or(&[], |person| person.services.as_slice())
}

/// An exponentially distributed time, at most ten times its mean.
fn exponential(rng: &mut fastrand::Rng, mean: Span) -> Span {
    let draw = -(1.0 - rng.f64()).ln();
    Span::from_millis(scaled(mean, draw.min(10.0)))
}

fn scaled(span: Span, factor: f64) -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "spans of a simulation: years at most, and a millisecond more or less is nothing"
    )]
    let millis = (span.as_millis() as f64 * factor) as i64;
    millis
}

/// Moves an instant of the night into the following morning.
fn awake(at: Timestamp, zone: &Zone, rng: &mut fastrand::Rng) -> Timestamp {
    let hour = at.in_zone(zone).hour();
    match hour {
        // A few are up at night: quiet hours need someone to hold back for.
        0..7 if rng.f64() < 0.9 => {
            at + Span::HOUR.times(i64::from(7 - hour)) + Span::MINUTE.times(rng.i64(0..180))
        }
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Timestamp {
        Timestamp::parse("2026-03-02T06:00:00Z").unwrap()
    }

    #[test]
    fn the_same_seed_tells_the_same_story_however_it_is_read() {
        let mut whole = Shop::open(7, 20, start(), Span::DAY.times(10));
        let mut parts = Shop::open(7, 20, start(), Span::DAY.times(10));
        let end = start() + Span::DAY;
        let all = whole.until(end);
        let mut read = Vec::new();
        let mut now = start() - Span::DAY.times(11);
        while now < end {
            now = std::cmp::min(now + Span::HOUR.times(7), end);
            read.extend(parts.until(now));
        }
        assert!(500 < all.len());
        assert_eq!(all, read);
    }

    #[test]
    fn those_who_leave_do_less() {
        let mut shop = Shop::open(7, 300, start(), Span::DAY.times(30));
        let happened = shop.until(start() + Span::DAY.times(5));
        let rate = |wanted: &dyn Fn(Mood) -> bool| {
            let people: Vec<_> =
                shop.people().iter().filter(|person| wanted(person.mood)).map(|p| &p.id).collect();
            let since = (start() + Span::DAY).to_string();
            let logins = happened
                .iter()
                .filter(|h| h.json["event"] == "Logged In" && since < h.at.to_string())
                .filter(|h| people.iter().any(|id| h.json["userId"] == **id))
                .count();
            logins as f64 / people.len() as f64
        };
        let content = rate(&|mood| mood == Mood::Content);
        let leaving = rate(&|mood| matches!(mood, Mood::Leaving { .. }));
        assert!(leaving < 0.6 * content, "{leaving} against {content}");
    }
}
