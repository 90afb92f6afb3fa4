//! `heedful replay`: decides over recorded events in event time, and sends nothing.

mod decisions;
mod output;

use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use super::console::{Console, Error, Format};
use super::{Ending, files, lines, progress};
use crate::clock::Stopwatch;
use crate::config::Flags;
use crate::engine::catalog::Sending;
use crate::worker::replay::Replay;
use decisions::Decisions;

/// Refused lines told of one by one.
const REFUSED_SHOWN: usize = 5;

/// Decide over recorded events in event time, sending nothing
///
/// Reads one event per line, in any shape that the service takes, and applies each at the time at
/// which it occurred, as if sending were on. Prints what was decided, and hashes over all
/// decisions and over the state of all customers: the same events and files give the same hashes,
/// however many shards there are.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Args {
    /// Recorded events, one per line, also compressed by gzip
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// The folder of triggers; without it, where `heedful.yaml` says
    #[arg(long, value_name = "DIR")]
    triggers: Option<PathBuf>,
    /// The folder of models; without it, where `heedful.yaml` says
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Into how many shards customers are divided
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    shards: u16,
    /// Also write every decision, one per line, in order of time
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// How to write the counts
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A line that was refused.
struct RefusedLine {
    number: u64,
    what: String,
}

/// Runs the command.
///
/// # Errors
/// When files cannot be read or written.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let flags = Flags {
        triggers: args.triggers.clone(),
        models: args.models.clone(),
        sending: Some(Sending::On),
        ..Flags::default()
    };
    let config = files::config(&flags)?;
    let Some(catalog) = files::catalog(&config, console)? else { return Ok(Ending::Faults) };
    let catalog = Arc::new(catalog);
    let mut decisions = args.decisions.as_ref().map(|_| Decisions::default());
    let mut refused = Vec::new();
    let watch = Stopwatch::start();
    let mut replay = Replay::new(&catalog, args.shards, |seen| {
        if let Some(decisions) = &mut decisions {
            decisions.add(&seen);
        }
    });
    read(args, |number, line| {
        if let Err(refusal) = replay.line(line)
            && refused.len() < REFUSED_SHOWN
        {
            refused.push(RefusedLine { number, what: refusal.to_string() });
        }
    })?;
    let report = replay.finish().map_err(|error| Error::refused(error.to_string(), ""))?;
    let elapsed = watch.elapsed();
    if let (Some(decisions), Some(path)) = (decisions, &args.decisions) {
        decisions.write(path)?;
    }
    match args.format {
        Format::Human => output::human(&report, &refused, elapsed, console)?,
        Format::Json => console.json(&output::json(&report, elapsed))?,
    }
    Ok(Ending::Clean)
}

/// Hands on each line that is not empty, with its number.
fn read(args: &Args, mut take: impl FnMut(u64, &[u8])) -> Result<(), Error> {
    let failed = |source| Error::read(&args.events, source);
    let size = std::fs::metadata(&args.events).map_err(failed)?.len();
    let bar = progress::over_bytes(size, "replaying");
    let mut text_lines = BufReader::with_capacity(1024 * 1024, lines::open(&args.events, &bar)?);
    let mut line = Vec::new();
    let mut number = 0;
    while lines::next(&mut text_lines, &mut line).map_err(failed)? {
        number += 1;
        let text = line.trim_ascii();
        if !text.is_empty() {
            take(number, text);
        }
    }
    bar.finish_and_clear();
    Ok(())
}
