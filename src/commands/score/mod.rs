//! `heedful score`: how everybody is doing, or one customer in every detail.

mod known;
mod output;

use std::path::PathBuf;
use std::sync::Arc;

use super::console::{Console, Error, Format, GOOD};
use super::{Ending, explain, files};
use crate::clock::{Clock, System};
use crate::engine::catalog::{Catalog, Score, ScoreSource};
use crate::engine::customer::CustomerState;
use crate::engine::evaluate::Scope;
use crate::engine::health::{self, Contribution};
use crate::engine::rival;
use crate::engine::time::Timestamp;
use known::Known;

/// Reasons of a scorecard in a list; a learned model says itself how many.
const REASONS_OF_CARD: usize = 3;

/// Compute the scores of customers, with reasons
///
/// Replays --events up to the last of them or --at, or reads the data of a stopped service as of
/// now. --all writes a table with a line for each customer and model: customer, model, value, band,
/// reasons. --explain tells of one customer where every part of each score comes from.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Args {
    /// Only this model
    model: Option<String>,
    /// Everybody
    #[arg(long, required_unless_present = "explain")]
    all: bool,
    /// One customer, in every detail
    #[arg(long, value_name = "CUSTOMER", conflicts_with = "all")]
    explain: Option<String>,
    /// Where to write the table; without it, to standard output
    #[arg(long, value_name = "FILE", requires = "all")]
    out: Option<PathBuf>,
    /// As of this time: `2026-03-01T12:00:00Z`
    #[arg(long, value_name = "TIME", requires = "events")]
    at: Option<String>,
    /// Recorded events: NDJSON or CSV, also compressed by gzip, in any order; may be given again
    #[arg(long, value_name = "FILE")]
    events: Vec<PathBuf>,
    #[command(flatten)]
    places: files::Places,
    /// How to write what is known of one customer
    #[arg(long, value_enum, default_value_t, conflicts_with = "all")]
    format: Format,
}

/// One score of one customer.
struct Scored<'a> {
    model: &'a Score,
    value: Option<f64>,
    band: Option<&'a str>,
    /// All parts, the strongest first.
    parts: Vec<Contribution>,
    /// For a learned model the logit of the average customer: with all parts it gives this one's.
    average: Option<f64>,
    /// What the challenger says that is watched beside it.
    challenger: Option<f64>,
}

/// Runs the command.
///
/// # Errors
/// When files cannot be read or written, or the model or customer is unknown.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let at = args.at.as_deref().map(explain::instant).transpose()?;
    let config = args.places.config()?;
    let Some(catalog) = files::catalog(&config, console)? else { return Ok(Ending::Faults) };
    let catalog = Arc::new(catalog);
    let models = wanted(&catalog, args.model.as_deref())?;
    let known = match args.events.as_slice() {
        [] => Known::of_data(&catalog, &config, System.now())?,
        paths => Known::of_events(&catalog, paths, at)?,
    };
    match &args.explain {
        Some(customer) => {
            let state = known.state(customer)?;
            let scored: Vec<Scored<'_>> =
                models.iter().map(|model| score(&catalog, model, state, known.now())).collect();
            output::explain(state, &scored, known.now(), args.format, console)?;
        }
        None => {
            let mut table = output::Table::open(args.out.as_deref(), console)?;
            for state in known.states() {
                for model in &models {
                    let scored = score(&catalog, model, state, known.now());
                    table.row(state, &scored)?;
                }
            }
            let rows = table.close()?;
            if let Some(path) = &args.out {
                let path = path.display();
                console.line(format!("  {GOOD}wrote{GOOD:#}  {path}: {rows} scores"))?;
            }
        }
    }
    Ok(Ending::Clean)
}

/// The models asked for.
fn wanted<'c>(catalog: &'c Catalog, name: Option<&str>) -> Result<Vec<&'c Score>, Error> {
    let all = || catalog.scores.iter();
    let Some(name) = name else {
        let models: Vec<&Score> = all().collect();
        if models.is_empty() {
            return Err(Error::refused("there is no model", "write one into the folder of models"));
        }
        return Ok(models);
    };
    all().find(|score| &*score.name == name).map(|score| vec![score]).ok_or_else(|| {
        let known: Vec<&str> = all().map(|score| &*score.name).collect();
        let what = format!("there is no model `{name}`");
        Error::refused(what, format!("there are `{}`", known.join("`, `")))
    })
}

/// Computes a score anew; one that comes from elsewhere is as it came.
fn score<'a>(
    catalog: &Catalog,
    model: &'a Score,
    state: &CustomerState,
    now: Timestamp,
) -> Scored<'a> {
    let scope = Scope { catalog, state, properties: &[], now };
    let assessed = model.source.assess(&scope);
    let pushed = || {
        let slot = catalog.find_score(&model.name)?;
        state.score(slot).map(|score| score.value)
    };
    let (value, mut parts) = match assessed {
        Some(assessed) => (assessed.score, assessed.contributions),
        None => (pushed(), Vec::new()),
    };
    parts.sort_by(|left, right| strength(model, right).total_cmp(&strength(model, left)));
    let average = match &model.source {
        ScoreSource::Learned(learned) => learned.average(&scope),
        ScoreSource::Scorecard(_)
        | ScoreSource::StandIn(_)
        | ScoreSource::Learning(_)
        | ScoreSource::Pushed => None,
    };
    let slot = catalog.find_score(&model.name);
    let challenger = slot.and_then(|slot| rival::challenger(catalog, slot));
    let challenger =
        challenger.and_then(|(learned, other)| learned.chance_of(&other.fitted, &scope));
    let band = value.and_then(|value| health::band(model, value)).map(|band| &**band);
    Scored { model, value, band, parts, average, challenger }
}

/// How much a part has to do with a score.
fn strength(model: &Score, part: &Contribution) -> f64 {
    match model.source {
        ScoreSource::Learned(_) => part.contribution.abs(),
        ScoreSource::Scorecard(_)
        | ScoreSource::StandIn(_)
        | ScoreSource::Learning(_)
        | ScoreSource::Pushed => part.lost,
    }
}

impl Scored<'_> {
    /// The strongest reasons, as a sentence each.
    fn reasons(&self) -> impl Iterator<Item = &Contribution> {
        let count = match &self.model.source {
            ScoreSource::Learned(learned) => learned.classifier.terms.reasons,
            ScoreSource::StandIn(stand_in) => stand_in.classifier.terms.reasons,
            ScoreSource::Scorecard(_) | ScoreSource::Learning(_) | ScoreSource::Pushed => {
                REASONS_OF_CARD
            }
        };
        self.parts.iter().filter(|part| 0.0 < strength(self.model, part)).take(count)
    }
}
