//! Finds and reads the set of files that a command works on.
//!
//! A set is loaded all or nothing, so a single file is never looked at alone: its policy and the
//! models it uses come with it, found from where it stands.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::console::Error;
use crate::config::{Config, Flags, ProcessEnv};
use crate::declare::fault::Text;
use crate::declare::{Extent, Fault, Loaded, Severity, Source, SourceKind, load};
use crate::engine::catalog::Sending;
use crate::engine::condition::Place;

/// Largest file taken, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Most files in one set.
const FILES_MAX: usize = 20_000;
/// How deep folders may be nested.
const DEPTH_MAX: usize = 16;

/// The folders in which triggers and models are declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Triggers and the policy.
    pub triggers: PathBuf,
    /// Models.
    pub models: PathBuf,
}

/// A set of files, read.
#[derive(Debug)]
pub struct FileSet {
    sources: Vec<Source>,
    /// Files that are not text.
    garbled: Vec<Fault>,
    texts: BTreeMap<Arc<str>, Text>,
    /// The files and folders named by the user; none means all.
    asked: Vec<PathBuf>,
}

impl FileSet {
    /// Checks the set and makes a catalog of it.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn load(&self, sending: Sending) -> Result<Loaded, Vec<Fault>> {
        let loaded = load(&self.sources, sending);
        if self.garbled.is_empty() {
            return loaded;
        }
        let garbled = self.garbled.iter().cloned();
        Err(garbled.chain(loaded.err().into_iter().flatten()).collect())
    }

    /// Whether the user asked for this file.
    pub fn is_asked_for(&self, path: &str) -> bool {
        self.asked.is_empty() || self.asked.iter().any(|asked| Path::new(path).starts_with(asked))
    }

    /// Line and column of a stretch of a file.
    pub fn place(&self, path: &Arc<str>, extent: Extent) -> Place {
        let text = self.texts.get(path);
        text.map_or_else(
            || Place { file: path.clone(), line: 1, column: 1 },
            |text| text.place(extent.start),
        )
    }

    /// A file's text.
    pub fn text(&self, path: &str) -> Option<&Text> {
        self.texts.get(path)
    }

    /// How many files there are of a kind.
    pub fn count(&self, kind: SourceKind) -> usize {
        self.sources.iter().filter(|source| source.kind == kind).count()
    }
}

/// Finds the set that the paths of a command line belong to.
///
/// # Errors
/// When a path does not exist, cannot be read, or belongs to another set than the others.
pub fn find(paths: &[PathBuf]) -> Result<FileSet, Error> {
    let Some(first) = paths.first() else {
        return read(&configured()?, Vec::new());
    };
    let folders = folders_of(first)?;
    for path in paths {
        if folders_of(path)? != folders {
            let what = format!("`{}` and `{}` belong to different sets", first.display(), path.display());
            return Err(Error::refused(what, "name files of one set at a time"));
        }
    }
    read(&folders, paths.iter().map(|path| clean(path)).collect())
}

/// Reads all files of two folders.
///
/// # Errors
/// When they do not exist or cannot be read.
pub fn read_folders(triggers: &Path, models: &Path) -> Result<FileSet, Error> {
    let folders = Folders { triggers: triggers.to_owned(), models: models.to_owned() };
    read(&folders, Vec::new())
}

/// The folders that `heedful.yaml` names, or the usual ones.
///
/// # Errors
/// When the configuration is wrong.
pub fn configured() -> Result<Folders, Error> {
    let config = Config::load(Flags::default(), &ProcessEnv).or_else(|_| {
        // A secret that is not set on this machine does not matter to a check of the files.
        let stand_in = |name: &str| (!name.starts_with("HEEDFUL_")).then(|| STAND_IN.to_owned());
        Config::load(Flags::default(), &stand_in)
    });
    let config = config.map_err(|faults| Error::refused(faults.to_string(), ""))?;
    Ok(Folders { triggers: config.triggers, models: config.models })
}

/// What stands for a secret that is not set.
const STAND_IN: &str = "whsec_c3RhbmQtaW4tZm9yLWEtc2VjcmV0LW9mLXRoZS10ZXN0cw==";

/// The folders of the set that a path belongs to.
fn folders_of(path: &Path) -> Result<Folders, Error> {
    let kind = fs::metadata(path).map_err(|source| Error::read(path, source))?;
    let path = clean(path);
    if kind.is_dir() && ["triggers", "models"].iter().any(|name| path.join(name).is_dir()) {
        return Ok(Folders { triggers: path.join("triggers"), models: path.join("models") });
    }
    // The nearest folder called `triggers` or `models` tells where the set is.
    let folders = path.ancestors().skip(usize::from(!kind.is_dir()));
    for folder in folders {
        let named = |name: &str| folder.file_name().is_some_and(|last| last == name);
        let root = folder.parent().unwrap_or(Path::new(""));
        if named("triggers") {
            return Ok(Folders { triggers: folder.to_owned(), models: root.join("models") });
        }
        if named("models") {
            return Ok(Folders { triggers: root.join("triggers"), models: folder.to_owned() });
        }
    }
    // A folder by another name holds triggers, with their models beside it or in it.
    let folder = if kind.is_dir() { &path } else { path.parent().unwrap_or(Path::new("")) };
    Ok(Folders { triggers: folder.to_owned(), models: folder.join("models") })
}

