//! Tells when a file of the set may have changed. It may tell too often, and it may miss something:
//! whoever listens compares the files themselves, and looks by itself now and then.

use std::sync::Arc;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::read::Folders;

/// Watches the folders of a set until it is dropped.
#[derive(Debug)]
pub struct Watch {
    // Kept for its thread, which ends with it.
    _watcher: RecommendedWatcher,
    changed: Arc<Notify>,
}

impl Watch {
    /// Starts watching. Folders that do not exist yet are not watched.
    ///
    /// # Errors
    /// When the system has no means of watching, or no more of it.
    pub fn start(folders: &Folders) -> Result<Self, notify::Error> {
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Reading the files is an access too, and must not make us read them again. An error
            // may hide a change.
            if event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_))) {
                return;
            }
            told.notify_one();
        })?;
        for folder in [&folders.triggers, &folders.models] {
            if folder.is_dir() {
                watcher.watch(folder, RecursiveMode::Recursive)?;
            }
        }
        Ok(Self { _watcher: watcher, changed })
    }

    /// Waits until something may have changed.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
