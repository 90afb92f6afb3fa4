//! A source that others share: lines as their senders wrote them, and what stands beside them. Cut
//! off wherever it may be, each is applied once.

use super::*;
use crate::decode::PreferenceRecord;
use crate::log::fed::Fed;
use crate::log::{Entry, Form};
use crate::worker::testing::line;

/// A line of the log, or something beside it.
enum Told {
    Line(Entry),
    Beside(Entry),
}

fn script(seed: u64) -> Vec<Told> {
    let mut dice = Dice(seed);
    let (mut lines, mut beside) = (0, 0);
    let mut seconds = 0;
    let mut all = Vec::new();
    for number in 0..300 {
        seconds += i64::try_from(dice.below(40)).unwrap();
        let (at, customer) = (after(seconds), format!("c{}", dice.below(8)));
        let customer = customer.as_str();
        let entry = |position, form, record: Vec<u8>| Entry {
            position,
            appended_at: at,
            form,
            record: record.into(),
            around: bytes::Bytes::new(),
        };
        if dice.below(5) == 0 {
            beside += 1;
            let record = match dice.below(8) {
                0 => Record::Erasure { customer },
                _ => {
                    let until = PreferenceRecord::PauseUntil(Some(after(seconds + 600)));
                    Record::Preference { customer, preference: until }
                }
            };
            all.push(Told::Beside(entry(beside, Form::Record, record.to_bytes().to_vec())));
        } else {
            lines += 1;
            let name = ["Ping", "Order", "Order", "Other"][usize::try_from(dice.below(4)).unwrap()];
            let text = match dice.below(20) {
                0 => "no event".to_owned(),
                _ => line(customer, name, &format!("e{number}"), at),
            };
            all.push(Told::Line(entry(lines, Form::Line, text.into_bytes())));
        }
    }
    all
}

/// What stands beside a line, up to the next.
fn beside_behind(script: &[Told], line: u64) -> impl Iterator<Item = &Told> {
    let is_line = |told: &Told, at: u64| matches!(told, Told::Line(entry) if entry.position == at);
    let behind = script.iter().skip_while(move |told| 0 < line && !is_line(told, line));
    behind.skip(usize::from(0 < line)).take_while(|told| matches!(told, Told::Beside(_)))
}

/// Plays the script, with a stop now and then at which everything not committed is lost.
fn played(script: &[Told], mut dice: Dice, cuts: u64) -> (Outcome, usize) {
    let dir = scratch();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let clock = Arc::new(Manual::at(start()));
    let catalog = catalog();
    let mut refused = 0;
    loop {
        let (sink, _effects) = mpsc::channel(10_000);
        let fed = Arc::new(Fed::new(1));
        let (commits, committer) = committer::pair(store.clone(), sink);
        let parts = Parts { log: fed.clone(), store: store.clone(), clock: clock.clone(), commits };
        let (_, worker) = pair(0, catalog.clone(), parts);
        let Mark { position, heard, mut aside, .. } = store.mark(0).unwrap().unwrap_or_default();
        fed.begin(0, position, (0, 0));
        let running = Running::load(worker).unwrap();
        let (_, effects) = mpsc::channel(1);
        let mut stage = Stage { store: store.clone(), running, committer, effects };
        let mut cut = false;
        // What came beside after the last line heard is there before lines are read once more.
        for told in beside_behind(script, heard).chain(script) {
            match told {
                Told::Line(entry) if position < entry.position => fed.feed(0, entry.clone()),
                Told::Beside(entry) if aside < entry.position => {
                    aside = entry.position;
                    fed.feed_aside(0, entry.clone());
                }
                Told::Line(_) | Told::Beside(_) => continue,
            }
            clock.set(clock.now().max(match told {
                Told::Line(entry) | Told::Beside(entry) => entry.appended_at,
            }));
            stage.round();
            if dice.below(4) == 0 {
                refused += stage.commit_telling();
            }
            cut = 0 < cuts && dice.below(300 / cuts) == 0;
            if cut {
                break;
            }
        }
        if !cut {
            stage.running.hand_over().unwrap();
            refused += stage.commit_telling();
            return (stage.outcome(), refused);
        }
    }
}

impl Stage {
    /// Commits what waits as a node does; how many inputs were refused in it.
    fn commit_telling(&mut self) -> usize {
        self.running.close_if_due().unwrap();
        let waiting: Vec<_> = self.committer.take_waiting();
        let mut refused = 0;
        for job in waiting {
            let mut batches = [job.batch];
            refused += batches[0].refused.len();
            let prepared = self.store.prepare(&mut batches, &[]).unwrap();
            prepared.commit(&[]).unwrap();
            let [batch] = batches;
            job.waiter.tell(batch.states);
        }
        refused
    }
}

#[test]
fn lines_and_what_stands_beside_them_are_applied_once_wherever_they_are_cut_off() {
    for seed in 0..25 {
        let script = script(seed);
        let (whole, refused) = played(&script, Dice(seed), 0);
        assert!(whole.tasks != 0 && !whole.decisions.is_empty() && refused != 0);
        let (cut, refused_too) = played(&script, Dice(seed + 1_000), 10);
        same(&whole, &cut, seed);
        assert_eq!(refused, refused_too, "seed {seed}");
    }
}
