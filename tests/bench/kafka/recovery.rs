//! How fast a node works off what came while it was away, while more comes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heedful::clock::{Clock as _, Stopwatch, System};
use heedful::config::KafkaConfig;
use rdkafka::producer::Producer as _;

use super::topic;
use crate::common::Fallible;
use crate::common::people::People;
use crate::common::process::{Place, Process};

/// How long it was away.
const AWAY: Duration = Duration::from_mins(1);
/// The rest between two bursts of events.
const BURST: Duration = Duration::from_millis(2);
const FLUSH_MAX: Duration = Duration::from_mins(1);

/// What there was to work off, and how long that took from the start of the process.
pub(crate) struct Recovered {
    pub(crate) process: Process,
    pub(crate) backlog: u64,
    pub(crate) took: Duration,
}

/// Starts the node behind as many events as come at a rate while it is away; they go on coming. It is
/// done when it has applied all that was there when it began.
pub(crate) fn measure(place: &Place, config: &KafkaConfig, rate: f64) -> Fallible<Recovered> {
    let mut events = Events { people: People::new(super::CUSTOMERS, 11), sent: 0 };
    let backlog = AWAY.as_secs_f64() * rate;
    events.send_until(config, |sent| backlog <= sent as f64, None)?;
    let backlog = events.sent;
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let done = |_| stop.load(Ordering::Acquire);
            events.send_until(config, done, Some(rate)).map_err(|error| error.to_string())
        });
        let started = place.start_with(&["--config", "heedful.yaml"]);
        stop.store(true, Ordering::Release);
        load.join().map_err(|_| "the load broke off")??;
        let (process, took) = started?;
        Ok(Recovered { process, backlog, took })
    })
}

struct Events {
    people: People,
    sent: u64,
}

impl Events {
    /// Sends at a rate, or as fast as may be, until enough is sent.
    fn send_until(
        &mut self,
        config: &KafkaConfig,
        is_enough: impl Fn(u64) -> bool,
        rate: Option<f64>,
    ) -> Fallible<()> {
        let producer = topic::producer(config)?;
        let (watch, before) = (Stopwatch::start(), self.sent);
        let mut text = String::new();
        while !is_enough(self.sent) {
            let due = rate.map(|rate| watch.elapsed().as_secs_f64() * rate);
            if due.is_some_and(|due| due <= (self.sent - before) as f64) {
                std::thread::sleep(BURST);
                continue;
            }
            text.clear();
            self.people.event(System.now(), &mut text);
            let own = text.replace("m-000000000000", &format!("r-{:012}", self.sent));
            topic::send(&producer, config, &own)?;
            self.sent += 1;
        }
        Ok(producer.flush(FLUSH_MAX)?)
    }
}
