//! `heedful train`: a model of one's own, learned from recorded events.

mod output;
mod texts;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::console::{Console, Error, Format, GOOD};
use super::files::FileSet;
use super::history::History;
use super::{Ending, check, files, progress};
use crate::catalog::Folders;
use crate::catalog::fitted::{self, Places, before};
use crate::config::Config;
use crate::declare::FITTED_SUFFIX;
use crate::engine::catalog::{Catalog, ScoreSource};
use crate::engine::classifier::Classifier;
use crate::engine::fitted::Content;
use crate::engine::terms::Method;
use crate::engine::time::Timestamp;
use crate::learn::harvest::PassedOver;
use crate::learn::lesson::{self, Harvested};
use crate::learn::looks::{day, days, looks};
use crate::learn::{Harvest, Refusal, Rows, Wish, card};
use crate::worker::replay::Replay;
use write::both as write_both;

/// Cells at most, a row of features per customer and look: 320 MB, a few times over.
const CELLS_MAX: usize = 40_000_000;

/// Learn a model from recorded events, or from labelled texts
///
/// Replays the events through the code that serves, looks at everybody at each snapshot, and learns
/// from what came of it what the model's file asks for. The newest time judges. Writes
/// `<model>.model.json` and `<model>.card.md` among the models; a running service takes the model
/// over at once, and nothing fires because of it. Without a good enough model nothing is written,
/// and what is in force stays.
///
/// A model of `type: text` learns from labelled rows instead (`--rows`); each text is judged by a
/// model that did not learn from it.
///
/// The same events or rows and seed give the same bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub struct Args {
    /// The model: its file is `type: classifier` or `type: text`
    model: String,
    /// Recorded events: NDJSON or CSV, also compressed by gzip, in any order; may be given again
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    /// Labelled texts, for a model of `type: text`: CSV or NDJSON with the columns that its file
    /// names (`text` and `label`), also compressed by gzip; may be given again
    #[arg(long, value_name = "FILE", conflicts_with = "events")]
    rows: Vec<PathBuf>,
    #[command(flatten)]
    places: files::Places,
    /// Where all chance comes from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// A feature, or a piece of texts, that may tell as much as it does, after you made sure that it
    /// is known in time
    #[arg(long, value_name = "NAME")]
    trust: Vec<String>,
    /// Try this beside what the model's file asks for, on the same rows; the better one is written,
    /// and the other one only when it is clearly better
    #[arg(long, value_enum, value_name = "METHOD")]
    challenger: Option<Challenger>,
    /// Learn with this method and write it beside the model in force, as a challenger: the service
    /// lets both judge everybody, only the model in force is heard, and what came of both is compared
    #[arg(long, value_enum, value_name = "METHOD", conflicts_with = "challenger")]
    beside: Option<Challenger>,
    /// Put the challenger in force that is watched beside the model; `--rollback` undoes it
    #[arg(long, conflicts_with_all = ["events", "rows", "data", "trust", "challenger", "beside", "dry_run"])]
    promote: bool,
    /// Go back to the model that was in force before the last one; again, and it is undone
    #[arg(long, conflicts_with_all = ["events", "rows", "data", "trust", "challenger", "beside", "promote", "dry_run"])]
    rollback: bool,
    /// Say how good it would be and write nothing
    #[arg(long)]
    dry_run: bool,
    /// How to write what came of it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is tried beside what the model's file asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Challenger {
    /// Curves and levels that add up; reasons are exact
    Logistic,
    /// Boosted trees; reasons are `TreeSHAP` values
    Trees,
}

