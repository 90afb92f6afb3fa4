//! A copy of the store as it stands at one instant, while it is in use.

use std::path::Path;

use fjall::{Database, PersistMode, Readable};

use super::open::{LOG_FOLDER, keyspace_options};
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
            let from = self.db.keyspace(name, keyspace_options)?;
            let into = copy.keyspace(name, keyspace_options)?;
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
        // After the states: the log may know more than they do, never less.
        copy_files(&self.log_dir(), &to.join(LOG_FOLDER)).map_err(failed)?;
        Ok(rows)
    }
}

/// Copies the files of a folder, durably. One that is written on meanwhile is copied up to somewhere;
/// a file that was dropped meanwhile is not needed.
fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        // A store without a log: there is nothing to be copied.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<std::io::Result<Vec<_>>>()?;
    // In their order: a file that is begun meanwhile is missing at the end, not in the middle.
    names.sort_unstable();
    for name in names {
        let copy = to.join(&name);
        match std::fs::copy(from.join(&name), &copy) {
            Ok(_) => std::fs::File::open(&copy)?.sync_all()?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    #[test]
    fn a_copy_holds_the_files_of_the_log_too() {
        let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let store = Store::open(dir.path(), Options::default()).unwrap();
        std::fs::create_dir(store.log_dir()).unwrap();
        for name in ["01.log", "02.log"] {
            std::fs::write(store.log_dir().join(name), name).unwrap();
        }
        store.backup(copy.path()).unwrap();
        drop(store);
        let copied = Store::open(copy.path(), Options::default()).unwrap();
        for name in ["01.log", "02.log"] {
            assert_eq!(std::fs::read_to_string(copied.log_dir().join(name)).unwrap(), name);
        }
    }
}
