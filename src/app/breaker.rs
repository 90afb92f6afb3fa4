//! Breakers: a trigger that reaches out to too many, or does too much harm, is paused by an order like an
//! operator's, in the log of every shard.
//!
//! It takes all customers together to tell, so it is no matter of the engine: what was committed is
//! counted here, after the fact. Counts are of this process; a restart finds them again in the store.

mod recall;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::books::encoded;
use crate::catalog::Catalogs;
use crate::clock::Shared as Clock;
use crate::decode::Record;
use crate::engine::decision::{Reason, VerdictKind};
use crate::engine::input::Told;
use crate::engine::operation::{LASTS_DEFAULT, Operation, Order, Scope};
use crate::engine::policy::{AtMost, Breaker, Share};
use crate::engine::time::{Span, Timestamp};
use crate::log::Group;
use crate::log::appender::Appender;
use crate::store::{Committed, Error, Store};
use crate::worker::Workers;

/// Who gives the orders of breakers.
pub(super) const BY: &str = "breaker";
/// Orders that wait for the log at most: one for each trigger that goes too far at once.
const WAITING_MAX: usize = 1_024;
/// How long after a pause another is not thought of: it is under way to the shards.
const UNDER_WAY: Span = Span::MINUTE;
/// How long it takes until the log is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// Parts of a stretch that are counted as one.
const BUCKETS: i64 = 60;

/// The counts of all triggers, and the way of orders into the log.
pub(super) struct Breakers {
    catalogs: Arc<Catalogs>,
    clock: Clock,
    store: Arc<Store>,
    workers: Workers,
    counts: BTreeMap<String, Counts>,
    orders: mpsc::Sender<Operation>,
}

/// Breakers, and the work of bringing their orders into the log: it ends with them. To be called
/// before anything is committed: what was is counted.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn pair(
    (catalogs, clock): (Arc<Catalogs>, Clock),
    (appender, workers): (Appender, Workers),
    store: &Arc<Store>,
) -> Result<(Breakers, impl Future<Output = ()> + use<>), Error> {
    let (orders, mut given) = mpsc::channel::<Operation>(WAITING_MAX);
    let shards = store.shards();
    let work = async move {
        while let Some(operation) = given.recv().await {
            let record = encoded(&Record::Operation(operation));
            let group = |shard| Group { shard, records: vec![record.clone()] };
            while let Err(error) = appender.append_groups((0..shards).map(group).collect()).await {
                tracing::error!(%error, "a breaker's order is not in the log yet");
                tokio::time::sleep(AGAIN).await;
                if orders_are_over(&given) {
                    return;
                }
            }
        }
    };
    let store = Arc::clone(store);
    let counts = recall::counts(&store, &catalogs.current(), clock.now())?;
    Ok((Breakers { catalogs, clock, store, workers, counts, orders }, work))
}

/// The service ends: nobody gives orders any more.
fn orders_are_over(given: &mpsc::Receiver<Operation>) -> bool {
    given.is_closed() && given.is_empty()
}

impl Breakers {
    /// Counts what was committed, and pauses what went too far.
    pub(super) fn hear(&mut self, committed: &Committed) {
        let catalog = self.catalogs.current();
        let now = self.clock.now();
        let customers = || self.workers.count();
        let breaker = |trigger: &str| {
            let slot = catalog.find_trigger(trigger)?;
            catalog.trigger(slot)?.breaker
        };
        let mut went_too_far: BTreeMap<String, String> = BTreeMap::new();
        let mut count = |trigger: &str, what: What| {
            let Some(breaker) = breaker(trigger) else { return };
            let counts = self
                .counts
                .entry(trigger.to_owned())
                .or_insert_with(|| Counts::new(&breaker, None));
            if let Some(why) = counts.add(&breaker, what, now, &customers) {
                went_too_far.insert(trigger.to_owned(), why);
            }
        };
        for record in committed.records.iter().filter(|record| !record.dry_run) {
            let (reason, turn) = (record.reason.as_deref(), Turn::after(record.history.len()));
            let all = what_of(&record.verdict, reason, turn);
            all.into_iter().for_each(|what| count(&record.trigger, what));
        }
        for (trigger, told) in &committed.unwanted {
            let unsubscribed = *told == Told::Unsubscribed;
            count(trigger, if unsubscribed { What::Unsubscribed } else { What::Complained });
        }
        for (trigger, why) in went_too_far {
            self.pause(&trigger, &why, now);
        }
    }

