//! A copy of the store as it stands at one instant, while it is in use.

use std::path::Path;

use fjall::{Database, KeyspaceCreateOptions, PersistMode, Readable};

use super::{Error, Store};

/// Rows written at a time.
const ROWS_AT_ONCE: usize = 10_000;

impl Store {
    /// Copies everything, the log included, into a new directory, as of one instant; says how many
    /// rows that were. The copy is a store like any other.
    ///
    /// # Errors
    /// When the directory is not empty, or the storage fails.
    pub fn backup(&self, to: &Path) -> Result<u64, Error> {
        let failed = |error: std::io::Error| Error::Storage(format!("`{}`: {error}", to.display()));
        std::fs::create_dir_all(to).map_err(failed)?;
        if std::fs::read_dir(to).map_err(failed)?.next().is_some() {
            return Err(Error::Storage(format!("`{}` is not empty", to.display())));
        }
        let copy = Database::builder(to).open()?;
        let snapshot = self.db.snapshot();
        let mut rows = 0_u64;
        for name in self.db.list_keyspace_names() {
            let name: &str = &name;
            let from = self.db.keyspace(name, KeyspaceCreateOptions::default)?;
            let into = copy.keyspace(name, KeyspaceCreateOptions::default)?;
            let mut write = copy.batch();
            for guard in snapshot.iter(&from) {
                let (key, value) = guard.into_inner()?;
                write.insert(&into, key, value);
                rows = rows.saturating_add(1);
                if ROWS_AT_ONCE <= write.len() {
                    std::mem::replace(&mut write, copy.batch()).commit()?;
                }
            }
            write.commit()?;
        }
        copy.persist(PersistMode::SyncAll)?;
        Ok(rows)
    }
}
