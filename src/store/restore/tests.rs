//! A shard goes on in another store with all that must survive, and nothing that was forgotten.

use super::super::commit::tests::{at, id, message, open, record, row, ruled, task};
use super::*;
use crate::engine::decision::VerdictKind;
use crate::engine::id::CustomerId;
use crate::store::batch::{Batch, Mark, Ruled};
use crate::store::record::MessageAnswer;
use crate::store::view::Funnel;

/// Customers of the first and the second of two shards, whose ids stand in no random name by chance.
fn here_and_there() -> (String, String) {
    let of = |shard| {
        (0..99).map(|n| format!("somebody-{n}")).find(|id| shard_of(id, 2) == shard).unwrap()
    };
    (of(0), of(1))
}

fn batch(shard: u16, customer: &str, number: u8) -> Batch {
    let mut batch = Batch { shard, ..Batch::default() };
    batch.mark = Mark { position: number.into(), ..Mark::default() };
    let write = |bytes: &mut Vec<u8>| -> Result<(), Error> {
        bytes.extend_from_slice(&[number, 1]);
        Ok(())
    };
    batch.states.add(&CustomerId::new(customer), write).unwrap();
    batch.rulings = vec![
        ruled(number, customer, "cart", 1, "sent"),
        ruled(number + 1, customer, "cart", 2, "deferred"),
        ruled(number + 2, customer, "cart", 3, "suppressed"),
    ];
    let row = OutboxRow { shard, ..row(number, customer) };
    batch.outbox = vec![row];
    batch.tasks = vec![task(number + 3, customer, 4, None)];
    batch.exposures = vec![ExposureRecord {
        experiment: "cart".into(),
        unit: customer.into(),
        arm: "a".into(),
        at: at(1).to_string(),
    }];
    batch.funnels = vec![Funnel { matched: 4, ..Funnel::new("cart") }];
    batch
}

fn told(store: &Store, shard: u16) -> Vec<Change> {
    let mut all = Vec::new();
    store
        .tell_shard(shard, |change| -> Result<(), Error> {
            all.push(change);
            Ok(())
        })
        .unwrap();
    all
}

/// Commits as a node does: gives what it told.
fn commit(store: &Store, mut batches: Vec<Batch>, next: u64) -> Vec<Change> {
    let prepared = store.prepare(&mut batches, &[]).unwrap();
    let changes = prepared.changes().to_vec();
    prepared.commit(&[(0, next)]).unwrap();
    changes
}

#[test]
fn a_shard_goes_on_elsewhere_as_it_stood() {
    let (here, there) = here_and_there();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = [open(dirs[0].path()), open(dirs[1].path())];
    let mut dropped = vec![batch(0, &here, 9)];
    drop(first.prepare(&mut dropped, &[]).unwrap());
    assert_eq!(told(&first, 0), []);
    let changes = commit(&first, vec![batch(0, &here, 10)], 7);
    second.restore(0, &changes, 7).unwrap();
    assert_eq!(told(&second, 0), told(&first, 0));
    assert_eq!(told(&second, 0).len(), 8);
    assert_eq!(second.mark(0).unwrap().unwrap().position, 10);
    assert_eq!(
        (second.changelog_next(0).unwrap(), second.changelog_next(1).unwrap()),
        (Some(7), None)
    );
    assert_eq!(first.changelog_next(0).unwrap(), Some(7));

    // The deferred one is decided, the sent one settled: no later ruling can need either.
    let replaced = Ruled {
        replaces: Some(VerdictKind::Defer),
        record: record(11, &here, "cart", 5, "suppressed"),
        ..ruled(11, &here, "cart", 5, "suppressed")
    };
    let settled = vec![id(10)];
    let later = Batch { rulings: vec![replaced], settled, ..Batch::default() };
    let changes = commit(&first, vec![later], 8);
    second.restore(0, &changes, 8).unwrap();
    assert_eq!(told(&second, 0), told(&first, 0));
    assert_eq!(second.outbox().count(), 0);
    // Here its record is complete, there it must not stand as deferred.
    assert_eq!(first.decision(id(11)).unwrap().unwrap().history.len(), 1);
    assert_eq!(second.decision(id(11)).unwrap(), None);

    let there_too = commit(&second, vec![batch(1, &there, 20)], 9);
    assert!(there_too.iter().all(|change| change.shard == 1));
    let kept = told(&second, 1);
    second.note_in_step([0, 1], at(7)).unwrap();
    assert_eq!(second.in_step_at(0).unwrap(), Some(at(7)));
    second.drop_shard(0).unwrap();
    assert_eq!((second.in_step_at(0).unwrap(), second.in_step_at(1).unwrap()), (None, Some(at(7))));
    assert_eq!((told(&second, 0), told(&second, 1)), (Vec::new(), kept));
    assert_eq!((second.mark(0).unwrap(), second.changelog_next(0).unwrap()), (None, None));
}

