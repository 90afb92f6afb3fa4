//! Reads the folders of triggers and models: what belongs to the set, within bounds, and nothing
//! that a link leads to outside of them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::declare::{Source, SourceKind};

/// Largest file taken, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Largest file of what was learned, in bytes.
pub const FITTED_BYTES_MAX: u64 = crate::engine::fitted::FILE_BYTES_MAX as u64;
/// Most files in one set.
pub const FILES_MAX: usize = 20_000;
/// Most bytes in one set.
pub const SET_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How deep folders may be nested.
pub const DEPTH_MAX: usize = 16;

/// The folders of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Triggers, the policy, and the texts that triggers name with `template:`.
    pub triggers: PathBuf,
    /// Models.
    pub models: PathBuf,
}

/// A file or folder that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Unreadable {
    /// Which.
    pub path: PathBuf,
    /// Why, and what to do.
    pub why: String,
}

impl Folders {
    /// Reads all files, in order of their paths. A folder that does not exist is empty.
    ///
    /// # Errors
    /// Everything that cannot be taken: the set is then not read at all.
    pub fn read(&self) -> Result<Vec<Source>, Vec<Unreadable>> {
        let (sources, refused) = self.read_what_can_be();
        if refused.is_empty() { Ok(sources) } else { Err(refused) }
    }

    /// Reads all files that can be taken, in order of their paths, and says what cannot: so that
    /// the faults of all files can be told at once.
    pub fn read_what_can_be(&self) -> (Vec<Source>, Vec<Unreadable>) {
        let mut reader = Reader::default();
        for (folder, kind) in
            [(&self.triggers, SourceKind::Trigger), (&self.models, SourceKind::Model)]
        {
            match fs::canonicalize(folder) {
                Ok(root) => {
                    reader.visited.insert(root.clone());
                    reader.folder(folder, &root, kind, DEPTH_MAX);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => reader.refuse(folder, error.to_string()),
            }
        }
        let Reader { mut sources, refused, .. } = reader;
        sources.sort_by(|left, right| left.path.cmp(&right.path));
        (sources, refused)
    }
}

#[derive(Default)]
struct Reader {
    sources: Vec<Source>,
    refused: Vec<Unreadable>,
    // Real paths of the folders entered: links may lead in circles.
    visited: BTreeSet<PathBuf>,
    bytes: u64,
}

impl Reader {
    fn refuse(&mut self, path: &Path, why: impl Into<String>) {
        self.refused.push(Unreadable { path: path.to_owned(), why: why.into() });
    }

    fn folder(&mut self, folder: &Path, root: &Path, kind: SourceKind, depth: usize) {
        if depth == 0 {
            self.refuse(folder, format!("folders are nested more than {DEPTH_MAX} deep"));
            return;
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.refuse(folder, error.to_string()),
        };
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(&entry.path(), root, kind, depth),
                Err(error) => self.refuse(folder, error.to_string()),
            }
        }
    }

    fn entry(&mut self, path: &Path, root: &Path, kind: SourceKind, depth: usize) {
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        let file_kind = kind_of(path, kind);
        // Editors keep files of their own beside ours, and replace ours under our eyes.
        if hidden || (file_kind.is_none() && !path.is_dir()) {
            return;
        }
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.refuse(path, error.to_string()),
        };
        if !real.starts_with(root) {
            let why = format!("it is a link to `{}`, outside of the folder", real.display());
            self.refuse(path, why);
        } else if real.is_dir() {
            if self.visited.insert(real) {
                self.folder(path, root, kind, depth - 1);
            }
        } else if let Some(kind) = file_kind {
            self.file(path, kind);
        }
    }

    fn file(&mut self, path: &Path, kind: SourceKind) {
        if FILES_MAX <= self.sources.len() {
            return self.refuse(path, format!("there are more than {FILES_MAX} files"));
        }
        let bytes_max = if kind == SourceKind::Fitted { FITTED_BYTES_MAX } else { FILE_BYTES_MAX };
        match read_text(path, bytes_max) {
            Ok(text) => {
                self.bytes = self.bytes.saturating_add(text.len() as u64);
                if SET_BYTES_MAX < self.bytes {
                    let why = format!("the files together are larger than {SET_BYTES_MAX} bytes");
                    return self.refuse(path, why);
                }
                let path: Arc<str> = plain(path).display().to_string().into();
                self.sources.push(Source { path, text: text.into(), kind });
            }
            Err(why) => self.refuse(path, why),
        }
    }
}

/// What a file declares, by its name; `None` for what is none of ours.
fn kind_of(path: &Path, kind: SourceKind) -> Option<SourceKind> {
    let extension = path.extension()?.to_str()?;
    let stem = path.file_stem()?.to_str()?;
    match (extension, kind) {
        ("yaml" | "yml", SourceKind::Trigger) if stem == "policy" => Some(SourceKind::Policy),
        ("yaml" | "yml", kind) => Some(kind),
        ("json", SourceKind::Model)
            if [".model", ".challenger"].iter().any(|end| stem.ends_with(end)) =>
        {
            Some(SourceKind::Fitted)
        }
        ("mjml" | "html" | "txt" | "md" | "j2", SourceKind::Trigger) => Some(SourceKind::Asset),
        _ => None,
    }
}

fn read_text(path: &Path, bytes_max: u64) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes_max < size {
        return Err(format!("it has {size} bytes, and the largest file taken has {bytes_max}"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let lines = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count();
        format!("it is not UTF-8 from line {} on: save it as UTF-8", lines + 1)
    })
}

/// Without `./` in front, as people write paths in messages.
pub fn plain(path: &Path) -> PathBuf {
    path.components().filter(|part| part.as_os_str() != ".").collect()
}
