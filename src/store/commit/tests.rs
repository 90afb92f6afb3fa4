//! The store on a real disk: what is committed is there after a kill, whole, and can be found.

use std::path::Path;

use super::*;
use crate::engine::decision::VerdictKind;
use crate::engine::id::CustomerId;
use crate::engine::task::{Stage, TaskOutcome, TaskState, TaskTurn, What};
use crate::engine::time::Span;
use crate::store::Options;
use crate::store::decisions::DecisionFilter;
use crate::store::record::{
    ExposureRecord, InboxRow, MessageAnswer, OutboxRow, TaskRecord, Versions,
};
use crate::store::tasks::{TaskCounts, TaskFilter};
use crate::store::view::Funnel;

fn start() -> Timestamp {
    Timestamp::parse("2026-03-01T00:00:00Z").unwrap()
}

pub(in crate::store) fn at(minute: i64) -> Timestamp {
    start() + Span::MINUTE.times(minute)
}

pub(in crate::store) fn open(dir: &Path) -> std::sync::Arc<Store> {
    Store::open(dir, Options { shards: 2, ..Options::default() }).unwrap()
}

pub(in crate::store) fn id(number: u8) -> DecisionId {
    DecisionId::from_bytes([number; 16])
}

pub(in crate::store) fn record(
    number: u8,
    customer: &str,
    trigger: &str,
    minute: i64,
    verdict: &str,
) -> DecisionRecord {
    DecisionRecord {
        id: id(number).to_string(),
        customer: customer.into(),
        trigger: trigger.into(),
        occurrence: format!("e{number}"),
        caused_at: at(minute).to_string(),
        decided_at: at(minute).to_string(),
        ruled_at: at(minute).to_string(),
        verdict: verdict.into(),
        reason: None,
        why: "because".into(),
        until: None,
        purpose: None,
        channel: None,
        offer: None,
        arm: None,
        content: Vec::new(),
        conditions: Vec::new(),
        rules: Vec::new(),
        history: Vec::new(),
        versions: Versions {
            trigger: "t".into(),
            policy: "p".into(),
            catalog: "c".into(),
            engine: "e".into(),
        },
        dry_run: false,
    }
}

pub(in crate::store) fn ruled(
    number: u8,
    customer: &str,
    trigger: &str,
    minute: i64,
    verdict: &str,
) -> Ruled {
    let record = record(number, customer, trigger, minute, verdict);
    Ruled { id: id(number), at: at(minute), replaces: None, record }
}

pub(in crate::store) fn row(number: u8, customer: &str) -> OutboxRow {
    OutboxRow {
        decision: id(number).to_string(),
        shard: 0,
        customer: customer.into(),
        trigger: "cart".into(),
        channel: "email".into(),
        address: None,
        purpose: "marketing".into(),
        decided_at_ms: 0,
        expires_at_ms: 1,
        offer: None,
        arm: None,
        locale: "en".into(),
        content: Vec::new(),
        attempt: 1,
        in_flight: true,
        asks: 0,
        confirming: None,
        next_at_ms: 0,
        dry_run: false,
    }
}

pub(in crate::store) fn task(
    number: u8,
    customer: &str,
    minute: i64,
    assigned_to: Option<&str>,
) -> TaskRecord {
    TaskRecord {
        id: id(number).to_string(),
        customer: customer.into(),
        trigger: "cart".into(),
        list: "success".into(),
        assigned_to: assigned_to.map(Into::into),
        created_at: at(minute).to_string(),
        priority: "high".into(),
        state: "open".into(),
        title: "call".into(),
        ..TaskRecord::default()
    }
}

fn turn(number: u8, turn: u32, what: What, stage: Stage) -> TaskTurn {
    let at = at(i64::from(turn));
    let outcome = if let What::Done(outcome) = what { Some(outcome) } else { None };
    let after = TaskState {
        id: id(number),
        trigger: crate::engine::slot::TriggerSlot(0),
        stage,
        turn,
        opened_at: at,
        changed_at: at,
        ack_within: None,
        ack_by: None,
        due_at: None,
        overdue_at: None,
        expires_at: None,
        assigned_to: Some("ann".into()),
        chain: thin_vec::ThinVec::new(),
        outcome,
        desk: None,
    };
    let (id, by) = (format!("w{turn}").into(), Some("ann".into()));
    TaskTurn { task: after.id, at, id, by, note: None, what, after: Some(Box::new(after)) }
}

