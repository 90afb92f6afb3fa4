//! The embedded log on a real disk: positions, times, torn tails, kills.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::clock::Manual;

fn start() -> Timestamp {
    Timestamp::parse("2026-03-01T00:00:00Z").unwrap()
}

fn open(dir: &Path, clock: &Arc<Manual>) -> Embedded {
    Embedded::open(dir, 2, clock.clone()).unwrap()
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
fn groups_of_one_shard_share_a_part_and_keep_their_order() {
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
    let second = Span::SECOND;
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
    let later = start() + Span::MINUTE;
    assert_eq!(log.watermark(0, later), later);
    log.append(0, &records(&["a"])).unwrap();
    assert_eq!(log.read(0, 1, 1).unwrap()[0].appended_at, later);
    lock(&log.ends)[0].in_flight = Some(start());
    assert_eq!(log.watermark(0, later), start());
}

#[test]
fn reading_goes_on_over_files_and_blocks_from_anywhere() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    let log = open(dir.path(), &clock);
    let long = "x".repeat(LOOK_BYTES);
    for day in 0..6_i64 {
        clock.set(start() + Span::DAY.times(day) + Span::HOUR.times(day));
        log.append(0, &records(&[&format!("a{day}"), &long])).unwrap();
        log.append(1, &records(&[&format!("b{day}")])).unwrap();
    }
    assert_eq!(segment::numbers(dir.path()).unwrap().len(), 6);
    let reopened = open(dir.path(), &clock);
    for log in [&log, &reopened] {
        for from in (1..=12).rev() {
            let found = texts(log, 0, from);
            assert_eq!(found.len() as u64, 13 - from);
            assert!(found.iter().zip(from..).all(|((at, text), position)| {
                let day = (position - 1) / 2;
                *at == position
                    && *text == if position % 2 == 0 { long.clone() } else { format!("a{day}") }
            }));
        }
        let mut position = 1;
        while let Some(entry) = log.read(1, position, 1).unwrap().first() {
            assert_eq!(&entry.record[..], format!("b{}", position - 1).as_bytes());
            position += 1;
        }
        assert_eq!(position, 7);
    }
}

#[test]
fn trimming_drops_whole_files_and_keeps_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    let log = open(dir.path(), &clock);
    log.append(0, &records(&["a", "b"])).unwrap();
    log.append(1, &records(&["x"])).unwrap();
    clock.set(start() + Span::DAY.times(2));
    log.append(0, &records(&["c"])).unwrap();
    assert_eq!(log.trim(&[9, 9], start()).unwrap(), 0, "nothing is older than its own time");
    let second = start() + Span::SECOND;
    assert_eq!(log.trim(&[1, 9], second).unwrap(), 0, "one shard still needs it");
    assert_eq!(log.trim(&[2, 1], second).unwrap(), 1);
    assert_eq!(texts(&log, 0, 1), [(3, "c".to_owned())]);
    let later = start() + Span::DAY.times(3);
    assert_eq!(log.trim(&[3, 1], later).unwrap(), 1, "though nothing follows it");
    assert_eq!(log.trim(&[3, 1], later).unwrap(), 0);
    drop(log);
    let log = open(dir.path(), &clock);
    assert_eq!((log.end(0), log.end(1), texts(&log, 0, 1)), (3, 1, vec![]));
    assert_eq!(log.append(0, &records(&["d"])).unwrap(), (4, 4));
    assert_eq!(texts(&log, 0, 1), [(4, "d".to_owned())]);
}

/// The newest file of a log.
fn newest(dir: &Path) -> PathBuf {
    let mut found: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.pop().unwrap()
}

/// Writes a log of three records and spoils one of them from its fifth byte on, for so many bytes.
fn spoiled(dir: &Path, clock: &Arc<Manual>, word: &[u8], count: usize) {
    {
        let log = open(dir, clock);
        for text in ["first-word", "other-word", "third-torn"] {
            log.append(0, &records(&[text])).unwrap();
        }
    }
    let path = newest(dir);
    let bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(10).position(|window| window == word).unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(u64::try_from(at + 4).unwrap())).unwrap();
    file.write_all(&vec![0; count.min(bytes.len() - at - 4)]).unwrap();
}

