//! Where imported events go: to a running service, or into the log of one that is stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::commands::console::Error;
use crate::commands::files;
use crate::commands::service::{Reply, Service};
use crate::config::Config;
use crate::decode::{Accepted, Freshness, Home};
use crate::log::embedded::Embedded;
use crate::log::{Group, Log};
use crate::store::Store;

/// Most events in one append or request.
const EVENTS_MAX: usize = 1_000;
/// Most bytes in one request.
const REQUEST_BYTES_MAX: usize = 400_000;
/// How often a service that is busy is asked again.
const TRIES_MAX: u32 = 30;

/// An open door.
pub(super) enum Door {
    /// Into the log.
    Log(Appending),
    /// To the service.
    Service(Posting),
}

/// The log of a stopped service.
pub(super) struct Appending {
    store: Arc<Store>,
    log: Arc<Embedded>,
    waiting: BTreeMap<u16, Vec<Bytes>>,
    count: usize,
}

/// A running service.
pub(super) struct Posting {
    service: Service,
    freshness: Freshness,
    waiting: Vec<String>,
    bytes: usize,
}

impl Door {
    /// Opens the log of a stopped service.
    ///
    /// # Errors
    /// When a service has it open, or it cannot be opened.
    pub(super) fn into_log(config: &Config) -> Result<Self, Error> {
        let through = "stop the service, or import through it: `--url http://localhost:8080`";
        let (store, log) = files::open_store(config, through)?;
        Ok(Self::Log(Appending { store, log, waiting: BTreeMap::new(), count: 0 }))
    }

    /// To a service at an address.
    pub(super) fn to_service(service: Service) -> Self {
        Self::Service(Posting {
            service,
            freshness: Freshness::Live,
            waiting: Vec::new(),
            bytes: 0,
        })
    }

    /// Number of shards; a service sees to its own.
    pub(super) fn shards(&self) -> u16 {
        match self {
            Self::Log(appending) => appending.store.shards(),
            Self::Service(_) => 1,
        }
    }

    /// Hands over one event: its record, and the text it was made of.
    ///
    /// # Errors
    /// When what waits cannot be handed on.
    pub(super) fn put(
        &mut self,
        accepted: &Accepted,
        json: &str,
        freshness: Freshness,
    ) -> Result<(), Error> {
        match self {
            Self::Log(appending) => appending.put(accepted),
            Self::Service(posting) => posting.put(json, freshness),
        }
    }

    /// Hands on everything that waits: once it returns, all of it is durable.
    ///
    /// # Errors
    /// When it cannot be handed on.
    pub(super) fn close(&mut self) -> Result<(), Error> {
        match self {
            Self::Log(appending) => appending.flush(),
            Self::Service(posting) => posting.flush(),
        }
    }
}

impl Appending {
    fn put(&mut self, accepted: &Accepted) -> Result<(), Error> {
        let shards = match accepted.home {
            Home::Shard(shard) => shard..shard + 1,
            Home::Everywhere => 0..self.store.shards(),
        };
        for shard in shards {
            self.waiting.entry(shard).or_default().push(accepted.record.clone());
        }
        self.count += 1;
        if self.count < EVENTS_MAX { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.count = 0;
        let groups: Vec<Group> = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(shard, records)| Group { shard, records })
            .collect();
        let appended = self.log.append_groups(&groups);
        appended.map(|_| ()).map_err(|error| Error::refused(error.to_string(), ""))
    }
}

impl Posting {
    fn put(&mut self, json: &str, freshness: Freshness) -> Result<(), Error> {
        let full = EVENTS_MAX <= self.waiting.len() || REQUEST_BYTES_MAX < self.bytes + json.len();
        if full || freshness != self.freshness {
            self.flush()?;
        }
        self.freshness = freshness;
        self.bytes += json.len();
        self.waiting.push(json.to_owned());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let historical = self.freshness == Freshness::Historical;
        let events = std::mem::take(&mut self.waiting).join(",");
        self.bytes = 0;
        let body = format!("{{\"historical_migration\":{historical},\"batch\":[{events}]}}");
        for _ in 0..TRIES_MAX {
            match self.service.post("/v1/batch", body.clone())? {
                Reply::Done(_) => return Ok(()),
                Reply::Busy(wait) => std::thread::sleep(wait.min(Duration::from_secs(30))),
                Reply::Refused { status, text } => {
                    let what = format!("the service answered {status}: {text}");
                    return Err(Error::refused(what, "what was imported before this stays"));
                }
            }
        }
        let what = format!("the service was busy {TRIES_MAX} times in a row");
        Err(Error::refused(what, "import the same files again later: nothing is counted twice"))
    }
}
