//! A worker between a log and a store: whatever is cut off at whatever moment, what comes out is
//! what comes out of a run that nothing disturbs.

mod left;
mod shared;

use std::path::Path;

use tokio::sync::mpsc;

use super::*;
use crate::clock::{Clock, Manual};
use crate::decode::{PreferenceRecord, Record};
use crate::engine::catalog::When;
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::Answer;
use crate::engine::pool::{PoolAnswer, PoolWord};
use crate::engine::testing::{IN_APP, PING, SERVICE, clause, send_with, span};
use crate::log::Log as _;
use crate::log::memory::Memory;
use crate::store::decisions::DecisionFilter;
use crate::store::listed::AddressKey;
use crate::store::record::{DecisionRecord, OutboxRow};
use crate::store::view::{CustomerFilter, CustomerSort, Funnel};
use crate::store::{Committed, Options};
use crate::worker::committer::{self, Committer};
use crate::worker::testing::{
    Dice, address, after, broadcast, catalog, event, open, small_shop, start,
};
use crate::worker::workers::Workers;

/// A worker whose rounds and commits happen when the test says so.
struct Stage {
    store: Arc<Store>,
    running: Running,
    committer: Committer,
    effects: mpsc::Receiver<Committed>,
}

fn set_stage(dir: &Path, log: &Arc<Memory>, clock: &Arc<Manual>, catalog: &Arc<Catalog>) -> Stage {
    set_stage_on(Store::open(dir, Options::default()).unwrap(), log, clock, catalog)
}

fn set_stage_on(
    store: Arc<Store>,
    log: &Arc<Memory>,
    clock: &Arc<Manual>,
    catalog: &Arc<Catalog>,
) -> Stage {
    let (sink, effects) = mpsc::channel(10_000);
    let (commits, committer) = committer::pair(store.clone(), sink);
    let parts = Parts { log: log.clone(), store: store.clone(), clock: clock.clone(), commits };
    let (_, worker) = pair(0, catalog.clone(), parts);
    let running = Running::load(worker).unwrap();
    Stage { store, running, committer, effects }
}

impl Stage {
    fn round(&mut self) {
        // Never asleep: time is what the test makes it.
        self.running.worker.mailbox.wake();
        assert_eq!(self.running.round().unwrap(), Next::GoOn);
    }

    /// Rounds until nothing is left to do, all of it committed.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.round();
            while self.running.busy == Busy::Yes {
                self.round();
            }
            self.running.hand_over().unwrap();
            self.committer.commit_waiting().unwrap();
        }
    }

    fn outcome(&self) -> Outcome {
        outcome(&self.store)
    }
}

/// All that a run leaves behind.
#[derive(Debug, PartialEq)]
struct Outcome {
    states: Vec<(String, Vec<u8>)>,
    decisions: Vec<DecisionRecord>,
    outbox: Vec<String>,
    tasks: usize,
    funnels: Vec<Funnel>,
    position: u64,
}

fn outcome(store: &Store) -> Outcome {
    let mut states = Vec::new();
    let take = |id: CustomerId, state: &[u8]| -> Result<(), store::Error> {
        states.push((id.as_str().to_owned(), state.to_vec()));
        Ok(())
    };
    store.load(0, take).unwrap();
    let mut outbox: Vec<_> = store.outbox().map(|row| row.unwrap().decision).collect();
    outbox.sort();
    Outcome {
        states,
        decisions: store.decisions(&DecisionFilter::default(), None, 100_000).unwrap().items,
        outbox,
        tasks: store.tasks(&Default::default(), None, 100_000).unwrap().items.len(),
        funnels: store.funnels().unwrap().into_values().collect(),
        position: store.mark(0).unwrap().unwrap().position,
    }
}

