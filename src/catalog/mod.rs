//! The catalog in force: read from the folders, checked, published whole or not at all, and read
//! again whenever a file changes.

pub mod fitted;
pub mod read;
#[cfg(test)]
mod tests;
pub mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

pub use read::{Folders, Unreadable};

use crate::clock::Shared as Clock;
use crate::declare::{Fault, Source, load};
use crate::engine::catalog::{Catalog, Sending};
use crate::engine::policy::LentCap;
use crate::engine::time::Timestamp;
use crate::telemetry::CatalogRead;

/// Most faults kept to be shown; the number of all is told.
pub const FAULTS_SHOWN_MAX: usize = 50;

/// What is in force, and what was tried last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Hash over all files in force.
    pub revision: Arc<str>,
    /// When they came into force.
    pub loaded_at: Timestamp,
    /// Triggers in force.
    pub triggers: usize,
    /// Faults of a newer set that was refused, a line each; empty when the files in force are the
    /// files on disk.
    pub faults: Vec<String>,
    /// What looks wrong in the files in force, a line each.
    pub warnings: Vec<String>,
}

/// What a reading of the files came to.
#[derive(Clone, Debug)]
pub enum Reading {
    /// A new set is in force.
    Changed(Arc<Catalog>),
    /// Nothing has changed since the last reading.
    Same,
    /// The set has faults: what was in force still is.
    Refused,
}

/// What the configuration says beside the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// Whether outreach leaves.
    pub sending: Sending,
    /// What channels bring along.
    pub caps: Vec<LentCap>,
}

/// The catalog in force.
#[derive(Debug)]
pub struct Catalogs {
    folders: Folders,
    given: Given,
    clock: Clock,
    current: ArcSwap<Catalog>,
    status: ArcSwap<Status>,
    // Digest of the files as they were read last, whether they were taken or refused. Held for a
    // whole reading: two at a time could publish in the wrong order.
    last_read: Mutex<blake3::Hash>,
}

impl Catalogs {
    /// Reads the files for the first time.
    ///
    /// # Errors
    /// Every fault, a line each: without an older set there is nothing to go on with.
    pub fn open(folders: Folders, given: Given, clock: Clock) -> Result<Self, Vec<String>> {
        let (digest, taken) = attempt(&folders, &given);
        let (catalog, warnings) = taken?;
        let status = status_of(&catalog, clock.now(), warnings);
        loaded(&status);
        Ok(Self {
            folders,
            given,
            clock,
            current: ArcSwap::from_pointee(catalog),
            status: ArcSwap::from_pointee(status),
            last_read: Mutex::new(digest),
        })
    }

    /// The catalog in force.
    pub fn current(&self) -> Arc<Catalog> {
        self.current.load_full()
    }

    /// What is in force, and what was tried last.
    pub fn status(&self) -> Arc<Status> {
        self.status.load_full()
    }

    /// The folders it is read from.
    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// The catalog in force and its status, for [`Catalogs::take_back`].
    pub fn in_force(&self) -> (Arc<Catalog>, Arc<Status>) {
        (self.current(), self.status())
    }

    /// Goes back to what was in force before a reading that a shard could not follow, and says why.
    /// The files are not tried again before they change.
    pub fn take_back(&self, (catalog, status): (Arc<Catalog>, Arc<Status>), fault: String) {
        let _reading = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        CatalogRead::Refused { faults: 1, first: &fault }.emit();
        self.current.store(catalog);
        self.status.store(Arc::new(Status { faults: vec![fault], ..(*status).clone() }));
    }

    /// Reads the files again and brings them into force if they are without fault.
    pub fn reload(&self) -> Reading {
        let mut last_read = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        let (digest, taken) = attempt(&self.folders, &self.given);
        if digest == *last_read {
            return Reading::Same;
        }
        *last_read = digest;
        match taken {
            Ok((catalog, warnings)) => {
                let now = self.clock.now();
                let before = self.status();
                if *catalog.revision == *before.revision {
                    // The files were broken and are again what is in force.
                    let status = Status { faults: Vec::new(), ..(*before).clone() };
                    self.status.store(Arc::new(status));
                    CatalogRead::Unchanged.emit();
                    return Reading::Same;
                }
                let catalog = Arc::new(catalog);
                let status = status_of(&catalog, now, warnings);
                loaded(&status);
                self.current.store(Arc::clone(&catalog));
                self.status.store(Arc::new(status));
                Reading::Changed(catalog)
            }
            Err(faults) => {
                let first = faults.first().map_or("", String::as_str);
                CatalogRead::Refused { faults: faults.len(), first }.emit();
                let status = Status { faults: bounded(faults), ..(*self.status()).clone() };
                self.status.store(Arc::new(status));
                Reading::Refused
            }
        }
    }
}

type Taken = Result<(Catalog, Vec<String>), Vec<String>>;

/// Reads and checks, and says by a digest what was read.
fn attempt(folders: &Folders, given: &Given) -> (blake3::Hash, Taken) {
    match folders.read() {
        Ok(sources) => {
            let digest = digest(&sources);
            let taken = load(&sources, given.sending)
                .map(|mut loaded| {
                    loaded.catalog.policy.lend(&given.caps);
                    let warnings = bounded(loaded.warnings.iter().map(line).collect());
                    (loaded.catalog, warnings)
                })
                .map_err(|faults| faults.iter().map(line).collect());
            (digest, taken)
        }
        Err(unreadable) => {
            let lines: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
            (blake3::hash(lines.join("\n").as_bytes()), Err(lines))
        }
    }
}

fn digest(sources: &[Source]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for source in sources {
        for part in [source.path.as_bytes(), source.text.as_bytes()] {
            // The length in front keeps ("a", "bc") apart from ("ab", "c").
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
    }
    hasher.finalize()
}

fn status_of(catalog: &Catalog, now: Timestamp, warnings: Vec<String>) -> Status {
    Status {
        revision: Arc::clone(&catalog.revision),
        loaded_at: now,
        triggers: catalog.triggers.len(),
        faults: Vec::new(),
        warnings,
    }
}

fn loaded(status: &Status) {
    CatalogRead::Loaded { revision: &status.revision, triggers: status.triggers }.emit();
}

fn bounded(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(FAULTS_SHOWN_MAX);
    if 0 < more {
        lines.truncate(FAULTS_SHOWN_MAX);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// A fault in one line: `file:line:column: E012: what (help: what to do)`.
pub fn line(fault: &Fault) -> String {
    let place = &fault.place;
    let mut line = format!(
        "{}:{}:{}: {}: {}",
        place.file, place.line, place.column, fault.code, fault.message
    );
    if let Some(help) = &fault.help {
        line.push_str(&format!(" (help: {help})"));
    }
    line
}
