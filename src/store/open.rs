//! The directory of the store: opened by one process at a time, refused when it is too new.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::dead_letters::DeadLetterEnds;
use super::listed::AddressKey;
use super::{Error, keys};

/// Version of the layout of keys and values; a newer one is refused.
pub const FORMAT_VERSION: u32 = 1;

/// Bytes of the journal: they are read again when a store is opened that was not closed.
const JOURNAL_BYTES_MAX: u64 = 128 * 1_024 * 1_024;

/// Bytes of a keyspace in memory before they are written out: each time is a burst for the disk that
/// whoever waits for a flush then waits for too, and all of them stay resident.
const MEMTABLE_BYTES_MAX: u64 = 16 * 1_024 * 1_024;
/// Bytes kept of blocks that were read: states are in memory, the rest is read for people's pages.
const CACHE_BYTES: u64 = 16 * 1_024 * 1_024;

/// The folder of the log inside that of the store.
pub(super) const LOG_FOLDER: &str = "log";
/// Threads of the storage, which write memory out and merge files. With more than one, the first of
/// them takes no merging over, and burns a whole core handing it back to itself while others merge.
const STORAGE_THREADS: usize = 1;

/// The file in a store's folder that says where everything in it was moved to.
const MOVED: &str = "moved";

/// How to open a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Number of shards of a new store; one that exists keeps its own.
    pub shards: u16,
    /// Memory for blocks read from disk, in bytes.
    pub cache_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { shards: 1, cache_bytes: CACHE_BYTES }
    }
}

/// An open store. Reads may come from any thread; batches come from the committer alone.
pub struct Store {
    pub(super) db: Database,
    pub(super) spaces: Spaces,
    pub(super) dead_letters: Mutex<DeadLetterEnds>,
    /// Taken by whoever changes a row that may be gone by now: outbox rows, tasks.
    pub(super) changing: Mutex<()>,
    /// What addresses are hashed with.
    pub(super) addresses: OnceLock<AddressKey>,
    dir: PathBuf,
    shards: u16,
    instance: String,
    broken: AtomicBool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.dir)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}

/// One keyspace for each kind of thing.
pub(super) struct Spaces {
    /// `shard, customer` to state.
    pub(super) customers: Keyspace,
    /// `customer, place` to decision record.
    pub(super) decisions: Keyspace,
    /// `place` to what filters look at.
    pub(super) decisions_by_time: Keyspace,
    /// Decision id to the key of its record.
    pub(super) decision_ids: Keyspace,
    /// Decision id to row.
    pub(super) outbox: Keyspace,
    /// Decision id to task.
    pub(super) tasks: Keyspace,
    /// `place` to what filters look at.
    pub(super) tasks_by_time: Keyspace,
    /// `customer, place` to in-app message.
    pub(super) inbox: Keyspace,
    /// Number to refused input.
    pub(super) dead_letters: Keyspace,
    /// `unit, experiment` to exposure.
    pub(super) exposures: Keyspace,
    /// Channel and name there to send, and customer, channel and name to nothing.
    pub(super) known_sends: Keyspace,
    /// Channel, purpose and hashed address to why it is not written to.
    pub(super) listed: Keyspace,
    /// Everything there is one of.
    pub(super) meta: Keyspace,
}

impl Spaces {
    fn open(db: &Database) -> Result<Self, Error> {
        let open = |name: &str| db.keyspace(name, keyspace_options);
        Ok(Self {
            customers: open("customers")?,
            decisions: open("decisions")?,
            decisions_by_time: open("decisions_by_time")?,
            decision_ids: open("decision_ids")?,
            outbox: open("outbox")?,
            tasks: open("tasks")?,
            tasks_by_time: open("tasks_by_time")?,
            inbox: open("inbox")?,
            dead_letters: open("dead_letters")?,
            exposures: open("exposures")?,
            known_sends: open("known_sends")?,
            listed: open("listed")?,
            meta: open("meta")?,
        })
    }