/// Names the first difference, without all that is alike.
fn same(one: &Outcome, other: &Outcome, seed: u64) {
    for (one, other) in one.decisions.iter().zip(&other.decisions) {
        assert_eq!(one, other, "seed {seed}");
    }
    assert_eq!(one.decisions.len(), other.decisions.len(), "seed {seed}");
    for (one, other) in one.states.iter().zip(&other.states) {
        assert_eq!(one, other, "seed {seed}");
    }
    assert!(one == other, "seed {seed}");
}

/// Appends some events at the time of the clock, which moves on.
fn happen(log: &Memory, clock: &Manual, dice: &mut Dice, count: u64) {
    for _ in 0..count {
        clock.advance(Span::from_millis(i64::try_from(dice.below(40_000)).unwrap()));
        let customer = format!("c{}", dice.below(20));
        let number = dice.below(1_000_000);
        let name = ["Ping", "Order", "Order", "Other"][usize::try_from(number % 4).unwrap()];
        let record = event(&customer, name, &format!("e{number}"), clock.now());
        log.append(0, &[record]).unwrap();
    }
}

/// A directory in memory where there is one: these tests are about what is committed when, and a
/// thousand flushes to a real disk would take most of a minute.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

#[test]
fn a_thousand_crashes_change_nothing() {
    let mut crashes = 0;
    for seed in 0..10 {
        let clock = Arc::new(Manual::at(start()));
        let log = Arc::new(Memory::new(1, clock.clone()));
        let catalog = catalog();
        let dir = scratch();
        let mut dice = Dice(seed);
        let mut stage = Some(set_stage(dir.path(), &log, &clock, &catalog));
        let mut seen: Vec<String> = Vec::new();
        for _ in 0..100 {
            let count = dice.below(6);
            happen(&log, &clock, &mut dice, count);
            let mut at_work = stage.take().unwrap();
            for _ in 0..dice.below(4) {
                at_work.round();
                match dice.below(6) {
                    0 => drop(at_work.running.hand_over()),
                    1 | 2 => drop(at_work.running.hand_over_due()),
                    3 | 4 => drop(at_work.committer.commit_waiting().unwrap()),
                    _ => {}
                }
            }
            while let Ok(committed) = at_work.effects.try_recv() {
                seen.extend(committed.outbox.into_iter().map(|row| row.decision));
            }
            // What was applied, closed, or even handed over, but not committed, is gone.
            let store = at_work.store.clone();
            drop(at_work);
            crashes += 1;
            let mut again = if crashes % 10 == 0 {
                drop(store);
                set_stage(dir.path(), &log, &clock, &catalog)
            } else {
                // Opening costs far more than all the rest, and what is committed is committed.
                set_stage_on(store, &log, &clock, &catalog)
            };
            // The crash took no time: only the clock of this test went on meanwhile.
            again.running.shard.set_blind(Vec::new());
            again.running.mark.blind.clear();
            stage = Some(again);
        }
        let mut disturbed = stage.unwrap();
        disturbed.settle();
        let end = disturbed.outcome();
        while let Ok(committed) = disturbed.effects.try_recv() {
            seen.extend(committed.outbox.into_iter().map(|row| row.decision));
        }
        let calm_dir = scratch();
        let mut calm = set_stage(calm_dir.path(), &log, &clock, &catalog);
        calm.settle();
        same(&end, &calm.outcome(), seed);
        assert!(end.funnels.len() == 2 && end.funnels.iter().all(Funnel::is_balanced));
        assert!(10 < end.outbox.len() && 10 < end.tasks, "{:?}", end.funnels);
        // Each send left once, and none left that was not committed.
        let left = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), left, "a decision left twice");
        assert!(seen.iter().all(|id| end.outbox.contains(id)));
    }
    assert_eq!(crashes, 1_000);
}

