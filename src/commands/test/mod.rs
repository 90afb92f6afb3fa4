//! `heedful test`: runs the tests of trigger and model files in virtual time.

mod junit;
mod output;

use std::path::PathBuf;

use super::Ending;
use super::console::{Console, Error, Format};
use super::files::{self, FileSet};
use crate::engine::catalog::{Catalog, Sending};
use crate::engine::names::Names;
use crate::rehearse::{Difference, Happening, Outcome, Report, What, rehearse};
use crate::store::explain::Explainer;
use crate::store::format::Strangers;
use crate::store::record_of::{Teller, WallClock};

/// Run the tests written in trigger and model files
///
/// Each test runs in virtual time through the very code that serves customers. Its trigger acts
/// alone, nobody is in a holdout unless the test says so, and nothing is sent.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Args {
    /// Folders or files; without any, the folders that `heedful.yaml` names
    paths: Vec<PathBuf>,
    /// Only tests whose file, trigger or name contains this text
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also write the results as `JUnit` XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// How to write the results
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// When files cannot be read or written.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let set = files::find(&args.paths)?;
    let mut loaded = match set.load(Sending::On) {
        Ok(loaded) => loaded,
        Err(faults) => {
            super::check::show(&set, &faults, console)?;
            let count = super::plural(faults.len(), "fault");
            console.line(format!("no test was run: {count} to mend first"))?;
            return Ok(Ending::Faults);
        }
    };
    loaded.tests.retain(|file| set.is_asked_for(&file.path));
    let mut reports = rehearse(&mut loaded.catalog, &loaded.tests);
    if let Some(only) = &args.only {
        let named = |report: &Report| {
            [&*report.path, &*report.subject, &*report.case].iter().any(|text| text.contains(only))
        };
        reports.retain(named);
    }
    let told = Told::new(&set, &loaded.catalog);
    if let Some(path) = &args.junit {
        let xml = junit::write(&told, &reports);
        std::fs::write(path, xml).map_err(|source| Error::write(path, source))?;
    }
    match args.format {
        Format::Human => output::human(&told, &reports, console)?,
        Format::Json => console.json(&output::json(&told, &reports))?,
    }
    let failed = reports.iter().any(|report| !matches!(report.outcome, Outcome::Passed));
    Ok(if failed { Ending::Faults } else { Ending::Clean })
}

/// What it takes to tell of a test: the files, and the names behind slots.
struct Told<'a> {
    set: &'a FileSet,
    catalog: &'a Catalog,
    names: Names,
    strangers: Strangers,
}

impl<'a> Told<'a> {
    fn new(set: &'a FileSet, catalog: &'a Catalog) -> Self {
        let names = Names::new(&catalog.events, &catalog.traits);
        Self { set, catalog, names, strangers: Strangers::default() }
    }

    fn teller(&self) -> Teller<'_> {
        Teller { catalog: self.catalog, names: &self.names, strangers: &self.strangers }
    }

    /// Why nothing was decided, where nothing was.
    fn because(&self, difference: &Difference) -> Option<String> {
        let stood = difference.stood.as_ref()?;
        Explainer::new(self.teller(), &stood.state, stood.at).briefly(stood.trigger)
    }

    /// Why, in a sentence; empty where nothing held it.
    fn why(&self, happening: &Happening) -> String {
        match (&happening.what, &happening.ruling) {
            (What::Sent { .. } | What::Tasked { .. } | What::Allowed { .. }, _) | (_, None) => {
                String::new()
            }
            (_, Some(ruling)) => {
                self.teller().why(ruling, &WallClock::in_zone(happening.zone.clone()))
            }
        }
    }
}