#[test]
fn who_was_forgotten_elsewhere_is_forgotten_here_too() {
    let (here, _) = here_and_there();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = [open(dirs[0].path()), open(dirs[1].path())];
    for store in [&first, &second] {
        commit(store, vec![batch(0, &here, 10)], 1);
    }
    let forgotten = vec![CustomerId::new(&here)];
    let changes = commit(&first, vec![Batch { forgotten, ..Batch::default() }], 2);
    let kinds = [Kind::Customer, Kind::Decision, Kind::Exposure, Kind::Outbox, Kind::Task];
    for kind in kinds {
        let gone = |change: &&Change| change.kind == kind && change.value.is_none();
        assert!(changes.iter().any(|change| gone(&change)), "{kind:?}");
    }
    second.restore(0, &changes, 2).unwrap();
    assert_eq!(second.mentions(&here).unwrap(), Vec::<&str>::new());
}

#[test]
fn what_is_told_and_taken_back_in_one_go_leaves_nothing() {
    let (here, _) = here_and_there();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = [open(dirs[0].path()), open(dirs[1].path())];
    let mut changes = commit(&first, vec![batch(0, &here, 10)], 1);
    changes.extend(put(&first, &message(20, &here)));
    let forgotten = vec![CustomerId::new(&here)];
    changes.extend(commit(&first, vec![Batch { forgotten, ..Batch::default() }], 2));
    second.restore(0, &changes, 2).unwrap();
    assert_eq!(second.mentions(&here).unwrap(), Vec::<&str>::new());
    // Whoever comes back is somebody new.
    let again = commit(&first, vec![batch(0, &here, 30)], 3);
    changes.extend(again.iter().cloned());
    second.restore(0, &changes, 3).unwrap();
    assert_eq!(told(&second, 0), told(&first, 0));
}

/// Puts a message as a node does: gives what it told.
fn put(store: &Store, message: &InboxRow) -> Vec<Change> {
    let side = store.change_of(message).unwrap();
    let prepared = store.prepare(&mut [], &[side]).unwrap();
    let changes = prepared.changes().to_vec();
    prepared.commit(&[]).unwrap();
    changes
}