#[test]
fn a_loss_of_power_takes_what_was_not_flushed_and_nothing_else() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    log.append(0, &[event("a", "Order", "o1", start())]).unwrap();
    stage.settle();
    log.set_sync(crate::log::memory::Sync::WhenAsked);
    log.append(0, &[event("a", "Order", "o2", start())]).unwrap();
    drop(stage);
    log.crash();
    assert_eq!(log.end(0), 1);
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    clock.advance(span("10m"));
    stage.settle();
    assert_eq!(stage.outcome().outbox.len(), 1);
}

#[test]
fn timers_fire_by_the_clock_once_the_log_is_read() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    log.append(0, &[event("a", "Order", "o1", start())]).unwrap();
    stage.settle();
    clock.set(after(599));
    stage.settle();
    assert_eq!(stage.outcome().outbox.len(), 0);
    clock.set(after(700));
    stage.settle();
    let outcome = stage.outcome();
    assert_eq!(outcome.outbox.len(), 1);
    assert_eq!(outcome.decisions[0].decided_at, after(600).to_string(), "at its own instant");
    // A ping that was appended before the deadline cancels, however late it is read.
    clock.set(after(1_000));
    log.append(0, &[event("b", "Order", "o2", after(1_000))]).unwrap();
    clock.set(after(1_100));
    log.append(0, &[event("b", "Ping", "p2", after(1_100))]).unwrap();
    clock.set(after(9_000));
    stage.settle();
    assert_eq!(stage.outcome().outbox.len(), 1);
}

#[test]
fn being_down_for_long_is_remembered_as_blind() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    stage.settle();
    drop(stage);
    clock.set(after(50));
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    assert_eq!(stage.running.shard.blind(), []);
    log.append(0, &[event("a", "Order", "o1", after(50))]).unwrap();
    stage.settle();
    drop(stage);
    clock.set(after(50 + 3_600));
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    let gap = BlindGap::down(after(50), after(3_650));
    assert_eq!(stage.running.shard.blind(), [gap]);
    stage.settle();
    assert_eq!(stage.outcome().outbox.len(), 0, "nobody could have heard a ping");
    clock.set(after(3_650 + 600));
    stage.settle();
    assert_eq!(stage.outcome().outbox.len(), 1);
}

#[test]
fn records_that_cannot_be_read_become_dead_letters() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    log.append(0, &[bytes::Bytes::from_static(b"garbage")]).unwrap();
    log.append(0, &[event("a", "Order", "o1", start())]).unwrap();
    stage.settle();
    assert_eq!((stage.outcome().position, stage.outcome().states.len()), (2, 1));
    let letter = stage.store.dead_letters(5).unwrap().remove(0);
    assert_eq!((&*letter.source, &*letter.sample), ("log", "garbage"));
    assert!(letter.detail.contains("position 1"), "{}", letter.detail);
}

#[test]
fn an_outcome_settles_its_row_and_replaces_the_verdict() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    log.append(0, &[event("a", "Order", "o1", start())]).unwrap();
    clock.set(after(600));
    stage.settle();
    let row = stage.store.outbox().next().unwrap().unwrap();
    let decision = DecisionId::parse(&row.decision).unwrap();
    let result = crate::engine::input::Delivery::Unknown { why: "reset".into() };
    let outcome = crate::engine::input::Outcome { decision, attempt: 1, result };
    log.append(0, &[Record::Outcome { customer: "a", outcome, known_as: None }.to_bytes()])
        .unwrap();
    stage.settle();
    let outcome = stage.outcome();
    assert_eq!(outcome.outbox.len(), 0);
    assert_eq!(outcome.decisions[0].verdict, "unknown");
    assert_eq!(outcome.decisions[0].history[0].verdict, "sent");
    assert_eq!((outcome.funnels[0].sent, outcome.funnels[0].unknown), (0, 1));
    let committed = std::iter::from_fn(|| stage.effects.try_recv().ok()).last().unwrap();
    assert_eq!(committed.settled, [decision]);
}

