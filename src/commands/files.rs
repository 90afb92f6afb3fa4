//! Finds and reads the set of files that a command works on.
//!
//! A set is loaded all or nothing, so a single file is never looked at alone: its policy and the
//! models it uses come with it, found from where it stands.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::console::{Console, Error};
use crate::app;
use crate::catalog::{Folders, Unreadable, read};
use crate::clock;
use crate::config::{Config, Env as _, Flags, ProcessEnv};
use crate::declare::fault::Text;
use crate::declare::render::{Drawing, render};
use crate::declare::{
    Extent, FITTED_SUFFIX, Fault, Loaded, Severity, Source, SourceKind, load, load_to_learn,
};
use crate::engine::catalog::{Catalog, Sending};
use crate::engine::condition::Place;
use crate::engine::policy::LentCap;
use crate::log::embedded::Embedded;
use crate::store::{self, Store};

/// A set of files, read.
#[derive(Debug)]
pub struct FileSet {
    sources: Vec<Source>,
    /// What could not be read.
    unreadable: Vec<Fault>,
    texts: BTreeMap<Arc<str>, Text>,
    /// The files and folders named by the user; none means all.
    asked: Vec<PathBuf>,
    /// What channels bring along, where the configuration is known.
    caps: Vec<LentCap>,
}

impl FileSet {
    /// Reads all files of two folders.
    ///
    /// # Errors
    /// When there is nothing to read.
    pub fn read(folders: &Folders, asked: Vec<PathBuf>) -> Result<Self, Error> {
        let (sources, unreadable) = folders.read_what_can_be();
        if sources.is_empty() && unreadable.is_empty() {
            let (triggers, models) = (folders.triggers.display(), folders.models.display());
            let what = format!("there are no files in `{triggers}` and `{models}`");
            return Err(Error::refused(what, "`heedful init` writes a first set"));
        }
        let text = |source: &Source| Text::new(source.path.clone(), source.text.clone());
        let texts = sources.iter().map(|source| (source.path.clone(), text(source))).collect();
        // Asking for the whole set is asking for nothing in particular.
        let covers = |folder: &Path| {
            let folder = clean(folder);
            asked.iter().any(|asked| folder.starts_with(asked) || asked == Path::new("."))
        };
        let whole = covers(&folders.triggers) && covers(&folders.models);
        Ok(Self {
            sources,
            unreadable: unreadable.iter().map(fault_of).collect(),
            texts,
            asked: if whole { Vec::new() } else { asked },
            caps: Vec::new(),
        })
    }

    /// The same, under the caps that the channels of a configuration bring along.
    fn under(self, config: &Config) -> Self {
        Self { caps: config.caps_of_channels(), ..self }
    }

    /// Checks the set and makes a catalog of it.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn load(&self, sending: Sending) -> Result<Loaded, Vec<Fault>> {
        let mut loaded = self.whole(load(&self.sources, sending))?;
        loaded.catalog.policy.lend(&self.caps);
        Ok(loaded)
    }

    /// Checks the set and makes a catalog of it, for one of its classifiers to learn.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn load_to_learn(&self, model: &str) -> Result<Loaded, Vec<Fault>> {
        self.whole(load_to_learn(&self.sources, model))
    }

    /// The file of what was learned for a model, if there is one.
    pub fn fitted(&self, model: &str) -> Option<PathBuf> {
        let name = format!("{model}{FITTED_SUFFIX}");
        let is_it = |path: &Path| path.file_name().is_some_and(|file| file == name.as_str());
        let fitted = self.sources.iter().filter(|source| source.kind == SourceKind::Fitted);
        fitted.map(|source| PathBuf::from(&*source.path)).find(|path| is_it(path))
    }

    fn whole(&self, loaded: Result<Loaded, Vec<Fault>>) -> Result<Loaded, Vec<Fault>> {
        if self.unreadable.is_empty() {
            return loaded;
        }
        let unreadable = self.unreadable.iter().cloned();
        Err(unreadable.chain(loaded.err().into_iter().flatten()).collect())
    }

    /// Whether the user asked for this file.
    pub fn is_asked_for(&self, path: &str) -> bool {
        self.asked.is_empty() || self.asked.iter().any(|asked| Path::new(path).starts_with(asked))
    }

    /// Line and column of a stretch of a file.
    pub fn place(&self, path: &Arc<str>, extent: Extent) -> Place {
        match self.texts.get(path) {
            Some(text) => text.place(extent.start),
            None => Place { file: path.clone(), line: 1, column: 1 },
        }
    }

    /// Draws faults, each with its place and a caret.
    pub fn render(&self, faults: &[Fault], drawing: Drawing) -> String {
        render(faults, &self.sources, drawing)
    }

    /// How many files there are of a kind.
    pub fn count(&self, kind: SourceKind) -> usize {
        self.sources.iter().filter(|source| source.kind == kind).count()
    }
}