fn batch(position: u64, states: &[(&str, &[u8])]) -> Batch {
    let mut batch = Batch::default();
    batch.mark.position = position;
    for (customer, state) in states {
        let add = |bytes: &mut Vec<u8>| -> Result<(), Error> {
            bytes.extend_from_slice(state);
            Ok(())
        };
        batch.states.add(&CustomerId::new(*customer), add).unwrap();
    }
    batch
}

fn states(store: &Store, shard: u16) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let take = |id: CustomerId, state: &[u8]| -> Result<(), Error> {
        found.push((id.as_str().to_owned(), state.to_vec()));
        Ok(())
    };
    store.load(shard, take).unwrap();
    found
}

#[test]
fn states_and_the_place_in_the_log_come_back_together() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        assert_eq!(store.mark(0).unwrap(), None);
        let mut other = batch(5, &[("x", b"other shard")]);
        other.shard = 1;
        store.commit(&mut [batch(3, &[("a", b"1"), ("b", b"2")]), other]).unwrap();
        let mut second = batch(9, &[("b", b"3")]);
        second.mark.blind = vec![crate::engine::input::BlindGap::down(at(1), at(2))];
        second.mark.revision = "r2".into();
        store.commit(&mut [second]).unwrap();
        // Dropped without a word, as by a kill.
    }
    let store = open(dir.path());
    let both = [("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"3".to_vec())];
    assert_eq!(states(&store, 0), both);
    assert_eq!(states(&store, 1).len(), 1);
    let mark = store.mark(0).unwrap().unwrap();
    assert_eq!((mark.position, &*mark.revision, mark.blind.len()), (9, "r2", 1));
    assert_eq!(store.mark(1).unwrap().unwrap().position, 5);
    assert_eq!(store.customer_ids(0, Some("a"), 9).unwrap(), ["b"]);
    assert_eq!(store.state(0, "a").unwrap().unwrap(), b"1");
}

#[test]
fn every_copy_of_the_directory_holds_whole_batches() {
    // A kill leaves what is in the files at that moment.
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for round in 1..=8_u8 {
        let text = [round];
        let mut batch = batch(u64::from(round), &[("a", &text), ("b", &text), ("c", &text)]);
        batch.rulings.push(ruled(round, "a", "cart", i64::from(round), "sent"));
        batch.outbox.push(row(round, "a"));
        store.commit(&mut [batch]).unwrap();
        let copy = tempfile::tempdir().unwrap();
        copy_all(dir.path(), copy.path());
        let copy = open(copy.path());
        assert_eq!(copy.mark(0).unwrap().unwrap().position, u64::from(round));
        assert!(states(&copy, 0).iter().all(|(_, state)| state[..] == text));
        assert_eq!(copy.outbox().count(), usize::from(round));
        let page = copy.decisions(&DecisionFilter::default(), None, 100).unwrap();
        assert_eq!(page.items.len(), usize::from(round));
    }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

#[test]
fn a_later_verdict_keeps_what_the_first_one_said() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut first = ruled(1, "a", "cart", 1, "deferred");
    first.record.reason = Some("quiet_hours".into());
    first.record.until = Some(at(60).to_string());
    first.record.purpose = Some("marketing".into());
    store.commit(&mut [Batch { rulings: vec![first], ..Batch::default() }]).unwrap();
    let mut sent = ruled(1, "a", "cart", 60, "sent");
    sent.replaces = Some(VerdictKind::Defer);
    let mut unknown = ruled(1, "a", "cart", 61, "unknown");
    unknown.replaces = Some(VerdictKind::Send);
    unknown.record.occurrence = String::new();
    let mut batches = [Batch { rulings: vec![sent, unknown], ..Batch::default() }];
    store.commit(&mut batches).unwrap();
    let kept = store.decision(id(1)).unwrap().unwrap();
    assert_eq!(&kept, &batches[0].rulings[1].record, "what is given out is what is kept");
    assert_eq!((&*kept.verdict, &*kept.decided_at), ("unknown", &*at(1).to_string()));
    assert_eq!((&*kept.occurrence, kept.purpose.as_deref()), ("e1", Some("marketing")));
    let past: Vec<_> = kept.history.iter().map(|past| &*past.verdict).collect();
    assert_eq!(past, ["deferred", "sent"]);
    assert_eq!(kept.history[0].until.as_deref(), Some(&*at(60).to_string()));
    let all = store.decisions(&DecisionFilter::default(), None, 10).unwrap();
    assert_eq!(all.items, [kept], "one line, whatever was ruled");
}

#[test]
fn history_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut rulings = vec![ruled(1, "a", "cart", 0, "deferred")];
    for minute in 1..40 {
        let replaces = Some(VerdictKind::Defer);
        rulings.push(Ruled { replaces, ..ruled(1, "a", "cart", minute, "deferred") });
    }
    store.commit(&mut [Batch { rulings, ..Batch::default() }]).unwrap();
    let kept = store.decision(id(1)).unwrap().unwrap();
    assert_eq!(kept.history.len(), HISTORY_MAX);
    assert_eq!(kept.history.last().unwrap().at, at(38).to_string());
}