#[test]
fn who_refuses_and_then_moves_has_only_the_old_address_listed_after_a_crash() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let store = Store::open(dir.path(), Options::default()).unwrap();
    store.hash_addresses_with(AddressKey::new(&[7; 32]).unwrap());
    let mut stage = set_stage_on(store.clone(), &log, &clock, &catalog);
    let no = PreferenceRecord::Consent {
        purpose: None,
        channel: None,
        answer: Answer::Denied,
        source: "page",
        evidence: None,
        about: None,
    };
    let no = Record::Preference { customer: "a", preference: no }.to_bytes();
    let waits = event("b", "Other", "o1", start());
    let moved =
        [address("a", "old@x.example", start()), no, address("a", "new@x.example", start())];
    log.append(0, &[waits]).unwrap();
    log.append(0, &moved).unwrap();
    // Who is ruled about is written with all that they said; the first one waits.
    let called = ["p1", "p2"].map(|id| event("a", "Ping", id, start()));
    log.append(0, &called).unwrap();
    stage.round();
    stage.running.hand_over_due().unwrap();
    stage.committer.commit_waiting().unwrap();
    let mark = store.mark(0).unwrap().unwrap();
    assert!(mark.position < 2 && 6 <= mark.heard, "{mark:?}");
    drop(stage);
    let mut stage = set_stage_on(store.clone(), &log, &clock, &catalog);
    log.append(0, &[event("a", "Order", "o3", start())]).unwrap();
    clock.set(after(1_800));
    stage.settle();
    let listed = |address| store.suppressed("email", None, address).unwrap().is_some();
    assert_eq!((listed("old@x.example"), listed("new@x.example")), (true, false));
}

#[test]
fn an_answer_to_somebody_who_was_forgotten_begins_nobody() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    let word = PoolWord {
        pool: CustomerId::of_account_pool("acme"),
        decision: DecisionId::from_bytes([1; 16]),
        asked_at: start(),
        what: PoolAnswer::Freed,
        why: "".into(),
    };
    log.append(0, &[Record::PoolWord { customer: "gone", word: word.clone() }.to_bytes()]).unwrap();
    stage.settle();
    assert_eq!(stage.outcome().states, []);
    assert_eq!(stage.running.mark.position, 1, "it was heard");
}

#[test]
fn what_was_kept_before_a_question_is_in_its_answer() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    stage.settle();
    log.append(0, &[address("a", "a@x.example", start())]).unwrap();
    let (answer, mut told) = oneshot::channel();
    let question = Message::Page { customer: "a".to_owned(), answer };
    stage.running.worker.mailbox.send(question).unwrap();
    assert_eq!(stage.running.hear().unwrap(), Next::GoOn);
    assert!(told.try_recv().unwrap().is_some(), "no round was needed");
}

#[test]
fn an_erased_customer_is_gone_and_may_come_back_as_a_stranger() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let mut stage = set_stage(dir.path(), &log, &clock, &catalog);
    let order = |id: &str| event("canary-9", "Order", id, start());
    log.append(0, &[order("o1")]).unwrap();
    clock.set(after(600));
    stage.settle();
    assert_eq!(stage.outcome().outbox.len(), 1);
    let erasure = Record::Erasure { customer: "canary-9" }.to_bytes();
    log.append(0, std::slice::from_ref(&erasure)).unwrap();
    stage.settle();
    assert_eq!(stage.store.mentions("canary-9").unwrap(), Vec::<&str>::new());
    assert_eq!(stage.running.shard.customers().len(), 0);
    // Read and erased and read again within one batch.
    log.append(0, &[order("o2"), erasure, order("o3")]).unwrap();
    stage.settle();
    let states = stage.outcome().states;
    assert_eq!(states.len(), 1);
    drop(stage);
    let stage = set_stage(dir.path(), &log, &clock, &catalog);
    let state = stage.running.shard.find("canary-9").unwrap();
    assert_eq!((state.applied, state.recent.timeline().len()), (5, 1));
    assert!(stage.outcome().funnels.iter().all(Funnel::is_balanced));
}