    fn pause(&mut self, trigger: &str, why: &str, now: Timestamp) {
        let scope = Scope::Trigger(trigger.into());
        if self.is_held(trigger, now) {
            return;
        }
        let operation = Operation {
            id: format!("breaker-{:012x}-{trigger}", now.as_millis()).into(),
            order: Order::Pause,
            scope,
            until: now + LASTS_DEFAULT,
            by: BY.into(),
            why: why.into(),
        };
        tracing::error!(
            trigger,
            why,
            "a trigger went too far and is paused: see `heedful operations list`"
        );
        if self.orders.try_send(operation).is_err() {
            tracing::error!(trigger, "the order of a breaker found no room");
            return;
        }
        // Whoever resumes it begins to count anew.
        if let Some(counts) = self.counts.get_mut(trigger) {
            counts.begin_anew(now);
        }
    }

    /// Whether somebody holds or stops it already.
    fn is_held(&self, trigger: &str, now: Timestamp) -> bool {
        let marks =
            (0..self.store.shards()).filter_map(|shard| self.store.mark(shard).ok().flatten());
        let mut held =
            marks.map(|mark| mark.operations.holding(Some(trigger), None, now).is_some());
        held.any(|held| held)
    }
}

/// What of a trigger is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Decided,
    Sent,
    Failed,
    Complained,
    Unsubscribed,
}

/// Whether a verdict is the first of its decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    First,
    Later,
}

impl Turn {
    const fn after(verdicts: usize) -> Self {
        if verdicts == 0 { Self::First } else { Self::Later }
    }
}

/// What a verdict says, of a decision with sending on.
fn what_of(verdict: &str, reason: Option<&str>, turn: Turn) -> Vec<What> {
    let first = turn == Turn::First;
    match (VerdictKind::parse(verdict), reason.and_then(Reason::parse)) {
        (Some(VerdictKind::Send), _) if first => vec![What::Decided, What::Sent],
        (Some(VerdictKind::Send), _) => vec![What::Sent],
        (Some(VerdictKind::Task), _) if first => vec![What::Decided],
        // What is held already goes no further.
        (Some(VerdictKind::Defer), reason) if first && reason != Some(Reason::Held) => {
            vec![What::Decided]
        }
        (Some(VerdictKind::Unknown), _) | (_, Some(Reason::Rejected)) => vec![What::Failed],
        _ => Vec::new(),
    }
}

/// What one trigger did lately.
#[derive(Debug)]
struct Counts {
    decided: Window,
    sent: Window,
    failed: Window,
    complained: Window,
    unsubscribed: Window,
    paused_at: Option<Timestamp>,
}

impl Counts {
    fn new(breaker: &Breaker, paused_at: Option<Timestamp>) -> Self {
        let of_day = || Window::new(Breaker::OVER);
        Self {
            decided: Window::new(breaker.per),
            sent: of_day(),
            failed: of_day(),
            complained: of_day(),
            unsubscribed: of_day(),
            paused_at,
        }
    }

    /// Counts what happened before this process began, unless a pause came after it.
    fn recall(&mut self, breaker: &Breaker, what: What, at: Timestamp) {
        if self.paused_at.is_none_or(|paused_at| paused_at < at) {
            self.enter(breaker, what, at);
        }
    }

    fn begin_anew(&mut self, now: Timestamp) {
        for window in [
            &mut self.decided,
            &mut self.sent,
            &mut self.failed,
            &mut self.complained,
            &mut self.unsubscribed,
        ] {
            window.counts.clear();
        }
        self.paused_at = Some(now);
    }

