//! The show: a folder that goes away, the service on it, the shop's past, then its present.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::app::{self, Service};
use crate::clock::Clock;
use crate::config::Config;
use crate::engine::time::{Span, Timestamp};
use crate::log;

use super::clock::ShopClock;
use super::feed::{Telling, append};
use super::page::{self, Facts};
use super::shop::Shop;
use super::{files, lesson, people::Person};

/// How far back the shop's past goes.
pub(super) const PAST: Span = Span::from_millis(30 * 86_400_000);
/// How much of the past is told at a time.
const PAST_STEP: Span = Span::from_millis(6 * 3_600_000);
/// How much of the past Heedful was there for, so that there are decisions to look at from the
/// first moment, and caps with something in them.
const WATCHED: Span = Span::from_millis(9 * 86_400_000);
/// How much of that time is told at once.
const WATCHED_STEP: Span = Span::from_millis(15 * 60_000);
/// How often the present is told.
const PRESENT_STEP: Duration = Duration::from_millis(20);
/// How long the workers get for each step of the past.
const PAUSE: Duration = Duration::from_millis(2);

/// What the demo is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Where the page is served.
    pub listen: SocketAddr,
    /// What the page says about the shop.
    pub facts: Facts,
    /// The instant at which the shop's present begins.
    pub start: Timestamp,
}

/// Why the demo stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder could not be made.
    #[error("the demo's folder cannot be written: {0}")]
    Folder(#[from] std::io::Error),
    /// The service did not start.
    #[error(transparent)]
    Start(#[from] app::Error),
    /// The log did not take an event.
    #[error(transparent)]
    Log(#[from] log::Error),
}

/// A shop that is open.
#[derive(Debug)]
pub struct Show {
    // Removed with all that is in it when the show is dropped.
    folder: TempDir,
    service: Service,
    clock: Arc<ShopClock>,
    shop: Shop,
    truth: Arc<ArcSwap<Value>>,
    lesson: Arc<ArcSwap<Value>>,
    wish: Wish,
}

impl Show {
    /// Opens the shop on a new folder. `config` gives the service's settings for that folder.
    ///
    /// # Errors
    /// When the folder cannot be written or the service does not start.
    pub async fn open(wish: Wish, config: impl FnOnce(&Path) -> Config) -> Result<Self, Error> {
        let folder = tempfile::Builder::new().prefix("heedful-demo-").tempdir()?;
        files::write(folder.path())?;
        let clock = Arc::new(ShopClock::at(wish.start - PAST));
        let shop = Shop::open(wish.facts.seed, wish.facts.customers, wish.start, PAST);
        let truth = Arc::new(ArcSwap::from_pointee(truth_of(shop.people())));
        let lesson = Arc::new(ArcSwap::from_pointee(lesson::waiting()));
        let shown_lesson = Arc::clone(&lesson);
        let (shown, shop_clock) = (Arc::clone(&truth), Arc::clone(&clock));
        let speed = wish.facts.speed;
        let pages = page::routes(
            wish.facts,
            move || Value::clone(&shown.load()),
            move || json!({"now": shop_clock.now().to_string(), "speed": speed}),
            move || Value::clone(&shown_lesson.load()),
        );
        let shared: Arc<dyn Clock> = clock.clone();
        let service = Service::start(config(folder.path()), shared, pages).await?;
        service.ready().await;
        Ok(Self { folder, service, clock, shop, truth, lesson, wish })
    }

    /// Where the page is.
    pub fn address(&self) -> SocketAddr {
        self.service.address()
    }

    /// The folder with the files in force: editing them changes what the shop does.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Tells the shop's past: first what it already knew when Heedful came, then a week of
    /// decisions. `told` hears how much of it, from 0 to 1.
    ///
    /// # Errors
    /// When the log does not take it.
    pub async fn tell_the_past(&mut self, told: impl Fn(f64)) -> Result<(), Error> {
        let begin = self.wish.start - PAST;
        let watched = self.wish.start - WATCHED;
        let mut now = begin;
        while now < self.wish.start {
            let telling = if now < watched { Telling::Past } else { Telling::Present };
            now = match telling {
                Telling::Past => std::cmp::min(now + PAST_STEP, watched),
                Telling::Present => std::cmp::min(now + WATCHED_STEP, self.wish.start),
            };
            self.clock.set(now);
            let happened = self.shop.until(now);
            append(self.service.appender(), &happened, telling, now).await?;
            tokio::time::sleep(PAUSE).await;
            told(part(now - begin, PAST));
        }
        Ok(())
    }

    /// Lets time run and tells the present, until a part of the service fails: then it says which
    /// and why.
    ///
    /// # Errors
    /// When the log does not take an event.
    pub async fn go_on(&mut self) -> Result<String, Error> {
        self.clock.run(self.wish.facts.speed);
        self.learn();
        loop {
            tokio::select! {
                failure = self.service.failed() => return Ok(failure),
                () = tokio::time::sleep(PRESENT_STEP) => {}
            }
            let now = self.clock.now();
            let happened = self.shop.until(now);
            append(self.service.appender(), &happened, Telling::Present, now).await?;
            self.truth.store(Arc::new(truth_of(self.shop.people())));
        }
    }

    /// Learns from the past, beside everything else.
    fn learn(&self) {
        let folder = self.folder.path().to_owned();
        let (facts, start) = (self.wish.facts, self.wish.start);
        let lesson = Arc::clone(&self.lesson);
        tokio::task::spawn_blocking(move || {
            lesson.store(Arc::new(lesson::learn(&folder, facts, start)));
        });
    }

    /// Closes the shop: the folder goes away.
    ///
    /// # Errors
    /// When the service did not end in order.
    pub async fn close(self) -> Result<(), String> {
        self.service.stop().await
    }
}

fn truth_of(people: &[Person]) -> Value {
    people
        .iter()
        .map(|person| {
            let about = json!({"name": person.traits.get("name"), "mood": person.mood.as_str()});
            (person.id.clone(), about)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn part(done: Span, whole: Span) -> f64 {
    let thousandths = done.as_millis().saturating_mul(1_000) / whole.as_millis().max(1);
    f64::from(i32::try_from(thousandths).unwrap_or(1_000)) / 1_000.0
}