#[test]
fn a_reload_keeps_customers_and_cancels_what_waits_for_a_removed_trigger() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let dir = scratch();
    let spread = small_shop().trigger("spread", |trigger| {
        trigger.when = When::Event(Box::new([clause(PING)]));
        trigger.action = send_with(SERVICE, &[IN_APP], |send| {
            send.spread_over = Some(span("1h"));
        });
    });
    let with = Arc::new(open(spread));
    let mut stage = set_stage(dir.path(), &log, &clock, &with);
    log.append(0, &[event("a", "Order", "o1", start()), event("b", "Ping", "p1", start())])
        .unwrap();
    stage.settle();
    assert_eq!(stage.outcome().decisions[0].verdict, "deferred");
    let mut without = open(small_shop());
    without.revision = "second".into();
    let (ready, is_ready) = oneshot::channel();
    let (say_go, go) = oneshot::channel();
    say_go.send(()).unwrap();
    let reloaded = stage.running.reload(Arc::new(without), ready, go).unwrap();
    assert_eq!((reloaded, is_ready.blocking_recv().unwrap()), (Reloaded::Yes, Ok(())));
    stage.settle();
    let outcome = stage.outcome();
    let decision = &outcome.decisions[0];
    let told = (&*decision.trigger, &*decision.verdict, decision.reason.as_deref());
    assert_eq!(told, ("spread", "cancelled", Some("trigger_removed")));
    assert!(outcome.funnels.iter().all(Funnel::is_balanced));
    assert_eq!(stage.store.mark(0).unwrap().unwrap().revision, "second");
    // The absence of `a` is still armed.
    clock.set(after(600));
    stage.settle();
    assert_eq!(stage.outcome().outbox.len(), 1);
}

#[test]
fn a_broadcast_writes_only_those_whom_it_changes() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let dir = scratch();
    let shop = small_shop().trigger("outage", |trigger| {
        let is_vip = crate::engine::condition::Expr::Compare {
            op: crate::engine::condition::Comparison::Equal,
            left: Box::new(crate::engine::condition::Expr::Trait {
                slot: crate::engine::testing::EMAIL_ADDRESS,
                path: Box::default(),
            }),
            right: Box::new(crate::engine::condition::Expr::Literal(
                crate::engine::value::Value::Str("v@x".into()),
            )),
        };
        let outage = crate::engine::slot::EventSlot(3);
        let affects = Some(crate::engine::testing::condition(is_vip));
        let clause = crate::engine::catalog::EventClause { affects, ..clause(outage) };
        trigger.when = When::Event(Box::new([clause]));
        trigger.action = send_with(SERVICE, &[IN_APP], |_| {});
    });
    let mut stage = set_stage(dir.path(), &log, &clock, &Arc::new(open(shop)));
    for customer in ["a", "b", "c"] {
        log.append(0, &[event(customer, "Order", customer, start())]).unwrap();
    }
    let identify = r#"{"customer":"b","traits":{"email":"v@x"},"id":"t1"}"#;
    let identify =
        crate::decode::line(identify.as_bytes(), crate::decode::Arrival::live(start()), 1, || {
            "t".to_owned()
        });
    log.append(0, &[identify.unwrap().unwrap().record]).unwrap();
    stage.settle();
    let before = stage.outcome().states;
    log.append(0, &[broadcast("Outage", "x1", start())]).unwrap();
    stage.settle();
    let after = stage.outcome();
    assert_eq!(after.outbox.len(), 1);
    let changed: Vec<_> = before.iter().zip(&after.states).filter(|(a, b)| a != b).collect();
    assert_eq!(changed.iter().map(|(a, _)| &*a.0).collect::<Vec<_>>(), ["b"]);
    log.append(0, &[broadcast("Outage", "x1", start())]).unwrap();
    stage.settle();
    assert_eq!(stage.outcome().outbox.len(), 1, "the same incident once");
}

