//! `heedful kafka doctor`: looks at everything, and tells it as a table.

use super::{Source, block_on, now};
use crate::commands::console::{BAD, Console, DIM, Error, Format, GOOD, STRONG, WARM};
use crate::commands::{Ending, plural};
use crate::engine::time::Span;
use crate::kafka::doctor::{Grade, Lag, Report, examine};

/// Most partitions told of one by one.
const PARTITIONS_SHOWN_MAX: usize = 16;
/// Most messages that may be asked for.
const SAMPLE_MAX: u64 = 100_000;

/// Look at brokers, topics, rights, lag and the newest events, and say what is wrong
///
/// It changes nothing. Each line that is not `ok` says what mends it.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(super) struct Args {
    /// How many of the newest events are looked at
    #[arg(
        long, value_name = "N", default_value_t = 500,
        value_parser = clap::value_parser!(u64).range(0..=SAMPLE_MAX)
    )]
    sample: u64,
    /// How it is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    source: Source,
}

const NOTES: &str = "\
Exit codes:
  0  all is well; there may be warnings
  1  something does not work as it is
  2  wrong usage, or the configuration could not be read";

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let settings = args.source.settings()?;
    let sample = usize::try_from(args.sample).unwrap_or(usize::MAX);
    let report = block_on(examine(&settings, now(), sample))?;
    match args.format {
        Format::Json => console.json(&report)?,
        Format::Human => show(&report, console)?,
    }
    Ok(match report.grade() {
        Grade::Fault => Ending::Faults,
        Grade::Good | Grade::Warning => Ending::Clean,
    })
}

fn show(report: &Report, console: &mut Console) -> Result<(), Error> {
    let width = report.checks.iter().map(|check| check.what.chars().count()).max().unwrap_or(0);
    for check in &report.checks {
        let (style, word) = match check.grade {
            Grade::Good => (GOOD, "ok"),
            Grade::Warning => (WARM, "warning"),
            Grade::Fault => (BAD, "wrong"),
        };
        let (what, found) = (&check.what, &check.found);
        console.line(format_args!("{style}{word:<7}{style:#}  {what:<width$}  {found}"))?;
        if !check.mend.is_empty() {
            let indent = 9 + width + 2;
            console.line(format_args!("{:indent$}{STRONG}mend:{STRONG:#} {}", "", check.mend))?;
        }
    }
    show_lag(&report.lag, console)?;
    let (faults, warnings) = (report.count(Grade::Fault), report.count(Grade::Warning));
    let warnings = plural(warnings, "warning");
    match faults {
        0 => console.line(format_args!("{GOOD}nothing is wrong{GOOD:#}, {warnings}")),
        _ => {
            let faults = plural(faults, "fault");
            console.line(format_args!("{BAD}{faults}{BAD:#}, {warnings}"))
        }
    }
}

/// The partitions that are furthest behind.
fn show_lag(lag: &[Lag], console: &mut Console) -> Result<(), Error> {
    let mut behind: Vec<&Lag> = lag.iter().filter(|lag| 0 < lag.messages).collect();
    if behind.is_empty() {
        return Ok(());
    }
    behind.sort_by_key(|lag| std::cmp::Reverse(lag.messages));
    let head = format!(
        "{:>9}  {:>12}  {:>12}  {:>10}  waiting for",
        "partition", "read up to", "end", "waiting"
    );
    console.line(format_args!("\n{DIM}{head}{DIM:#}"))?;
    for lag in behind.iter().take(PARTITIONS_SHOWN_MAX) {
        let next = lag.next.map_or_else(|| "nothing".to_owned(), |next| next.to_string());
        let waited =
            lag.waited_ms.map_or_else(String::new, |millis| told(Span::from_millis(millis)));
        let Lag { partition, end, messages, .. } = lag;
        console.line(format_args!(
            "{partition:>9}  {next:>12}  {end:>12}  {messages:>10}  {waited}"
        ))?;
    }
    match behind.len().saturating_sub(PARTITIONS_SHOWN_MAX) {
        0 => {}
        more => console.line(format_args!("{DIM}and {more} more{DIM:#}"))?,
    }
    console.line("")
}

/// Without milliseconds where there are seconds.
fn told(span: Span) -> String {
    let millis = span.as_millis();
    Span::from_millis(if millis < 1_000 { millis } else { millis - millis % 1_000 }).to_string()
}
