//! Everybody who is known, at one instant: from recorded events, or from the data of a stopped
//! service.

use std::path::PathBuf;
use std::sync::Arc;

use crate::app;
use crate::commands::console::Error;
use crate::commands::files;
use crate::commands::history::History;
use crate::config::Config;
use crate::decode::{self, Arrival, Record};
use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::time::Timestamp;
use crate::log::embedded::Embedded;
use crate::log::{Entry, Form, Source as _};
use crate::store::{self, Store};
use crate::worker::replay::Replay;
use crate::worker::shard::Shard;

/// Bytes of the log looked at in one go.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// Everybody who is known.
#[derive(Debug)]
pub(super) struct Known {
    states: Vec<CustomerState>,
    now: Timestamp,
}

/// Why the states of a shard cannot be had.
enum Unloaded {
    Store(store::Error),
    State(String),
}

impl From<store::Error> for Unloaded {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl Known {
    /// Replays recorded events in event time, up to an instant or the last of them.
    pub(super) fn of_events(
        catalog: &Arc<Catalog>,
        paths: &[PathBuf],
        until: Option<Timestamp>,
    ) -> Result<Self, Error> {
        let mut history = History::of_files(paths)?;
        let last = history.reach().map_or(Timestamp::MIN, |(_, last)| last);
        let now = until.unwrap_or(last);
        let mut replay = Replay::new(catalog, 1, |_| ());
        history.each("replaying", |at, record| {
            if at <= now {
                // What the decoder refuses is refused in service too.
                drop(replay.record(record, at));
            }
            Ok(())
        })?;
        replay.pass(now);
        Ok(Self::of(replay.states(), now))
    }

    /// Reads the states of a stopped service, and what its log holds beyond them.
    pub(super) fn of_data(
        catalog: &Arc<Catalog>,
        config: &Config,
        now: Timestamp,
    ) -> Result<Self, Error> {
        if !app::store_folder(config).exists() {
            let what = format!("there is no data in `{}`", config.data.display());
            let help = "name it with --data, or recorded events with --events";
            return Err(Error::refused(what, help));
        }
        let through = "ask the service: `heedful explain CUSTOMER --url http://localhost:8080`";
        let (store, log) = files::open_store(config, through)?;
        let mut states = Vec::new();
        for number in 0..store.shards() {
            let shard = loaded(catalog, &store, &log, number)?;
            states.extend(shard.customers().states().map(|(_, state)| state.clone()));
        }
        Ok(Self::of(states.iter(), now))
    }

    fn of<'s>(states: impl Iterator<Item = &'s CustomerState>, now: Timestamp) -> Self {
        let mut states: Vec<CustomerState> = states.cloned().collect();
        states.sort_unstable_by(|left, right| left.id.as_str().cmp(right.id.as_str()));
        Self { states, now }
    }

    /// The instant of which it is told.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// Everybody, by id.
    pub(super) fn states(&self) -> &[CustomerState] {
        &self.states
    }

    /// One customer.
    pub(super) fn state(&self, customer: &str) -> Result<&CustomerState, Error> {
        let found = self.states.binary_search_by(|state| state.id.as_str().cmp(customer));
        found.ok().and_then(|at| self.states.get(at)).ok_or_else(|| {
            let what = format!("nothing was ever heard of a customer `{customer}`");
            Error::refused(what, "ids are compared letter by letter")
        })
    }
}

fn loaded(
    catalog: &Arc<Catalog>,
    store: &Store,
    log: &Embedded,
    number: u16,
) -> Result<Shard, Error> {
    let mut shard = Shard::new(Arc::clone(catalog));
    let load = store.load(number, |id, bytes| match shard.load(id.clone(), bytes) {
        Ok(_) => Ok(()),
        Err(why) => Err(Unloaded::State(format!("the state of `{}`: {why}", id.as_str()))),
    });
    load.map_err(|unloaded| match unloaded {
        Unloaded::Store(error) => Error::refused(error.to_string(), ""),
        Unloaded::State(what) => Error::refused(what, ""),
    })?;
    let mark = store.mark(number).map_err(|error| Error::refused(error.to_string(), ""))?;
    let mut from = mark.map_or(1, |mark| mark.position + 1);
    loop {
        let entries = log.read(number, from, READ_BYTES);
        let entries = entries.map_err(|error| Error::refused(error.to_string(), ""))?;
        let Some(last) = entries.last() else { return Ok(shard) };
        from = last.position + 1;
        for entry in &entries {
            apply(&mut shard, entry);
        }
    }
}

/// Applies an entry as the service would when it starts; what it refuses is a dead letter there.
fn apply(shard: &mut Shard, entry: &Entry) {
    let (at, position) = (entry.appended_at, entry.position);
    match entry.form {
        Form::Record => {
            if let Ok(record) = Record::parse(&entry.record) {
                drop(shard.apply(&record, at, position));
            }
        }
        Form::Line => {
            let id = || format!("line {position}");
            if let Ok(Some(accepted)) = decode::line(&entry.record, Arrival::live(at), 1, id)
                && let Ok(record) = Record::parse(&accepted.record)
            {
                drop(shard.apply(&record, at, position));
            }
        }
    }
}