#[tokio::test(flavor = "multi_thread")]
async fn threads_answer_and_stop() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(2, clock.clone()));
    let (catalog, dir) = (catalog(), scratch());
    let store = Store::open(dir.path(), Options { shards: 2, ..Options::default() }).unwrap();
    let (sink, mut effects) = mpsc::channel(100);
    let (commits, committer) = committer::pair(store.clone(), sink);
    let spawn = |work: Box<dyn FnOnce() + Send>| std::thread::Builder::new().spawn(work).unwrap();
    let mut threads = vec![spawn(Box::new(move || committer.run().unwrap()))];
    let mut mailboxes = Vec::new();
    for shard in 0..2 {
        let parts = Parts {
            log: log.clone(),
            store: store.clone(),
            clock: clock.clone(),
            commits: commits.clone(),
        };
        let (mailbox, worker) = pair(shard, catalog.clone(), parts);
        mailboxes.push(mailbox);
        threads.push(spawn(Box::new(move || worker.run().unwrap())));
    }
    drop(commits);
    let workers = Workers::new(mailboxes, store.clone());
    for number in 0..40 {
        let customer = format!("c{number:02}");
        let shard = crate::decode::shard_of(&customer, 2);
        log.append(shard, &[event(&customer, "Order", &customer, start())]).unwrap();
        workers.wake(shard);
    }
    clock.set(after(600));
    let mut rows = Vec::new();
    let patience = Duration::from_secs(60);
    while rows.len() < 40 {
        let committed = tokio::time::timeout(patience, effects.recv()).await.unwrap();
        rows.extend(committed.unwrap().outbox);
    }
    assert!(workers.are_loaded() && workers.have_caught_up());
    let page = workers.customer("c07").await.unwrap().unwrap();
    assert_eq!((&*page.line.id, page.timeline.len(), page.decisions.len()), ("c07", 1, 1));
    assert_eq!(page.caps[0].used, 1);
    assert_eq!(workers.customer("nobody").await.unwrap(), None);
    assert_eq!(workers.gate(&rows[0], after(601)).await.unwrap(), None);
    let foreign = OutboxRow { trigger: "gone".into(), ..rows[0].clone() };
    let refused = workers.gate(&foreign, after(601)).await.unwrap();
    assert_eq!(refused, Some(crate::engine::decision::Reason::TriggerRemoved));
    let events = workers.inspect("c07", |_, state| state.map(|s| s.recent.timeline().len())).await;
    assert_eq!(events.unwrap(), Some(1));
    lists_are_whole(&workers).await;
    let mut second = open(small_shop());
    second.revision = "second".into();
    workers.reload(&Arc::new(second)).await.unwrap();
    let revision = workers.inspect("c07", |shard, _| shard.catalog().revision.to_string()).await;
    assert_eq!(revision.unwrap(), "second");
    workers.stop();
    tokio::task::spawn_blocking(move || threads.into_iter().for_each(|t| t.join().unwrap()))
        .await
        .unwrap();
    assert_eq!(store.funnels().unwrap()["silent"].sent, 40);
    assert!(workers.customer("c07").await.is_err(), "nobody answers any more");
}

/// Pages of every order, put together, hold everybody once.
async fn lists_are_whole(workers: &Workers) {
    for sort in [CustomerSort::Id, CustomerSort::LastSeen, CustomerSort::Risk] {
        let mut ids = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let filter = CustomerFilter { search: Some("C".into()), ..CustomerFilter::default() };
            let page = workers.customers(filter, sort, cursor.as_deref(), 7).await.unwrap();
            ids.extend(page.items.into_iter().map(|line| line.id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        if sort != CustomerSort::Id {
            ids.sort();
        }
        let all: Vec<_> = (0..40).map(|number| format!("c{number:02}")).collect();
        assert_eq!(ids, all, "{sort:?}");
    }
}