#[test]
fn a_torn_tail_costs_at_most_the_torn_block() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    spoiled(dir.path(), &clock, b"third-torn", usize::MAX);
    let log = open(dir.path(), &clock);
    assert_eq!(log.end(0), 2);
    assert_eq!(log.append(0, &records(&["again"])).unwrap(), (3, 3));
    drop(log);
    let kept: Vec<String> =
        texts(&open(dir.path(), &clock), 0, 1).into_iter().map(|(_, text)| text).collect();
    assert_eq!(kept, ["first-word", "other-word", "again"]);
}

#[test]
fn any_length_of_the_last_file_opens() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    let lengths: Vec<u64> = {
        let log = open(dir.path(), &clock);
        (0..3)
            .map(|_| {
                log.append(0, &records(&["a"])).unwrap();
                std::fs::metadata(newest(dir.path())).unwrap().len()
            })
            .collect()
    };
    let whole = std::fs::read(newest(dir.path())).unwrap();
    for length in 0..=whole.len() {
        std::fs::write(newest(dir.path()), &whole[..length]).unwrap();
        let kept = lengths.iter().filter(|end| **end <= length as u64).count();
        let log = open(dir.path(), &clock);
        assert_eq!(log.end(0), kept as u64, "{length}");
        assert_eq!(texts(&log, 0, 1).len(), kept, "{length}");
    }
}

#[test]
fn damage_in_the_middle_is_an_error_and_no_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    spoiled(dir.path(), &clock, b"other-word", 1);
    let refused = Embedded::open(dir.path(), 2, clock).unwrap_err();
    assert!(matches!(refused, Error::Damaged { .. }), "{refused}");
}

#[test]
fn damage_in_an_older_file_is_an_error_when_it_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    spoiled(dir.path(), &clock, b"third-torn", 0);
    let path = newest(dir.path());
    clock.set(start() + Span::DAY.times(2));
    open(dir.path(), &clock).append(0, &records(&["d"])).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(10).position(|window| window == b"other-word").unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let log = open(dir.path(), &clock);
    assert_eq!(log.end(0), 4);
    assert!(matches!(log.read(0, 1, usize::MAX), Err(Error::Damaged { .. })));
    assert_eq!(texts(&log, 0, 4), [(4, "d".to_owned())]);
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

/// Takes the gaps between blocks out of a file, as earlier versions wrote it.
fn condense(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    let (told, mut at) = (8 + 2 + 2 * 16, segment::ALIGNED_BYTES);
    let mut dense = [b"heedlog1", &bytes[8..told]].concat();
    dense.extend_from_slice(&block::sum(&dense));
    while at < bytes.len() {
        let (length, _) = block::prefix(&bytes[at..]).unwrap();
        dense.extend_from_slice(&bytes[at..at + PREFIX_BYTES + length]);
        at += block::padded(length, segment::ALIGNED_BYTES);
    }
    std::fs::write(path, dense).unwrap();
}

#[test]
fn a_file_of_blocks_without_gaps_is_read_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Manual::at(start()));
    spoiled(dir.path(), &clock, b"third-torn", 0);
    let old = newest(dir.path());
    condense(&old);
    open(dir.path(), &clock).append(0, &records(&["again"])).unwrap();
    assert!(!std::fs::metadata(&old).unwrap().len().is_multiple_of(512), "it stays as it is");
    clock.set(start() + Span::DAY.times(2));
    let log = open(dir.path(), &clock);
    log.append(0, &records(&["new-file"])).unwrap();
    assert!(std::fs::metadata(newest(dir.path())).unwrap().len().is_multiple_of(512));
    let kept: Vec<String> = texts(&log, 0, 1).into_iter().map(|(_, text)| text).collect();
    assert_eq!(kept, ["first-word", "other-word", "third-torn", "again", "new-file"]);
}

#[test]
fn a_buffer_is_filled_again_only_when_nobody_reads_it() {
    let mut recent = Recent::default();
    let kept = || Kept { buffer: Bytes::from(vec![7; RECENT_BYTES_MAX]), from: 1 };
    let place = |at| Place { file: 1, at };
    recent.put(place(0), kept());
    let read = recent.find(place(0)).unwrap();
    assert_eq!(read.len(), RECENT_BYTES_MAX - 1);
    recent.put(place(1), kept());
    assert_eq!((recent.find(place(0)), recent.spare.len()), (None, 0));
    recent.put(place(2), kept());
    assert_eq!((recent.blocks.len(), recent.spare.len()), (1, 1));
    assert!(read.iter().all(|byte| *byte == 7));
}