#[test]
fn decisions_are_listed_newest_first_by_pages_and_filters() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut rulings = Vec::new();
    for number in 0..20_u8 {
        let customer = ["a", "ab"][usize::from(number % 2)];
        let trigger = ["cart", "dwell"][usize::from(number / 10)];
        let verdict = ["sent", "held_out", "suppressed"][usize::from(number % 3)];
        rulings.push(ruled(number, customer, trigger, i64::from(number), verdict));
    }
    store.commit(&mut [Batch { rulings, ..Batch::default() }]).unwrap();
    let numbers = |filter: &DecisionFilter, limit: usize| {
        let mut after = None;
        let mut found: Vec<String> = Vec::new();
        loop {
            let page = store.decisions(filter, after.as_deref(), limit).unwrap();
            assert!(page.items.len() <= limit);
            found.extend(page.items.into_iter().map(|record| record.occurrence));
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    let all: Vec<String> = (0..20).rev().map(|number| format!("e{number}")).collect();
    assert_eq!(numbers(&DecisionFilter::default(), 3), all);
    let of_a = DecisionFilter { customer: Some("a".into()), ..DecisionFilter::default() };
    let even: Vec<String> = (0..10).rev().map(|number| format!("e{}", number * 2)).collect();
    for limit in [1, 4, 10, 99] {
        assert_eq!(numbers(&of_a, limit), even, "{limit}");
    }
    let of_nobody = DecisionFilter { customer: Some("abc".into()), ..DecisionFilter::default() };
    assert_eq!(numbers(&of_nobody, 5), Vec::<String>::new());
    let dwell = DecisionFilter {
        trigger: Some("dwell".into()),
        verdict: Some("sent".into()),
        ..DecisionFilter::default()
    };
    assert_eq!(numbers(&dwell, 2), ["e18", "e15", "e12"]);
    let (since, until) = (Some(at(5)), Some(at(8)));
    for customer in [None, Some("a".to_owned())] {
        let filter = DecisionFilter { customer, since, until, ..DecisionFilter::default() };
        let wanted = if filter.customer.is_some() { vec!["e6"] } else { vec!["e7", "e6", "e5"] };
        assert_eq!(numbers(&filter, 2), wanted);
    }
    assert!(matches!(store.decisions(&of_a, Some("nonsense"), 5), Err(Error::Cursor(_))));
}

#[test]
fn old_decisions_go_but_not_those_that_wait() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let verdicts = ["sent", "deferred", "sent", "sent"];
    let rulings = (0_u8..)
        .zip(verdicts)
        .map(|(number, verdict)| ruled(number, "a", "cart", i64::from(number), verdict));
    store.commit(&mut [Batch { rulings: rulings.collect(), ..Batch::default() }]).unwrap();
    assert_eq!(store.prune_decisions(at(3), 100).unwrap(), 2);
    let left = store.decisions(&DecisionFilter::default(), None, 10).unwrap().items;
    let left: Vec<_> = left.iter().map(|record| &*record.occurrence).collect();
    assert_eq!(left, ["e3", "e1"]);
    assert_eq!(store.decision(id(0)).unwrap(), None);
}

