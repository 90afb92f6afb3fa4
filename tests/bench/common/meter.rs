//! Processor time and wall time: the processor's is what ratios are made of, because other
//! programs on the machine stretch only the wall's.

use std::time::Duration;

use heedful::clock::Stopwatch;

/// Where the kernel tells how long the calling thread has run, in nanoseconds.
const OWN_THREAD: &str = "/proc/thread-self/schedstat";
/// Where it tells how long all threads of the process have run, in ticks.
const PROCESS: &str = "/proc/self/stat";
/// A tick of `/proc`: fixed at 100 per second for all programs on Linux.
const TICK: Duration = Duration::from_millis(10);

/// How long some work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// By the clock on the wall.
    pub(crate) wall: Duration,
    /// By the processor; the wall's where the system does not tell.
    pub(crate) cpu: Duration,
}

/// Measures work of the calling thread.
pub(crate) fn alone<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    measured(work, own_thread)
}

/// Measures work of all threads of the process.
pub(crate) fn together<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    measured(work, process)
}

fn measured<T>(work: impl FnOnce() -> T, cpu: fn() -> Option<Duration>) -> (T, Cost) {
    let (watch, before) = (Stopwatch::start(), cpu());
    let done = work();
    let (after, wall) = (cpu(), watch.elapsed());
    let spent = before.zip(after).map(|(before, after)| after.saturating_sub(before));
    (done, Cost { wall, cpu: spent.unwrap_or(wall) })
}

fn own_thread() -> Option<Duration> {
    let text = std::fs::read_to_string(OWN_THREAD).ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

fn process() -> Option<Duration> {
    let text = std::fs::read_to_string(PROCESS).ok()?;
    // The name, in brackets, may hold anything: user and system time are the 12th and 13th behind.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u32 =
        fields.next()?.parse::<u32>().ok()?.checked_add(fields.next()?.parse().ok()?)?;
    Some(TICK.saturating_mul(ticks))
}

/// Memory of this process that is in use, in bytes; 0 where the system does not tell.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1_024)
}

/// The middle one of several numbers; 0 when there are none.
pub(crate) fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// Nanoseconds for each of so many things.
pub(crate) fn nanos_each(took: Duration, count: usize) -> f64 {
    took.as_nanos() as f64 / count.max(1) as f64
}
