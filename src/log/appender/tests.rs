//! Group commit under many callers.

use super::*;
use crate::clock::Manual;
use crate::engine::time::Timestamp;
use crate::log::Source as _;
use crate::log::embedded::Embedded;
use crate::log::memory::Memory;

fn clock() -> Arc<Manual> {
    Arc::new(Manual::at(Timestamp::parse("2026-03-01T00:00:00Z").unwrap()))
}

fn spawn(writer: Writer) -> std::thread::JoinHandle<Result<(), Error>> {
    std::thread::Builder::new().spawn(move || writer.run()).unwrap()
}

fn one(text: String) -> Vec<Bytes> {
    vec![Bytes::from(text)]
}

#[tokio::test]
async fn many_callers_share_flushes_and_each_hears_their_own_position() {
    let dir = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(Embedded::open(dir.path(), 2, clock()).unwrap());
    let flushes = Arc::new(AtomicUsize::new(0));
    let counted = flushes.clone();
    let (appender, writer) = pair(
        log.clone(),
        Box::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        }),
    );
    let thread = spawn(writer);
    let calls = (0..400_u16).map(|number| {
        let appender = appender.clone();
        async move { (number, appender.append(number % 2, one(format!("r{number}"))).await) }
    });
    let answers = futures_util::future::join_all(calls).await;
    for (number, answer) in answers {
        let (first, last) = answer.unwrap();
        assert_eq!(first, last);
        let entry = log.read(number % 2, first, 1).unwrap().remove(0);
        assert_eq!(entry.record, format!("r{number}").as_bytes());
    }
    assert_eq!((log.end(0), log.end(1)), (200, 200));
    assert!(flushes.load(Ordering::SeqCst) < 200, "callers shared flushes");
    drop(appender);
    thread.join().unwrap().unwrap();
}

#[tokio::test]
async fn groups_of_one_call_are_appended_together_or_not_at_all() {
    let log: Arc<dyn Log> = Arc::new(Memory::new(2, clock()));
    let (appender, writer) = pair(log.clone(), Box::new(|_| {}));
    let thread = spawn(writer);
    let group = |shard, text: &str| Group { shard, records: one(text.to_owned()) };
    let both = appender.append_groups(vec![group(0, "a"), group(1, "b")]).await;
    assert_eq!(both, Ok(vec![(1, 1), (1, 1)]));
    let bad = appender.append_groups(vec![group(0, "a"), group(9, "b")]).await;
    assert_eq!(bad, Err(Error::NoShard(9)));
    assert_eq!(log.end(0), 1);
    drop(appender);
    thread.join().unwrap().unwrap();
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let log: Arc<dyn Log> = Arc::new(Memory::new(1, clock()));
    let (appender, writer) = pair(log, Box::new(|_| {}));
    let half = Bytes::from(vec![0; QUEUE_BYTES_MAX / 2 + 1]);
    let waiting = appender.append(0, vec![half.clone()]);
    let mut waiting = Box::pin(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending(), "nobody flushes yet");
    assert_eq!(appender.append(0, vec![half]).await, Err(Error::Overloaded));
    let thread = spawn(writer);
    assert_eq!(waiting.await, Ok((1, 1)));
    assert_eq!(appender.append(0, one("a".into())).await, Ok((2, 2)), "there is room again");
    drop(appender);
    thread.join().unwrap().unwrap();
}

#[tokio::test]
async fn after_a_failed_flush_everyone_hears_it_and_the_writer_ends() {
    let log = Arc::new(Memory::new(1, clock()));
    let (appender, writer) = pair(log.clone(), Box::new(|_| {}));
    let thread = spawn(writer);
    assert_eq!(appender.append(0, one("a".into())).await, Ok((1, 1)));
    log.fail_next_append();
    assert!(matches!(appender.append(0, one("b".into())).await, Err(Error::Storage(_))));
    assert!(matches!(thread.join().unwrap(), Err(Error::Storage(_))));
    assert_eq!(appender.append(0, one("c".into())).await, Err(Error::Closed));
    assert_eq!(log.end(0), 1);
}

#[test]
fn a_thread_may_block_instead() {
    let log: Arc<dyn Log> = Arc::new(Memory::new(1, clock()));
    let (appender, writer) = pair(log, Box::new(|_| {}));
    let thread = spawn(writer);
    let group = Group { shard: 0, records: one("a".into()) };
    assert_eq!(appender.append_groups_blocking(vec![group]), Ok(vec![(1, 1)]));
    drop(appender);
    thread.join().unwrap().unwrap();
}