#[test]
fn a_row_that_is_gone_is_not_brought_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let outbox = vec![row(1, "a"), row(2, "a"), row(3, "b")];
    store.commit(&mut [Batch { outbox, ..Batch::default() }]).unwrap();
    let settled = Batch { settled: vec![id(1), id(2)], ..Batch::default() };
    store.commit(&mut [settled]).unwrap();
    let retry = |number| OutboxRow { attempt: 2, ..row(number, "a") };
    let there = store.update_outbox(&[retry(1), retry(2), retry(3)]).unwrap();
    assert_eq!(there, [false, false, true]);
    let left: Vec<_> = store.outbox().map(|row| row.unwrap().attempt).collect();
    assert_eq!(left, [2]);
    store.remove_outbox(&id(3).to_string()).unwrap();
    assert_eq!(store.outbox().count(), 0);
}

#[test]
fn tasks_are_listed_and_changed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let tasks = vec![task(1, "a", 1, Some("ann")), task(2, "b", 2, None), task(3, "a", 3, None)];
    store.commit(&mut [Batch { tasks, ..Batch::default() }]).unwrap();
    let titles = |filter: &TaskFilter| {
        let mut after = None;
        let mut found = Vec::new();
        loop {
            let page = store.tasks(filter, after.as_deref(), 1).unwrap();
            found.extend(
                page.items.into_iter().map(|task| task.id.chars().take(2).collect::<String>()),
            );
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    assert_eq!(titles(&TaskFilter::default()), ["03", "02", "01"]);
    let of_a = TaskFilter { customer: Some("a".into()), ..TaskFilter::default() };
    assert_eq!(titles(&of_a), ["03", "01"]);
    let of_ann = TaskFilter { assigned_to: Some("ann".into()), ..TaskFilter::default() };
    assert_eq!(titles(&of_ann), ["01"]);
    let done = turn(1, 2, What::Done(TaskOutcome::Reached), Stage::Done);
    let turns = vec![
        turn(1, 1, What::Acked, Stage::Acked),
        done.clone(),
        turn(9, 1, What::Acked, Stage::Acked),
    ];
    let mut batch = [Batch { turns, ..Batch::default() }];
    store.commit(&mut batch).unwrap();
    let [batch] = batch;
    assert_eq!(batch.turned.len(), 2, "a task that nobody knows is passed over");
    let told = batch.into_committed().unwrap().tasks;
    let stood: Vec<_> = told.iter().map(|task| (&*task.state, task.turn)).collect();
    assert_eq!(stood, [("done", 2)], "listeners hear how it stands");
    let now = store.task(&id(1).to_string()).unwrap().unwrap();
    assert_eq!((now.outcome.as_deref(), now.history.len()), (Some("reached"), 2));
    assert_eq!((now.acked_at, now.closed_at), (Some(at(1).to_string()), Some(at(2).to_string())));
    // The log may bring back what was taken in.
    let mut again = [Batch { turns: vec![done], ..Batch::default() }];
    store.commit(&mut again).unwrap();
    assert_eq!(store.task(&id(1).to_string()).unwrap().unwrap().history.len(), 2);
    let open_ = TaskFilter { state: Some("open".into()), ..TaskFilter::default() };
    assert_eq!(titles(&open_), ["03", "02"]);
    let nobodys = TaskFilter { unassigned: true, ..TaskFilter::default() };
    assert_eq!(titles(&nobodys), ["03", "02"]);
    let late = |minute| TaskFilter { overdue_at: Some(at(minute)), ..TaskFilter::default() };
    let due = Some(at(60).to_string());
    let due = vec![TaskRecord { due_at: due, ..task(4, "c", 4, None) }];
    store.commit(&mut [Batch { tasks: due, ..Batch::default() }]).unwrap();
    assert_eq!((titles(&late(59)).len(), titles(&late(60))), (0, vec!["04".to_owned()]));
}

#[test]
fn tasks_are_listed_and_counted_by_team() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let due = TaskRecord { due_at: Some(at(60).to_string()), ..task(4, "c", 4, None) };
    let tasks = vec![task(1, "a", 1, Some("ann")), due];
    store.commit(&mut [Batch { tasks, ..Batch::default() }]).unwrap();
    let ids = |filter: &TaskFilter| {
        let page = store.tasks(filter, None, 9).unwrap();
        page.items
            .into_iter()
            .map(|task| task.id.chars().take(2).collect::<String>())
            .collect::<Vec<_>>()
    };
    let of = |team: &str| TaskFilter { team: Some(team.to_owned()), ..TaskFilter::default() };
    let team = Some("care".to_owned());
    let acked = TaskRecord { state: "acked".to_owned(), team, ..task(5, "c", 5, None) };
    store.commit(&mut [Batch { tasks: vec![acked], ..Batch::default() }]).unwrap();
    assert_eq!((ids(&of("care")), ids(&of("sales")).len()), (vec!["05".to_owned()], 0));
    let counts = store.task_counts(None, at(60)).unwrap();
    let told = |team: &str| (counts[team].open, counts[team].acked, counts[team].overdue);
    assert_eq!((told(""), told("care")), ((2, 0, 1), (0, 1, 0)));
    let elsewhere = store.task_counts(Some(&BTreeSet::new()), at(60)).unwrap();
    assert_eq!(elsewhere["care"], TaskCounts::default());
    // A line that an older version wrote does not tell the team.
    let (key, line) = store
        .spaces
        .tasks_by_time
        .iter()
        .map(|g| g.into_inner().unwrap())
        .find(|(_, line)| line.ends_with(b"care"))
        .unwrap();
    store.spaces.tasks_by_time.insert(key, &line[..line.len() - 5]).unwrap();
    assert_eq!((ids(&of("care")), ids(&of("sales")).len()), (vec!["05".to_owned()], 0));
    assert_eq!(store.task_counts(None, at(60)).unwrap(), counts);
}