    fn enter(&mut self, breaker: &Breaker, what: What, now: Timestamp) {
        // Files say something else by now, and parts of another length cannot be told from these.
        if self.decided.over != breaker.per {
            self.decided = Window::new(breaker.per);
        }
        let window = match what {
            What::Decided => &mut self.decided,
            What::Sent => &mut self.sent,
            What::Failed => &mut self.failed,
            What::Complained => &mut self.complained,
            What::Unsubscribed => &mut self.unsubscribed,
        };
        window.add(now);
    }

    /// Counts one, and says why that is too far, if it is.
    fn add(
        &mut self,
        breaker: &Breaker,
        what: What,
        now: Timestamp,
        customers: &dyn Fn() -> u64,
    ) -> Option<String> {
        self.enter(breaker, what, now);
        if self.paused_at.is_some_and(|at| now - at < UNDER_WAY) {
            return None;
        }
        let decided = self.decided.sum(now);
        // What passes whatever part of all it is needs no customers to be counted.
        let known = if breaker.bound(0) < decided { customers() } else { 0 };
        let bound = breaker.bound(known);
        if bound < decided {
            let per = breaker.per;
            let of = match breaker.at_most {
                AtMost::Count(_) => String::new(),
                AtMost::Part(share) => {
                    format!(" ({}% of {known} customers)", f64::from(share.0) / 100.0)
                }
            };
            return Some(format!(
                "{decided} decisions to reach out within {per}, {bound} at most{of}"
            ));
        }
        let sent = self.sent.sum(now);
        if sent < u64::from(breaker.of_at_least.max(1)) {
            return None;
        }
        let parts = [
            ("failed", breaker.failed, &mut self.failed),
            ("were complained about", breaker.complaints, &mut self.complained),
            ("led to unsubscribing", breaker.unsubscribes, &mut self.unsubscribed),
        ];
        parts.into_iter().find_map(|(how, limit, window)| {
            let (harm, limit) = (window.sum(now), limit?);
            let per_cent = f64::from(limit.0) / 100.0;
            exceeds(harm, sent, limit)
                .then(|| format!("{harm} of {sent} sends of a day {how}, {per_cent}% may"))
        })
    }
}

fn exceeds(harm: u64, of: u64, limit: Share) -> bool {
    u64::from(limit.0).saturating_mul(of) < harm.saturating_mul(10_000)
}

/// How often something happened in a stretch that ends now, to a sixtieth of it.
#[derive(Debug)]
struct Window {
    over: Span,
    // Number of each part with its count, the oldest first.
    counts: VecDeque<(i64, u64)>,
}

impl Window {
    fn new(over: Span) -> Self {
        Self { over, counts: VecDeque::new() }
    }

    fn part(&self, at: Timestamp) -> i64 {
        let length = (self.over.as_millis() / BUCKETS).max(1);
        at.as_millis().div_euclid(length)
    }

    fn add(&mut self, at: Timestamp) {
        let part = self.part(at);
        match self.counts.back_mut() {
            // A clock that was set back counts on in the newest part.
            Some((newest, count)) if part <= *newest => *count += 1,
            _ => self.counts.push_back((part, 1)),
        }
    }