    /// All of them with their names.
    pub(super) fn all(&self) -> [(&'static str, &Keyspace); 13] {
        [
            ("customers", &self.customers),
            ("decisions", &self.decisions),
            ("decisions_by_time", &self.decisions_by_time),
            ("decision_ids", &self.decision_ids),
            ("outbox", &self.outbox),
            ("tasks", &self.tasks),
            ("tasks_by_time", &self.tasks_by_time),
            ("inbox", &self.inbox),
            ("dead_letters", &self.dead_letters),
            ("exposures", &self.exposures),
            ("known_sends", &self.known_sends),
            ("listed", &self.listed),
            ("meta", &self.meta),
        ]
    }
}

impl Store {
    /// Opens the store in a directory, creating it when there is none.
    ///
    /// # Errors
    /// When another process has it open, when it is too new, when its customers are looked after
    /// elsewhere by now, or when the storage fails.
    pub fn open(dir: &Path, options: Options) -> Result<Arc<Self>, Error> {
        match Self::moved_to(dir)? {
            Some(to) => Err(Error::Moved { file: dir.join(MOVED), to }),
            None => Self::open_moved(dir, options),
        }
    }

    /// Where everything in a store was moved to, if it was.
    ///
    /// # Errors
    /// When the file that says so cannot be read.
    pub fn moved_to(dir: &Path) -> Result<Option<String>, Error> {
        match std::fs::read_to_string(dir.join(MOVED)) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::Storage(format!("`{MOVED}` cannot be read: {error}"))),
        }
    }

    /// Says durably that everything in it is moved: from now on it is opened no more.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn set_moved(&self, to: &str) -> Result<(), Error> {
        let write = || {
            let mut file = std::fs::File::create(self.dir.join(MOVED))?;
            std::io::Write::write_all(&mut file, to.as_bytes())?;
            file.sync_all()?;
            std::fs::File::open(&self.dir)?.sync_all()
        };
        write().map_err(|error| Error::Storage(format!("`{MOVED}` cannot be written: {error}")))
    }

    /// Opens it whether it was moved or not: for whoever moves it.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_moved(dir: &Path, options: Options) -> Result<Arc<Self>, Error> {
        let db = Database::builder(dir)
            .cache_size(options.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(STORAGE_THREADS)
            .open()
            .map_err(|error| match error {
                fjall::Error::Locked => Error::InUse(dir.to_owned()),
                other => Error::from(other),
            })?;
        // Looked at first: the keyspaces of a newer version may not be what they are here.
        let meta = db.keyspace("meta", keyspace_options)?;
        let (shards, instance) = match text(&meta, keys::FORMAT)? {
            None => create(&db, &meta, options.shards.max(1))?,
            Some(format) => {
                let found = format.parse().unwrap_or(u32::MAX);
                if FORMAT_VERSION < found {
                    let dir = dir.to_owned();
                    return Err(Error::Newer { dir, found, known: FORMAT_VERSION });
                }
                existing(&meta)?
            }
        };
        let spaces = Spaces::open(&db)?;
        let dead_letters = Mutex::new(DeadLetterEnds::read(&spaces)?);
        Ok(Arc::new(Self {
            db,
            spaces,
            dead_letters,
            changing: Mutex::new(()),
            addresses: OnceLock::new(),
            dir: dir.to_owned(),
            shards,
            instance,
            broken: AtomicBool::new(false),
        }))
    }

    /// Where the log is kept beside it.
    pub fn log_dir(&self) -> PathBuf {
        self.dir.join(LOG_FOLDER)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of shards, fixed when the store was created.
    pub fn shards(&self) -> u16 {
        self.shards
    }

    /// The id given to this store when it was created, in hex: a copy of it has the same.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// Whether a write has failed: the process must stop.
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// When the flush fails; the store is then broken.
    pub fn flush(&self) -> Result<(), Error> {
        self.guarded(|| self.db.persist(PersistMode::SyncAll))
    }

    /// Writes, unless a write has failed before; remembers it when this one fails.
    pub(super) fn guarded(
        &self,
        write: impl FnOnce() -> Result<(), fjall::Error>,
    ) -> Result<(), Error> {
        if self.is_broken() {
            return Err(Error::Broken);
        }
        write().map_err(|error| {
            self.broken.store(true, Ordering::Release);
            Error::from(error)
        })
    }

    /// Takes the lock under which rows that may be gone are changed.
    pub(super) fn change(&self) -> std::sync::MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Those of a keyspace that is made now; one that exists keeps its own.
pub(super) fn keyspace_options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES_MAX)
}