#[test]
fn an_inbox_goes_where_its_shard_goes() {
    let (here, _) = here_and_there();
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [first, second] = [open(dirs[0].path()), open(dirs[1].path())];
    let inbox = |store: &Store| store.inbox(&here, None, 1_000).unwrap().items;
    let read = |number, at: i64| {
        let read_at = Some(Timestamp::from_millis(at).to_string());
        InboxRow { read_at, ..message(number, &here) }
    };
    let mut changes: Vec<Change> =
        (1..=3).flat_map(|number| put(&first, &message(number, &here))).collect();
    changes.extend(put(&first, &read(2, 7)));
    assert_eq!(changes.len(), 4);
    // Put again after a restart, or read again: it stays as it is, and nothing is told.
    assert_eq!(put(&first, &message(2, &here)), []);
    assert_eq!(put(&first, &read(2, 8)), []);
    assert_eq!(put(&first, &read(9, 8)), [], "there is no such message");
    // More that was done with it counts, and less does not any more.
    let clicked = InboxRow { answer: Some(MessageAnswer::Clicked), ..read(2, 7) };
    let dismissed = InboxRow { answer: Some(MessageAnswer::Dismissed), ..read(2, 8) };
    changes.extend(put(&first, &clicked));
    assert_eq!((changes.len(), put(&first, &dismissed)), (5, vec![]));
    second.restore(0, &changes, 5).unwrap();
    assert_eq!(inbox(&second), [message(3, &here), clicked.clone(), message(1, &here)]);
    assert_eq!(told(&second, 0), told(&first, 0));

    let aged = first.aged_messages(at(2), None, 10).unwrap();
    let prepared = first.prepare(&mut [], &aged).unwrap();
    assert_eq!(prepared.changes(), aged);
    prepared.commit(&[]).unwrap();
    second.restore(0, &aged, 6).unwrap();
    assert_eq!(inbox(&first), [message(3, &here), clicked]);
    assert_eq!(inbox(&second), inbox(&first));
    // Who is forgotten in the same commit gets none.
    let side = first.change_of(&message(4, &here)).unwrap();
    let mut forgetting = [Batch { forgotten: vec![CustomerId::new(&here)], ..Batch::default() }];
    let prepared = first.prepare(&mut forgetting, &[side]).unwrap();
    second.restore(0, prepared.changes(), 7).unwrap();
    prepared.commit(&[]).unwrap();
    assert_eq!((inbox(&first), inbox(&second)), (Vec::new(), Vec::new()));
    assert_eq!(second.mentions(&here).unwrap(), Vec::<&str>::new());
}

#[test]
fn a_full_inbox_tells_what_goes() {
    let (here, _) = here_and_there();
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 0..200 {
        assert_eq!(put(&store, &message(number, &here)).len(), 1);
    }
    let changes = put(&store, &message(200, &here));
    let gone: Vec<_> = changes.iter().filter(|change| change.value.is_none()).collect();
    assert_eq!((changes.len(), gone.len()), (2, 1));
    assert!(gone[0].id.ends_with(&id(0).to_string()), "{gone:?}");
    assert_eq!(store.inbox(&here, None, 1_000).unwrap().items.len(), 200);
    store.drop_shard(0).unwrap();
    assert_eq!(told(&store, 0), []);
}

#[test]
fn what_comes_from_beside_changes_what_is_there_and_brings_nothing_back() {
    let (here, _) = here_and_there();
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    commit(&store, vec![batch(0, &here, 10)], 1);
    let tried = OutboxRow { attempt: 2, ..row(10, &here) };
    let done = TaskRecord { state: "done".into(), ..task(13, &here, 4, None) };
    let sides = [
        change(Kind::Outbox, &tried.decision, &tried),
        change(Kind::Task, &done.id, &done),
        change(Kind::Outbox, &id(99).to_string(), &row(99, &here)),
    ];
    let prepared = store.prepare(&mut [], &sides).unwrap();
    assert_eq!(prepared.changes(), &sides[..2]);
    prepared.commit(&[]).unwrap();
    assert_eq!(store.outbox_row(&tried.decision).unwrap(), Some(tried.clone()));
    assert_eq!(store.task(&done.id).unwrap(), Some(done));
    assert_eq!(store.outbox().count(), 1);
    // Settled in the same commit: it stays gone.
    let mut settled = [Batch { settled: vec![id(10)], ..Batch::default() }];
    store.prepare(&mut settled, &sides[..1]).unwrap().commit(&[]).unwrap();
    assert_eq!(store.outbox().count(), 0);
}

fn change(kind: Kind, id: &str, value: &impl serde::Serialize) -> Change {
    let value = Some(serde_json::to_vec(value).unwrap());
    Change { shard: 0, kind, id: id.to_owned(), value }
}