pub(in crate::store) fn message(number: u8, customer: &str) -> InboxRow {
    InboxRow {
        id: id(number).to_string(),
        customer: customer.into(),
        trigger: "cart".into(),
        at: at(i64::from(number)).to_string(),
        offer: None,
        content: Vec::new(),
        read_at: None,
        answer: None,
    }
}

#[test]
fn an_inbox_takes_each_message_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in [1, 2] {
        store.put_inbox(&[message(number, "a")]).unwrap();
    }
    store.put_inbox(&[message(1, "a")]).unwrap();
    store.put_inbox(&[message(3, "ab")]).unwrap();
    let page = store.inbox("a", None, 1).unwrap();
    assert_eq!(page.items, [message(2, "a")]);
    let rest = store.inbox("a", page.next.as_deref(), 5).unwrap();
    assert_eq!((rest.items, rest.next), (vec![message(1, "a")], None));
    let (first, third) = (id(1).to_string(), id(3).to_string());
    assert_eq!(store.answer_inbox(("a", &third), MessageAnswer::Read, at(9)).unwrap(), None);
    let (read, dismissed) = (MessageAnswer::Read, MessageAnswer::Dismissed);
    for (said, stands) in [
        (dismissed, dismissed),
        (read, dismissed),
        (MessageAnswer::Clicked, MessageAnswer::Clicked),
        (dismissed, MessageAnswer::Clicked),
    ] {
        let row = store.answer_inbox(("a", &first), said, at(9)).unwrap().unwrap();
        assert_eq!(row.answer, Some(stands), "{said:?}");
        assert_eq!(store.message("a", &first).unwrap().as_ref(), Some(&row));
    }
    let again = store.answer_inbox(("a", &first), read, at(10)).unwrap().unwrap();
    assert_eq!(again.read_at, Some(at(9).to_string()), "the first time counts");
    // One that was read before anybody told more of it.
    let before = InboxRow { read_at: Some(at(5).to_string()), ..message(7, "a") };
    assert_eq!((before.answer, before.answered()), (None, Some(read)));
}

