//! The files of what was learned: replaced at once, kept for a way back, and a challenger's put in
//! force. Whoever reads them sees the old or the new one, whole, whatever happens meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::declare::{CHALLENGER_SUFFIX, FITTED_SUFFIX};

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It cannot be read.
    #[error("`{}` cannot be read: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It cannot be written.
    #[error("`{}` cannot be written: {error}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Somebody else is writing it.
    #[error("another `heedful train` is writing `{}`", path.display())]
    Busy {
        /// Which.
        path: PathBuf,
    },
}

/// A text that is on the disk, beside the file that it is to replace.
#[derive(Debug)]
pub struct Ready {
    /// Held, and so locked, until it has replaced the other one.
    _file: File,
    beside: PathBuf,
    path: PathBuf,
}

/// Where the model of a name, its challenger, and their cards are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// What speaks.
    pub model: PathBuf,
    /// Its card.
    pub card: PathBuf,
    /// What is watched beside it.
    pub challenger: PathBuf,
    /// The card of that.
    pub challenger_card: PathBuf,
}

impl Places {
    /// Beside the file of a model that is there, or to be.
    pub fn of(name: &str, model: PathBuf) -> Self {
        let beside = |file: String| model.with_file_name(file);
        Self {
            card: beside(format!("{name}.card.md")),
            challenger: beside(format!("{name}{CHALLENGER_SUFFIX}")),
            challenger_card: beside(format!("{name}.challenger.card.md")),
            model,
        }
    }

    /// The file of a model in its usual place.
    pub fn usual(name: &str, folder: &Path) -> PathBuf {
        folder.join(format!("{name}{FITTED_SUFFIX}"))
    }

    /// Puts the challenger in force, and keeps what was in force for a way back. A kill leaves the
    /// old or the new one in force.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn promote(&self) -> Result<(), Failure> {
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| Failure::Read { path: path.to_owned(), error })
        };
        let text = read(&self.challenger)?;
        let told = match read(&self.challenger_card) {
            Ok(told) => Some(ready(&self.card, &told)?),
            Err(Failure::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => None,
            Err(failure) => return Err(failure),
        };
        let model = ready(&self.model, &text)?;
        for path in [&self.model, &self.card] {
            keep(path, &before(path))?;
        }
        model.replace()?;
        told.map_or(Ok(()), Ready::replace)?;
        for path in [&self.challenger, &self.challenger_card] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::Write { path: path.clone(), error });
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Where what was in force before is kept, under a name that nobody loads.
pub fn before(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.before"))
}

/// Writes a text beside the file that it is to replace, under a name that nobody reads.
///
/// # Errors
/// When it cannot be written, or somebody else is writing it.
pub fn ready(path: &Path, text: &str) -> Result<Ready, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    let failed = |error| Failure::Write { path: beside.clone(), error };
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&beside)
        .map_err(failed)?;
    if file.try_lock().is_err() {
        return Err(Failure::Busy { path: path.to_owned() });
    }
    file.set_len(0).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(Ready { _file: file, beside, path: path.to_owned() })
}

/// Keeps a copy of a file, if it is there, in place of an older copy.
///
/// # Errors
/// When it cannot be read or written.
pub fn keep(path: &Path, copy: &Path) -> Result<(), Failure> {
    match fs::read_to_string(path) {
        Ok(text) => ready(copy, &text)?.replace(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::Read { path: path.to_owned(), error }),
    }
}

impl Ready {
    /// Puts it in place of the other one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(self) -> Result<(), Failure> {
        let failed = |error| Failure::Write { path: self.path.clone(), error };
        fs::rename(&self.beside, &self.path).map_err(failed)?;
        let folder = self.path.parent().filter(|folder| *folder != Path::new(""));
        let folder = File::open(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        folder.sync_all().map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("churn.model.json");
        fs::write(&path, "old").unwrap();
        let first = ready(&path, "new and longer").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        let second = ready(&path, "too early").unwrap_err();
        assert!(second.to_string().contains("another `heedful train`"), "{second}");
        first.replace().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new and longer");
        // What a kill left lying there is written over.
        fs::write(folder.path().join(".churn.model.json.new"), "x".repeat(100)).unwrap();
        ready(&path, "newer").unwrap().replace().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_challenger_comes_into_force_and_there_is_a_way_back() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::of("churn", Places::usual("churn", folder.path()));
        let text = |path: &Path| fs::read_to_string(path).ok();
        assert!(matches!(places.promote(), Err(Failure::Read { .. })));
        for (path, text) in [
            (&places.model, "old"),
            (&places.card, "old card"),
            (&places.challenger, "new"),
            (&places.challenger_card, "new card"),
        ] {
            fs::write(path, text).unwrap();
        }
        places.promote().unwrap();
        assert_eq!(text(&places.model).as_deref(), Some("new"));
        assert_eq!(text(&places.card).as_deref(), Some("new card"));
        assert_eq!(text(&before(&places.model)).as_deref(), Some("old"));
        assert_eq!(text(&before(&places.card)).as_deref(), Some("old card"));
        assert_eq!((text(&places.challenger), text(&places.challenger_card)), (None, None));
    }
}