/// Runs the command.
///
/// # Errors
/// When files cannot be read or written.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let config = args.places.config()?;
    let (triggers, models) = (config.triggers.clone(), config.models.clone());
    let set = FileSet::read(&Folders { triggers, models }, Vec::new())?;
    // What is wrong with an older model does not stop a new one.
    let catalog = match set.load_to_learn(&args.model) {
        Ok(loaded) => Arc::new(loaded.catalog),
        Err(faults) => {
            check::show(&set, &faults, console)?;
            console.line("the files have faults: nothing was learned")?;
            return Ok(Ending::Faults);
        }
    };
    let (model, card) = paths(&set, &config, &args.model);
    let places = Places::of(&args.model, model.clone());
    if let Some(reader) = catalog.readers.find(&args.model) {
        return match args.rollback {
            true => back(&model, &card, console),
            false => texts::run(args, reader, (&model, &card), console),
        };
    }
    let classifier = classifier(&catalog, &args.model)?;
    if args.rollback {
        return back(&model, &card, console);
    }
    if args.promote {
        return promote(&places, classifier, console);
    }
    if !args.rows.is_empty() {
        let what = format!("`{}` learns from events, not from labelled rows", args.model);
        return Err(Error::refused(what, "bring recorded events with --events"));
    }
    if args.beside.is_some() && !model.exists() {
        let what = format!("there is no `{}` to watch a challenger beside", model.display());
        let help = format!("learn it first: `heedful train {}`", args.model);
        return Err(Error::refused(what, help));
    }
    trusted(args, classifier)?;
    let history = match args.events.as_slice() {
        [] => History::of_data(&config)?,
        paths => History::of_files(paths)?,
    };
    match learn(args, &catalog, classifier, history)? {
        Ok(learned) => {
            let text = learned.lesson.content.to_text();
            let text = text.map_err(|why| Error::refused(why.to_string(), ""))?;
            let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
            if !args.dry_run {
                let told = card::card(&learned.lesson, classifier, &hash);
                match args.beside {
                    None => write_both((&model, &text), (&card, &told))?,
                    Some(_) => {
                        let Places { challenger, challenger_card, .. } = &places;
                        write::beside((challenger, &text), (challenger_card, &told))?;
                    }
                }
            }
            let (model, card) = match args.beside {
                None => (&model, &card),
                Some(_) => (&places.challenger, &places.challenger_card),
            };
            let written = (!args.dry_run).then_some((model.as_path(), card.as_path()));
            output::learned(&learned, written, args.format, console)?;
            Ok(Ending::Clean)
        }
        Err(refusal) => {
            output::refused(&args.model, &refusal, args.format, console)?;
            Ok(Ending::Faults)
        }
    }
}

/// What was learned, and from how much.
struct Learned {
    lesson: crate::learn::Lesson,
    events: usize,
    refused: u64,
}

fn classifier<'c>(catalog: &'c Catalog, name: &str) -> Result<&'c Classifier, Error> {
    let score = catalog.scores.iter().find(|score| &*score.name == name);
    match score.map(|score| &score.source) {
        Some(ScoreSource::Learning(classifier)) => Ok(classifier),
        Some(_) => {
            let what = format!("`{name}` is no classifier: it has nothing to learn");
            Err(Error::refused(what, "its file says `type: classifier`, a label and features"))
        }
        None => {
            let scores = catalog.scores.iter().map(|score| &*score.name);
            let readers = catalog.readers.all().iter().map(|reader| &*reader.name);
            let known: Vec<&str> = scores.chain(readers).collect();
            let help = match known.as_slice() {
                [] => "write its file into the folder of models".to_owned(),
                known => format!("there are `{}`", known.join("`, `")),
            };
            Err(Error::refused(format!("there is no model `{name}`"), help))
        }
    }
}

fn trusted(args: &Args, classifier: &Classifier) -> Result<(), Error> {
    let is_known = |name: &&String| classifier.features.iter().any(|own| *own.name == ***name);
    match args.trust.iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<&str> = classifier.features.iter().map(|own| &*own.name).collect();
            let what = format!("`{}` has no feature `{name}`", args.model);
            Err(Error::refused(what, format!("it has `{}`", known.join("`, `"))))
        }
    }
}