#[test]
fn a_forgotten_customer_leaves_nothing_and_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let canary = "canary-7";
    let exposure = |unit: &str| ExposureRecord {
        experiment: "cart".into(),
        unit: unit.into(),
        arm: "b".into(),
        at: at(1).to_string(),
    };
    let mut full = batch(1, &[(canary, b"canary-7 state"), ("other", b"1")]);
    full.rulings = vec![ruled(1, canary, "cart", 1, "sent"), ruled(2, "other", "cart", 1, "sent")];
    full.outbox = vec![row(1, canary), row(2, "other")];
    full.tasks = vec![task(1, canary, 1, None), task(2, "other", 1, None)];
    full.exposures = vec![exposure(canary), exposure("other")];
    store.commit(&mut [full]).unwrap();
    store.put_inbox(&[message(1, canary)]).unwrap();
    assert_eq!(store.mentions(canary).unwrap().len(), 9, "{:?}", store.mentions(canary));
    let mut last = ruled(3, canary, "cart", 2, "cancelled");
    last.replaces = Some(VerdictKind::Defer);
    let just_before = Batch {
        rulings: vec![ruled(4, canary, "cart", 2, "sent")],
        outbox: vec![row(4, canary)],
        tasks: vec![task(4, canary, 2, None)],
        ..batch(2, &[(canary, b"canary-7 again")])
    };
    let forgotten = vec![CustomerId::new(canary)];
    let erasure = Batch { forgotten, rulings: vec![last], ..Batch::default() };
    let mut batches = [just_before, erasure];
    store.commit(&mut batches).unwrap();
    let [_, erasure] = batches;
    let withdrawn = erasure.into_committed().unwrap().withdrawn;
    assert_eq!(withdrawn, [id(1)], "what waits in line for its call must not be called");
    assert_eq!(store.mentions(canary).unwrap(), Vec::<&str>::new());
    assert_eq!(store.decisions(&DecisionFilter::default(), None, 9).unwrap().items.len(), 1);
    assert_eq!(store.tasks(&TaskFilter::default(), None, 9).unwrap().items.len(), 1);
    assert_eq!((store.outbox().count(), store.exposures("cart").count()), (1, 1));
    assert!(store.compact_after_erasures().unwrap());
    assert!(!store.compact_after_erasures().unwrap());
    drop(store);
    let kept = bytes_below(dir.path());
    // The journal is the log's and the store's own history: it is cut when it is full.
    assert!(kept.iter().all(|(path, has)| !has || path.ends_with("jnl")), "{kept:?}");
}

/// Each file below a directory, and whether it holds the canary.
fn bytes_below(dir: &Path) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(bytes_below(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let has = bytes.windows(8).any(|window| window == b"canary-7");
            found.push((path.display().to_string(), has));
        }
    }
    found
}

#[test]
fn the_first_exposure_counts() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let exposure = |arm: &str| ExposureRecord {
        experiment: "cart".into(),
        unit: "a".into(),
        arm: arm.into(),
        at: at(1).to_string(),
    };
    for arm in ["b", "c"] {
        let exposures = vec![exposure(arm)];
        store.commit(&mut [Batch { exposures, ..Batch::default() }]).unwrap();
    }
    let kept: Vec<_> = store.exposures("cart").map(Result::unwrap).collect();
    assert_eq!(kept, [exposure("b")]);
    assert_eq!(store.exposures("art").count(), 0);
}

#[test]
fn funnels_of_shards_are_added_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let funnel = |sent| Funnel { matched: sent, sent, ..Funnel::new("cart") };
    for (shard, sent) in [(0, 2), (1, 3), (0, 4)] {
        let funnels = vec![funnel(sent)];
        store.commit(&mut [Batch { shard, funnels, ..Batch::default() }]).unwrap();
    }
    assert_eq!(store.funnels().unwrap()["cart"], funnel(7));
    assert_eq!(store.funnels_of(0).unwrap()["cart"].sent, 4);
}
