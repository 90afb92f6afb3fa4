//! Replaces a file by another one at once: whoever reads it sees the old or the new one, whole,
//! whatever happens meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::commands::console::Error;

/// A text that is on the disk, beside the file that it is to replace.
#[derive(Debug)]
pub(super) struct Ready {
    /// Held, and so locked, until it has replaced the other one.
    _file: File,
    beside: PathBuf,
    path: PathBuf,
}

/// Writes a text beside the file that it is to replace, under a name that nobody reads.
pub(super) fn ready(path: &Path, text: &str) -> Result<Ready, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    let failed = |source| Error::write(&beside, source);
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&beside)
        .map_err(failed)?;
    if file.try_lock().is_err() {
        let what = format!("another `heedful train` is writing `{}`", path.display());
        return Err(Error::refused(what, "wait for it"));
    }
    file.set_len(0).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    Ok(Ready { _file: file, beside, path: path.to_owned() })
}

/// Keeps a copy of a file, if it is there, in place of an older copy.
pub(super) fn keep(path: &Path, copy: &Path) -> Result<(), Error> {
    match fs::read_to_string(path) {
        Ok(text) => ready(copy, &text)?.replace(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::read(path, error)),
    }
}

impl Ready {
    /// Puts it in place of the other one.
    pub(super) fn replace(self) -> Result<(), Error> {
        let failed = |source| Error::write(&self.path, source);
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
}
