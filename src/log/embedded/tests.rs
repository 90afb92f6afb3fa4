//! The embedded log on a real disk: positions, times, torn tails, kills.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::clock::Manual;

fn start() -> Timestamp {
    Timestamp::parse("2026-03-01T00:00:00Z").unwrap()
}

fn open(dir: &Path, clock: &Arc<Manual>) -> Embedded {
    let db = Database::builder(dir).open().unwrap();
    Embedded::open(&db, 2, clock.clone()).unwrap()
}

fn records(texts: &[&str]) -> Vec<Bytes> {
    texts.iter().map(|text| Bytes::copy_from_slice(text.as_bytes())).collect()
}

fn texts(log: &Embedded, shard: u16, from: u64) -> Vec<(u64, String)> {
    let entries = log.read(shard, from, usize::MAX).unwrap();
    entries
        .iter()
        .map(|entry| (entry.position, String::from_utf8(entry.record.to_vec()).unwrap()))
        .collect()
}

#[test]
fn positions_run_on_without_gaps_over_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    {
        let log = open(dir.path(), &clock);
        assert_eq!(log.append(0, &records(&["a", "b"])).unwrap(), (1, 2));
        assert_eq!(log.append(1, &records(&["x"])).unwrap(), (1, 1));
        assert_eq!(log.append(0, &records(&["c"])).unwrap(), (3, 3));
        assert_eq!(log.append(0, &[]).unwrap(), (3, 3));
    }
    let log = open(dir.path(), &clock);
    assert_eq!((log.end(0), log.end(1)), (3, 1));
    assert_eq!(log.append(0, &records(&["d"])).unwrap(), (4, 4));
    let all = [(1, "a"), (2, "b"), (3, "c"), (4, "d")].map(|(at, text)| (at, text.to_owned()));
    assert_eq!(texts(&log, 0, 1), all);
    assert_eq!(texts(&log, 0, 2), all[1..]);
    assert_eq!(texts(&log, 0, 5), []);
}

#[test]
fn groups_of_one_shard_share_a_frame_and_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), &Arc::new(Manual::at(start())));
    let group = |shard, texts: &[&str]| Group { shard, records: records(texts) };
    let groups = [group(0, &["a"]), group(1, &["x", "y"]), group(0, &["b", "c"])];
    assert_eq!(log.append_groups(&groups).unwrap(), [(1, 1), (1, 2), (2, 3)]);
    assert_eq!(texts(&log, 0, 2), [(2, "b".to_owned()), (3, "c".to_owned())]);
}

#[test]
fn an_unknown_shard_spoils_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), &Arc::new(Manual::at(start())));
    assert_eq!(log.append(7, &records(&["a"])), Err(Error::NoShard(7)));
    assert_eq!(log.append(0, &records(&["a"])).unwrap(), (1, 1));
}

#[test]
fn a_read_is_bounded_but_gives_at_least_one_entry() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path(), &Arc::new(Manual::at(start())));
    log.append(0, &records(&["aaaa", "bbbb", "cccc"])).unwrap();
    assert_eq!(log.read(0, 1, 8).unwrap().len(), 2);
    assert_eq!(log.read(0, 1, 1).unwrap().len(), 1);
}

#[test]
fn time_never_goes_back_within_a_shard() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    let second = crate::engine::time::Span::SECOND;
    {
        let log = open(dir.path(), &clock);
        log.append(0, &records(&["a"])).unwrap();
        clock.set(start() - second);
        log.append(0, &records(&["b"])).unwrap();
        log.append(1, &records(&["x"])).unwrap();
    }
    let log = open(dir.path(), &clock);
    log.append(0, &records(&["c"])).unwrap();
    let times = |shard| {
        let entries = log.read(shard, 1, usize::MAX).unwrap();
        entries.iter().map(|entry| entry.appended_at).collect::<Vec<_>>()
    };
    assert_eq!(times(0), [start(); 3]);
    assert_eq!(times(1), [start() - second]);
}

#[test]
fn nothing_is_appended_before_a_watermark_that_was_given_out() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    let log = open(dir.path(), &clock);
    let later = start() + crate::engine::time::Span::MINUTE;
    assert_eq!(log.watermark(0, later), later);
    log.append(0, &records(&["a"])).unwrap();
    assert_eq!(log.read(0, 1, 1).unwrap()[0].appended_at, later);
    log.ends()[0].in_flight = Some(start());
    assert_eq!(log.watermark(0, later), start());
}

#[test]
fn trimming_leaves_the_last_frame_and_what_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    let log = open(dir.path(), &clock);
    for text in ["a", "b", "c", "d"] {
        log.append(0, &records(&[text])).unwrap();
    }
    assert_eq!(log.trim(0, 3, start(), 10).unwrap(), 0, "nothing is older than its own time");
    let later = start() + crate::engine::time::Span::SECOND;
    assert_eq!(log.trim(0, 3, later, 10).unwrap(), 2);
    assert_eq!(texts(&log, 0, 1).first().unwrap().0, 3);
    assert_eq!(log.trim(0, 100, later, 10).unwrap(), 1);
    drop(log);
    assert_eq!(open(dir.path(), &clock).end(0), 4);
}

/// The newest journal of a database.
fn journal(dir: &Path) -> std::path::PathBuf {
    let mut found: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "jnl"))
        .collect();
    found.sort();
    found.pop().unwrap()
}

#[test]
fn a_torn_tail_costs_at_most_the_torn_frame() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    {
        let log = open(dir.path(), &clock);
        for text in ["first", "second", "third-torn"] {
            log.append(0, &records(&[text])).unwrap();
        }
    }
    let path = journal(dir.path());
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(10).position(|window| window == b"third-torn").unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(u64::try_from(at + 4).unwrap())).unwrap();
    file.write_all(&vec![0; bytes.len() - at - 4]).unwrap();
    drop(file);
    let log = open(dir.path(), &clock);
    assert_eq!(log.end(0), 2);
    assert_eq!(log.append(0, &records(&["again"])).unwrap(), (3, 3));
    let kept: Vec<String> = texts(&log, 0, 1).into_iter().map(|(_, text)| text).collect();
    assert_eq!(kept, ["first", "second", "again"]);
}

#[test]
fn a_copy_taken_at_any_moment_holds_every_acknowledged_record() {
    // What a kill leaves is what is on disk at that moment: a copy of the directory.
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    let log = open(dir.path(), &clock);
    for round in 1..=5_u64 {
        log.append(0, &records(&["a", "b"])).unwrap();
        let copy = tempfile::tempdir().unwrap();
        copy_all(dir.path(), copy.path());
        assert_eq!(open(copy.path(), &clock).end(0), round * 2);
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
fn damaged_frames_are_errors() {
    for bytes in [&b""[..], &[9, 0, 0], &[1, 0], &[1, 1, 0, 0, 0, 0]] {
        assert!(Frame::read(0, &key(0, 1), bytes).is_err(), "{bytes:?}");
    }
    let whole = Bytes::from_static(&[255, 255, 255, 255, 0]);
    assert_eq!(record_at(&whole, &mut 0), None);
    assert_eq!(record_at(&whole, &mut 3), None);
}