/// Finds the set that the paths of a command line belong to.
///
/// # Errors
/// When a path does not exist, or belongs to another set than the others.
pub fn find(paths: &[PathBuf]) -> Result<FileSet, Error> {
    let Some(first) = paths.first() else {
        let config = config(&Flags::default())?;
        return Ok(FileSet::read(&folders_in(&config), Vec::new())?.under(&config));
    };
    let folders = folders_of(first)?;
    for path in paths {
        if folders_of(path)? != folders {
            let (first, path) = (first.display(), path.display());
            let what = format!("`{first}` and `{path}` belong to different sets");
            return Err(Error::refused(what, "name files of one set at a time"));
        }
    }
    FileSet::read(&folders, paths.iter().map(|path| clean(path)).collect())
}

/// Where things are, when not where `heedful.yaml` says. Its command also has `--events`.
#[derive(Clone, Debug, clap::Args)]
pub struct Places {
    /// The data of the stopped service; without it, where `heedful.yaml` says
    #[arg(long, value_name = "DIR", conflicts_with = "events")]
    data: Option<PathBuf>,
    /// The folder of triggers; without it, where `heedful.yaml` says
    #[arg(long, value_name = "DIR")]
    triggers: Option<PathBuf>,
    /// The folder of models; without it, where `heedful.yaml` says
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

impl Places {
    /// The configuration with these places in it.
    ///
    /// # Errors
    /// As [`config`].
    pub fn config(&self) -> Result<Config, Error> {
        let Self { data, triggers, models } = self.clone();
        config(&Flags { data, triggers, models, ..Flags::default() })
    }
}

/// The configuration, where secrets that are not set on this machine do not matter.
///
/// # Errors
/// When it is wrong otherwise.
pub fn config(flags: &Flags) -> Result<Config, Error> {
    let config = Config::load(flags.clone(), &ProcessEnv).or_else(|_| {
        let env = |name: &str| stand_in(name, ProcessEnv.var(name));
        Config::load(flags.clone(), &env)
    });
    config.map_err(|faults| Error::refused(faults.to_string(), ""))
}

/// The catalog of a configuration; `None` when its files have faults, which have been shown.
///
/// # Errors
/// When there are no files.
pub fn catalog(config: &Config, console: &mut Console) -> Result<Option<Catalog>, Error> {
    let set = FileSet::read(&folders_in(config), Vec::new())?.under(config);
    match set.load(config.sending) {
        Ok(loaded) => Ok(Some(loaded.catalog)),
        Err(faults) => {
            super::check::show(&set, &faults, console)?;
            console.line("the files have faults: nothing was done")?;
            Ok(None)
        }
    }
}

/// The store and the log of a stopped service. `through` says how to do the same with a running
/// one.
///
/// # Errors
/// When it cannot be opened.
pub fn open_store(config: &Config, through: &str) -> Result<(Arc<Store>, Arc<Embedded>), Error> {
    app::open(config, &clock::System::shared()).map_err(|error| {
        let help = match &error {
            app::Error::Store(store::Error::InUse(_)) => through,
            _ => "",
        };
        Error::refused(error.to_string(), help)
    })
}

/// A variable as it is set; one that is not is taken for a secret of another machine. Files with
/// secrets are not looked for here at all.
fn stand_in(name: &str, set: Option<String>) -> Option<String> {
    let is_file = name.starts_with("HEEDFUL_") && name.ends_with("_FILE");
    (!is_file).then(|| set.unwrap_or_else(|| STAND_IN.to_owned()))
}

/// What stands for a secret that is not set.
const STAND_IN: &str = "whsec_c3RhbmQtaW4tZm9yLWEtc2VjcmV0LW9mLXRoZS10ZXN0cw==";

/// The folders that a configuration names, or the usual ones.
fn folders_in(config: &Config) -> Folders {
    Folders { triggers: config.triggers.clone(), models: config.models.clone() }
}

/// The folders of the set that a path belongs to.
fn folders_of(path: &Path) -> Result<Folders, Error> {
    let kind = fs::metadata(path).map_err(|source| Error::read(path, source))?;
    let path = clean(path);
    if kind.is_dir() && ["triggers", "models"].iter().any(|name| path.join(name).is_dir()) {
        return Ok(Folders { triggers: path.join("triggers"), models: path.join("models") });
    }
    // The nearest folder called `triggers` or `models` tells where the set is.
    for folder in path.ancestors().skip(usize::from(!kind.is_dir())) {
        let named = |name: &str| folder.file_name().is_some_and(|last| last == name);
        let root = folder.parent().unwrap_or(Path::new(""));
        if named("triggers") {
            return Ok(Folders { triggers: folder.to_owned(), models: root.join("models") });
        }
        if named("models") {
            return Ok(Folders { triggers: root.join("triggers"), models: folder.to_owned() });
        }
    }
    // Or we stand in it.
    let here = std::env::current_dir().unwrap_or_default();
    let standing_in = |name: &str| here.file_name().is_some_and(|last| last == name);
    if path.is_relative() && standing_in("triggers") {
        return Ok(Folders { triggers: PathBuf::from("."), models: PathBuf::from("../models") });
    }
    if path.is_relative() && standing_in("models") {
        return Ok(Folders { triggers: PathBuf::from("../triggers"), models: PathBuf::from(".") });
    }
    // A folder by another name holds triggers, with their models beside it.
    let folder = if kind.is_dir() { &path } else { path.parent().unwrap_or(Path::new("")) };
    let models = folder.parent().unwrap_or(Path::new("")).join("models");
    Ok(Folders { triggers: Path::new(".").join(folder), models: Path::new(".").join(models) })
}

/// As messages show it, where the folder one stands in is `.`.
fn clean(path: &Path) -> PathBuf {
    let plain = read::plain(path);
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

/// A file that cannot be read is a fault like any other: the rest of the set is still looked at.
fn fault_of(unreadable: &Unreadable) -> Fault {
    let file: Arc<str> = unreadable.path.display().to_string().into();
    Fault {
        code: "E001",
        severity: Severity::Error,
        message: format!("`{file}` cannot be taken: {}", unreadable.why),
        place: Place { file, line: 1, column: 1 },
        extent: Extent::default(),
        help: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_set_is_stood_in_for() {
        assert_eq!(stand_in("DATA_DIR", Some("/data".to_owned())).unwrap(), "/data");
        assert_eq!(stand_in("MAILER_SECRET", None).unwrap(), STAND_IN);
        assert_eq!(stand_in("HEEDFUL_API_TOKEN", None).unwrap(), STAND_IN);
        assert_eq!(stand_in("HEEDFUL_API_TOKEN_FILE", Some("/not/here".to_owned())), None);
    }
}