/// A text of `meta`.
pub(super) fn text(meta: &Keyspace, key: &str) -> Result<Option<String>, Error> {
    Ok(meta.get(key)?.map(|value| String::from_utf8_lossy(&value).into_owned()))
}

fn create(db: &Database, meta: &Keyspace, shards: u16) -> Result<(u16, String), Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Storage(format!("no random number for a new store: {error}")))?;
    let instance = crate::engine::id::DecisionId::from_bytes(bytes).to_string();
    let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(meta, keys::FORMAT, FORMAT_VERSION.to_string().as_str());
    batch.insert(meta, keys::SHARDS, shards.to_string().as_str());
    batch.insert(meta, keys::INSTANCE, instance.as_str());
    batch.commit()?;
    Ok((shards, instance))
}

fn existing(meta: &Keyspace) -> Result<(u16, String), Error> {
    let damaged = |key: &str| Error::Damaged {
        what: "an entry",
        key: key.to_owned(),
        why: "it is missing or no number".to_owned(),
    };
    let shards = text(meta, keys::SHARDS)?.and_then(|text| text.parse().ok());
    let shards = shards.ok_or_else(|| damaged(keys::SHARDS))?;
    let instance = text(meta, keys::INSTANCE)?.ok_or_else(|| damaged(keys::INSTANCE))?;
    Ok((shards, instance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_keeps_its_shards_and_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let first = Store::open(dir.path(), Options { shards: 3, ..Options::default() }).unwrap();
        let instance = first.instance().to_owned();
        assert_eq!((first.shards(), instance.len()), (3, 32));
        let in_use = Store::open(dir.path(), Options::default()).unwrap_err();
        assert!(matches!(in_use, Error::InUse(_)), "{in_use}");
        drop(first);
        let again = Store::open(dir.path(), Options { shards: 8, ..Options::default() }).unwrap();
        assert_eq!((again.shards(), again.instance()), (3, &*instance));
    }

    #[test]
    fn a_store_that_was_moved_is_opened_by_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        store.set_moved("topic `a`").unwrap();
        drop(store);
        let refused = Store::open(dir.path(), Options::default()).unwrap_err().to_string();
        assert!(refused.contains("topic `a`") && refused.contains("moved"), "{refused}");
        assert_eq!(Store::moved_to(dir.path()).unwrap().as_deref(), Some("topic `a`"));
        Store::open_moved(dir.path(), Options::default()).unwrap();
    }

    #[test]
    fn a_newer_store_is_refused_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        store.spaces.meta.insert(keys::FORMAT, "2").unwrap();
        drop(store);
        let refused = Store::open(dir.path(), Options::default()).unwrap_err().to_string();
        assert!(refused.contains("format 2") && refused.contains("use the version"), "{refused}");
    }

    #[test]
    fn a_failed_write_breaks_the_store_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Options::default()).unwrap();
        store.flush().unwrap();
        let failed = store.guarded(|| Err(fjall::Error::Io(std::io::Error::other("EIO"))));
        assert!(matches!(failed, Err(Error::Storage(_))));
        assert!(store.is_broken());
        assert!(matches!(store.flush(), Err(Error::Broken)));
        assert!(matches!(store.commit(&mut []), Err(Error::Broken)));
    }
}