/// Without `./` in front, as people write paths in messages.
fn clean(path: &Path) -> PathBuf {
    let cleaned: PathBuf = path.components().filter(|part| part.as_os_str() != ".").collect();
    if cleaned.as_os_str().is_empty() { PathBuf::from(".") } else { cleaned }
}

fn read(folders: &Folders, asked: Vec<PathBuf>) -> Result<FileSet, Error> {
    let mut found = Found::default();
    if !folders.triggers.is_dir() && !folders.models.is_dir() {
        let what = format!("there is no folder `{}`", folders.triggers.display());
        return Err(Error::refused(what, "`heedful init` writes one with two examples"));
    }
    collect(&folders.triggers, SourceKind::Trigger, DEPTH_MAX, &mut found)?;
    if !folders.models.starts_with(&folders.triggers) {
        collect(&folders.models, SourceKind::Model, DEPTH_MAX, &mut found)?;
    } else {
        for source in &mut found.sources {
            let inside = Path::new(&*source.path).starts_with(&folders.models);
            if inside && source.kind == SourceKind::Trigger {
                source.kind = SourceKind::Model;
            }
        }
    }
    let Found { mut sources, garbled } = found;
    sources.sort_by(|left, right| left.path.cmp(&right.path));
    let texts = sources
        .iter()
        .map(|source| {
            (source.path.clone(), Text::new(source.path.clone(), source.text.clone()))
        })
        .collect();
    // Asking for the whole set is asking for nothing in particular.
    let asked = if asked.iter().any(|path| folders.triggers.starts_with(path) && folders.models.starts_with(path)) {
        Vec::new()
    } else {
        asked
    };
    Ok(FileSet { sources, garbled, texts, asked })
}

#[derive(Default)]
struct Found {
    sources: Vec<Source>,
    garbled: Vec<Fault>,
}

fn collect(
    folder: &Path,
    kind: SourceKind,
    depth: usize,
    found: &mut Found,
) -> Result<(), Error> {
    if !folder.is_dir() {
        return Ok(());
    }
    if depth == 0 || FILES_MAX < found.sources.len() {
        let what = format!("`{}` holds too many files or folders", folder.display());
        return Err(Error::refused(what, format!("at most {FILES_MAX} files, {DEPTH_MAX} deep")));
    }
    let entries = fs::read_dir(folder).map_err(|source| Error::read(folder, source))?;
    for entry in entries {
        let path = clean(&entry.map_err(|source| Error::read(folder, source))?.path());
        // Editors keep their own files beside ours.
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        if path.is_dir() {
            collect(&path, kind, depth - 1, found)?;
        } else if let Some(kind) = kind_of(&path, kind) {
            read_file(&path, kind, found)?;
        }
    }
    Ok(())
}

fn kind_of(path: &Path, kind: SourceKind) -> Option<SourceKind> {
    let extension = path.extension().and_then(|extension| extension.to_str())?;
    let stem = path.file_stem().and_then(|stem| stem.to_str())?;
    match (extension, kind) {
        ("yaml" | "yml", SourceKind::Trigger) if stem == "policy" => Some(SourceKind::Policy),
        ("yaml" | "yml", kind) => Some(kind),
        ("mjml" | "html" | "txt" | "md" | "j2", SourceKind::Trigger) => Some(SourceKind::Asset),
        _ => None,
    }
}

fn read_file(path: &Path, kind: SourceKind, found: &mut Found) -> Result<(), Error> {
    let size = fs::metadata(path).map_err(|source| Error::read(path, source))?.len();
    if FILE_BYTES_MAX < size {
        let what = format!("`{}` has {size} bytes", path.display());
        return Err(Error::refused(what, format!("the largest file taken has {FILE_BYTES_MAX}")));
    }
    let bytes = fs::read(path).map_err(|source| Error::read(path, source))?;
    let shown: Arc<str> = path.display().to_string().into();
    match String::from_utf8(bytes) {
        Ok(text) => found.sources.push(Source { path: shown, text: text.into(), kind }),
        Err(error) => found.garbled.push(garbled(shown, &error)),
    }
    Ok(())
}

/// A file that is not UTF-8 is a fault like any other: the rest of the set is still looked at.
fn garbled(path: Arc<str>, error: &std::string::FromUtf8Error) -> Fault {
    let good = error.utf8_error().valid_up_to();
    let head = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default());
    let byte = u32::try_from(good).unwrap_or(u32::MAX);
    let place = Text::new(path, head.into()).place(byte);
    Fault {
        code: "E001",
        severity: Severity::Error,
        message: "from here on it is not UTF-8".to_owned(),
        place,
        extent: Extent { start: byte, end: byte },
        help: Some("save it as UTF-8".to_owned()),
    }
}