    fn sum(&mut self, at: Timestamp) -> u64 {
        let oldest = self.part(at) - BUCKETS;
        while self.counts.front().is_some_and(|(part, _)| *part < oldest) {
            self.counts.pop_front();
        }
        self.counts.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{at, span};

    fn breaker() -> Breaker {
        Breaker {
            at_most: AtMost::Count(3),
            per: span("1h"),
            complaints: Some(Share(100)),
            unsubscribes: Some(Share(5_000)),
            failed: Some(Share(2_500)),
            of_at_least: 4,
        }
    }

    fn told(counts: &mut Counts, what: What, times: u32, when: &str) -> Option<String> {
        (0..times).filter_map(|_| counts.add(&breaker(), what, at(when), &|| 0)).next_back()
    }

    #[test]
    fn more_decisions_in_a_stretch_than_allowed_are_too_many() {
        let mut counts = Counts::new(&breaker(), None);
        assert_eq!(told(&mut counts, What::Decided, 3, "2026-03-02T12:00"), None);
        let why = told(&mut counts, What::Decided, 1, "2026-03-02T12:59").unwrap();
        assert_eq!(why, "4 decisions to reach out within 1h, 3 at most");
        let mut counts = Counts::new(&breaker(), None);
        assert_eq!(told(&mut counts, What::Decided, 3, "2026-03-02T12:00"), None);
        assert_eq!(
            told(&mut counts, What::Decided, 3, "2026-03-02T13:02"),
            None,
            "the hour is over"
        );
    }

    #[test]
    fn a_part_of_all_customers_is_never_less_than_says_something() {
        let part = Breaker { at_most: AtMost::Part(Share(200)), ..breaker() };
        for (customers, bound) in [(0, 4), (200, 4), (201, 5), (10_000, 200)] {
            assert_eq!(part.bound(customers), bound, "{customers}");
        }
        let mut counts = Counts::new(&part, None);
        let mut add =
            |customers| counts.add(&part, What::Decided, at("2026-03-02T12:00"), &|| customers);
        assert_eq!((0..4).find_map(|_| add(10)), None);
        assert_eq!(add(201), None);
        let why = add(201).unwrap();
        assert_eq!(why, "6 decisions to reach out within 1h, 5 at most (2% of 201 customers)");
    }

    #[test]
    fn what_is_recalled_counts_unless_it_was_before_a_pause() {
        let paused_at = Some(at("2026-03-02T12:00"));
        for (when, why) in [("2026-03-02T11:59", None), ("2026-03-02T12:01", Some("4 decisions"))] {
            let mut counts = Counts::new(&breaker(), paused_at);
            (0..3).for_each(|_| counts.recall(&breaker(), What::Decided, at(when)));
            let told = told(&mut counts, What::Decided, 1, "2026-03-02T12:30");
            let wanted = why.map(|why| format!("{why} to reach out within 1h, 3 at most"));
            assert_eq!(told, wanted, "{when}");
        }
    }

    #[test]
    fn harm_is_told_as_a_part_of_enough_sends() {
        for (what, times, why) in [
            (What::Failed, 1, "2 of 4 sends of a day failed, 25% may"),
            (What::Complained, 0, "1 of 4 sends of a day were complained about, 1% may"),
            (What::Unsubscribed, 2, "3 of 4 sends of a day led to unsubscribing, 50% may"),
        ] {
            let mut counts = Counts::new(&breaker(), None);
            assert_eq!(told(&mut counts, what, times, "2026-03-02T12:00"), None);
            // Of three it says nothing.
            assert_eq!(told(&mut counts, What::Sent, 3, "2026-03-02T12:10"), None);
            let mut few = Counts::new(&breaker(), None);
            told(&mut few, What::Sent, 3, "2026-03-02T12:10");
            assert_eq!(told(&mut few, what, 3, "2026-03-02T12:10"), None);
            assert_eq!(told(&mut counts, What::Sent, 1, "2026-03-03T11:00"), None);
            assert_eq!(told(&mut counts, what, 1, "2026-03-03T11:30").as_deref(), Some(why));
            assert_eq!(told(&mut counts, what, 1, "2026-03-04T13:00"), None, "the day is over");
        }
    }

    #[test]
    fn after_a_pause_it_is_counted_anew_and_not_at_once_thought_of_again() {
        let mut counts = Counts::new(&breaker(), None);
        assert!(told(&mut counts, What::Decided, 4, "2026-03-02T12:00").is_some());
        counts.begin_anew(at("2026-03-02T12:00"));
        assert_eq!(told(&mut counts, What::Decided, 9, "2026-03-02T12:00:30Z"), None);
        assert!(told(&mut counts, What::Decided, 1, "2026-03-02T12:01").is_some());
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        let mut counts = Counts::new(&breaker(), None);
        assert_eq!(told(&mut counts, What::Decided, 3, "2026-03-02T12:00"), None);
        assert!(told(&mut counts, What::Decided, 1, "2026-03-02T11:00").is_some());
    }
}
