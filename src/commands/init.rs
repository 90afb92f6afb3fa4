//! `heedful init`: writes a first folder of one's own, with two triggers that pass their tests.

use std::fs;
use std::path::{Path, PathBuf};

use super::Ending;
use super::console::{Console, Error, GOOD, STRONG};
use super::schema::{self, Kind};

/// A file of the example that stands in the repository: what a newcomer reads there is what they
/// get here.
macro_rules! example {
    ($path:literal) => {
        include_str!(concat!("../../examples/first-outreach/", $path))
    };
}

/// Write a first set of files: two triggers, a policy, a scorecard, editor settings
///
/// Existing files are never overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Args {
    /// Where to
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// What is written, beside the schemas.
const FILES: &[(&str, &str)] = &[
    ("heedful.yaml", example!("heedful.yaml")),
    ("triggers/cart-reminder.yaml", example!("triggers/cart-reminder.yaml")),
    ("triggers/at-risk-call.yaml", example!("triggers/at-risk-call.yaml")),
    ("triggers/policy.yaml", example!("triggers/policy.yaml")),
    ("models/health.yaml", example!("models/health.yaml")),
    ("events.jsonl", example!("events.jsonl")),
    (".vscode/settings.json", example!(".vscode/settings.json")),
];

/// Runs the command.
///
/// # Errors
/// When a file is there already or cannot be written.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let schemas =
        Kind::ALL.map(|kind| (format!("schemas/{}.json", kind.as_str()), schema::text(kind)));
    let plain = FILES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    let files: Vec<(String, String)> = plain.chain(schemas).collect();
    // All or nothing: half a set would be harder to understand than none.
    if let Some((taken, _)) = files.iter().find(|(path, _)| args.folder.join(path).exists()) {
        let what = format!("`{}` is there already", args.folder.join(taken).display());
        return Err(Error::refused(what, "name another folder: `heedful init my-shop`"));
    }
    for (path, text) in &files {
        write(&args.folder.join(path), text)?;
        console.line(format!("  {GOOD}wrote{GOOD:#}  {path}"))?;
    }
    let step = |command: &str, what: &str| format!("  {STRONG}{command:<37}{STRONG:#}  {what}");
    console.line("")?;
    if args.folder != Path::new(".") {
        console.line(step(&format!("cd {}", args.folder.display()), "go there"))?;
    }
    console.line(step("heedful check", "are the files right?"))?;
    console.line(step("heedful test", "do they do what their tests say?"))?;
    console.line(step("heedful replay --events events.jsonl", "what would they have decided?"))?;
    console.line(step("heedful serve", "hear events; nothing is sent without --send"))?;
    Ok(Ending::Clean)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::write(path, source);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}
