//! `heedful check`: says everything that is wrong with the files, at once.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::console::{BAD, Console, Error, GOOD, WARM};
use super::files::{self, FileSet};
use super::{Ending, plural};
use crate::declare::render::Drawing;
use crate::declare::{Fault, Severity, SourceKind};
use crate::engine::catalog::Sending;

/// Check trigger, policy and model files
///
/// All faults of all files are shown at once, each with its place and what to do. A set of files
/// is taken as a whole: `heedful serve` takes none of it while one file is wrong.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Args {
    /// Folders or files; without any, the folders that `heedful.yaml` names
    paths: Vec<PathBuf>,
    /// How to write the faults
    #[arg(long, value_enum, default_value_t)]
    format: CheckFormat,
}

/// How faults are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum CheckFormat {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
    /// As annotations of a GitHub workflow
    Github,
}

/// Runs the command.
///
/// # Errors
/// When files cannot be read.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let set = files::find(&args.paths)?;
    let (faults, loads) = match set.load(Sending::DryRun) {
        Ok(loaded) => (loaded.warnings, true),
        Err(faults) => (faults, false),
    };
    let (shown, elsewhere): (Vec<Fault>, Vec<Fault>) =
        faults.into_iter().partition(|fault| set.is_asked_for(&fault.place.file));
    match args.format {
        CheckFormat::Human => {
            show(&set, &shown, console)?;
            console.line(summary(&set, &shown, &elsewhere))?;
        }
        CheckFormat::Json => console.json(&as_json(&set, &shown))?,
        CheckFormat::Github => {
            for fault in &shown {
                console.line(annotation(fault))?;
            }
        }
    }
    Ok(if loads { Ending::Clean } else { Ending::Faults })
}

/// Writes faults for people.
///
/// # Errors
/// When standard output cannot be written.
pub fn show(set: &FileSet, faults: &[Fault], console: &mut Console) -> Result<(), Error> {
    let drawing = if console.is_colored() { Drawing::Colours } else { Drawing::Plain };
    console.text(&set.render(faults, drawing))
}

fn errors(faults: &[Fault]) -> usize {
    faults.iter().filter(|fault| fault.severity == Severity::Error).count()
}

fn summary(set: &FileSet, shown: &[Fault], elsewhere: &[Fault]) -> String {
    let wrong = errors(shown);
    let warnings = match shown.len() - wrong {
        0 => String::new(),
        count => format!(", {WARM}{}{WARM:#}", plural(count, "warning")),
    };
    let other = match errors(elsewhere) {
        0 => String::new(),
        count => format!(", {BAD}{} elsewhere in the set{BAD:#}", plural(count, "fault")),
    };
    if wrong != 0 {
        let mut files: Vec<&str> = shown
            .iter()
            .filter(|fault| fault.severity == Severity::Error)
            .map(|fault| &*fault.place.file)
            .collect();
        files.dedup();
        let (faults, files) = (plural(wrong, "fault"), plural(files.len(), "file"));
        return format!("{BAD}{faults}{BAD:#} in {files}{warnings}{other}");
    }
    let count = |kind, what| match set.count(kind) {
        0 => None,
        count => Some(plural(count, what)),
    };
    let parts = [
        count(SourceKind::Trigger, "trigger"),
        count(SourceKind::Policy, "policy"),
        count(SourceKind::Model, "model"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let parts = if parts.is_empty() { "no files".to_owned() } else { parts.join(", ") };
    match other.is_empty() {
        true => format!("{parts}: {GOOD}ok{GOOD:#}{warnings}"),
        false => format!("{GOOD}ok{GOOD:#}{warnings}{other}"),
    }
}

fn as_json(set: &FileSet, faults: &[Fault]) -> Value {
    let faults: Vec<Value> = faults
        .iter()
        .map(|fault| {
            json!({
                "code": fault.code,
                "severity": severity(fault),
                "message": fault.message,
                "help": fault.help,
                "file": fault.place.file,
                "line": fault.place.line,
                "column": fault.place.column,
            })
        })
        .collect();
    json!({
        "triggers": set.count(SourceKind::Trigger),
        "policies": set.count(SourceKind::Policy),
        "models": set.count(SourceKind::Model),
        "faults": faults,
    })
}

const fn severity(fault: &Fault) -> &'static str {
    match fault.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// GitHub reads `%`, `\r` and `\n` in a message only when they are written as escapes, and in a
/// property `:` and `,` as well.
fn annotation(fault: &Fault) -> String {
    let message = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| message(text).replace(':', "%3A").replace(',', "%2C");
    let place = &fault.place;
    let help = fault.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
    format!(
        "::{} file={},line={},col={},title={}::{}",
        severity(fault),
        property(&place.file),
        place.line,
        place.column,
        fault.code,
        message(&format!("{}{help}", fault.message)),
    )
}
