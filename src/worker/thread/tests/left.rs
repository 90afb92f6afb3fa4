//! A shard that is left with much to write, and taken up again.

use super::*;

/// More customers than go with the last batch.
const CUSTOMERS: u64 = 4_200;

/// Hears all that there is and leaves.
fn hear_and_leave(dir: &Path, log: &Arc<Memory>, clock: &Arc<Manual>, catalog: &Arc<Catalog>) {
    let Stage { mut running, committer, effects, store } = set_stage(dir, log, clock, catalog);
    std::thread::scope(|scope| {
        let committing = scope.spawn(|| committer.run());
        loop {
            running.worker.mailbox.wake();
            running.round().unwrap();
            if running.busy == Busy::No {
                break;
            }
        }
        assert!(CUSTOMERS / 2 < running.open.unwritten() as u64, "most of it is left");
        running.close().unwrap();
        committing.join().unwrap().unwrap();
    });
    drop((effects, store));
}

#[test]
fn what_is_left_is_all_there_and_newer_than_what_was_there() {
    let clock = Arc::new(Manual::at(start()));
    let log = Arc::new(Memory::new(1, clock.clone()));
    let (catalog, left, held) = (catalog(), scratch(), scratch());
    for round in 0..2 {
        for number in 0..CUSTOMERS {
            // Some orders are not followed by a ping: of those something is ruled.
            let name = if number % 7 == 0 { "Order" } else { "Other" };
            let id = format!("e{round}-{number}");
            log.append(0, &[event(&format!("c{number}"), name, &id, clock.now())]).unwrap();
        }
        clock.advance(span("11m"));
        hear_and_leave(left.path(), &log, &clock, &catalog);
        let mut stage = set_stage(held.path(), &log, &clock, &catalog);
        stage.settle();
        let outcome = outcome(&Store::open(left.path(), Options::default()).unwrap());
        assert_eq!(outcome.states.len() as u64, CUSTOMERS);
        assert_eq!(outcome.position, (round + 1) * CUSTOMERS);
        assert!(!outcome.decisions.is_empty());
        same(&outcome, &stage.outcome(), round);
    }
}