/// Harvests the rows of a history and learns from them.
fn learn(
    args: &Args,
    catalog: &Arc<Catalog>,
    classifier: &Classifier,
    mut history: History,
) -> Result<Result<Learned, Refusal>, Error> {
    let within = days(classifier.label.within);
    let Some((first, last)) = history.reach() else {
        let what = format!("there are no events ({} were refused)", history.refused());
        return Err(Error::refused(what, "bring recorded events with --events"));
    };
    let planned = looks(classifier, first, last);
    if planned.is_empty() {
        return Ok(Err(Refusal::TooShort { first: day(first), last: day(last), within }));
    }
    let count = planned.len();
    let harvest = Harvest::new(classifier, planned);
    let most = CELLS_MAX / classifier.features.len().max(1);
    let Some((rows, passed)) = harvested(catalog, harvest, &mut history, (last, most))? else {
        return Ok(Err(Refusal::TooManyRows { most }));
    };
    let method = |challenger: Challenger| match challenger {
        Challenger::Logistic => Method::Logistic,
        Challenger::Trees => Method::Trees,
    };
    let wish = Wish {
        seed: args.seed,
        trusted: args.trust.clone(),
        method: args.beside.map(method),
        challenger: args.challenger.map(method),
    };
    let bar = progress::over_parts("learning");
    let harvested = Harvested { rows: &rows, passed, looks: count };
    let mut part = |part: f64| progress::set_part(&bar, part);
    let lesson = lesson::learn(classifier, &args.model, &harvested, &wish, &mut part);
    bar.finish_and_clear();
    let (events, refused) = (history.len(), history.refused());
    Ok(lesson.map(|lesson| Learned { lesson, events, refused }))
}

/// Replays a history and takes the rows of all looks; nothing when they are too many.
fn harvested(
    catalog: &Arc<Catalog>,
    mut harvest: Harvest<'_>,
    history: &mut History,
    (last, most): (Timestamp, usize),
) -> Result<Option<(Rows, PassedOver)>, Error> {
    let mut replay = Replay::new(catalog, 1, |_| ());
    let look = |harvest: &mut Harvest<'_>, replay: &mut Replay<_>, until: Timestamp| {
        while let Some(at) = harvest.next_look().filter(|at| *at <= until)
            && harvest.rows() <= most
        {
            replay.pass(at);
            harvest.look(catalog, at, replay.states());
        }
    };
    history.each("replaying", |at, record| {
        look(&mut harvest, &mut replay, at);
        // What the decoder refuses is refused in service too.
        drop(replay.record(record, at));
        Ok(())
    })?;
    look(&mut harvest, &mut replay, last);
    Ok((harvest.rows() <= most).then(|| harvest.finish()))
}

/// Where the model and its card are written: where they are already, else among the models.
fn paths(set: &FileSet, config: &Config, model: &str) -> (PathBuf, PathBuf) {
    let usual = config.models.join(format!("{model}{FITTED_SUFFIX}"));
    let file = set.fitted(model).unwrap_or(usual);
    let card = file.with_file_name(format!("{model}.card.md"));
    (file, card)
}

/// Puts the challenger in force.
fn promote(
    places: &Places,
    classifier: &Classifier,
    console: &mut Console,
) -> Result<Ending, Error> {
    let refused = |why: &dyn std::fmt::Display| {
        let what = format!("`{}` cannot be put in force: {why}", places.challenger.display());
        Error::refused(what, "learn one: `heedful train MODEL --beside trees`")
    };
    let text = std::fs::read_to_string(&places.challenger).map_err(|error| refused(&error))?;
    let content = Content::parse(&text).map_err(|why| refused(&why))?;
    if *content.definition != *classifier.definition {
        return Err(refused(&"it was learned for another definition of this model"));
    }
    places.promote()?;
    console.line(format!("  {GOOD}in force{GOOD:#}  {}", places.model.display()))?;
    Ok(Ending::Clean)
}

/// Puts what was in force before in force again, and keeps what is.
fn back(model: &Path, card: &Path, console: &mut Console) -> Result<Ending, Error> {
    let kept = before(model);
    if !kept.exists() {
        let what = format!("no model was in force before `{}`", model.display());
        return Err(Error::refused(what, "there is one after the second `heedful train`"));
    }
    for path in [model, card] {
        let kept = before(path);
        if kept.exists() {
            let text = std::fs::read_to_string(&kept).map_err(|e| Error::read(&kept, e))?;
            let ready = fitted::ready(path, &text)?;
            fitted::keep(path, &kept)?;
            ready.replace()?;
            console.line(format!("  {GOOD}back{GOOD:#}  {}", path.display()))?;
        }
    }
    Ok(Ending::Clean)
}
