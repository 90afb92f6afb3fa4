//! However states are held back, what stands in the end is what one change after the other gives.

use super::super::commit::tests::{at, open};
use super::super::record::ExposureRecord;
use super::*;
use crate::engine::id::stable_hash;

const SEEDS: u64 = 10;
const CHANGES: usize = 200;

fn state(id: u64, value: Option<u64>) -> Change {
    Change {
        shard: 0,
        kind: Kind::Customer,
        id: format!("c{id}"),
        value: value.map(|value| vec![u8::try_from(value % 251).unwrap(); 40]),
    }
}

fn exposure(id: u64, value: Option<u64>) -> Change {
    let unit = format!("c{id}");
    let (id, experiment) = (format!("{unit}\0x"), "x".to_owned());
    let record = |value: u64| {
        let arm = value.to_string();
        serde_json::to_vec(&ExposureRecord { experiment, unit, arm, at: at(1).to_string() })
    };
    Change { shard: 0, kind: Kind::Exposure, id, value: value.map(record).transpose().unwrap() }
}

fn stands(store: &Store) -> Vec<String> {
    let mut all = Vec::new();
    let tell = |change: Change| -> Result<(), Error> {
        let value = stable_hash(&String::from_utf8_lossy(&change.value.unwrap_or_default()));
        all.push(format!("{:?} {} {value}", change.kind, change.id));
        Ok(())
    };
    store.tell_shard(0, tell).unwrap();
    all
}

#[test]
fn what_stands_is_what_one_change_after_the_other_gives() {
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let changes: Vec<Change> = (0..CHANGES)
            .flat_map(|_| match (random.u64(..20), random.u64(..)) {
                // Whoever forgets somebody tells of each thing that goes with them.
                (id, value) if value % 10 == 0 => vec![state(id, None), exposure(id, None)],
                (id, value) if value % 10 < 3 => vec![exposure(id, Some(value))],
                (id, value) => vec![state(id, Some(value))],
            })
            .collect();
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [held, plain] = [open(dirs[0].path()), open(dirs[1].path())];
        // From every state by itself to all in one run at the end.
        let (bytes_max, few) = (random.usize(1..2_000), random.usize(..30));
        let mut restoring = Restoring { bytes_max, few, ..Restoring::new(&held, 0, 3) };
        for change in &changes {
            restoring.take(change.clone()).unwrap();
            plain.restore(0, std::slice::from_ref(change), 3).unwrap();
        }
        assert_ne!(held.changelog_next(0).unwrap(), Some(9), "it has not ended");
        restoring.end(9).unwrap();
        assert_eq!(held.changelog_next(0).unwrap(), Some(9));
        assert_eq!(stands(&held), stands(&plain), "seed {seed}");
        assert!(5 < stands(&held).len());
    }
}
