//! `heedful import`: brings tables and recorded events in, through the same door as live ones.

mod cell;
mod columns;
mod door;
mod lines;
mod rejects;
mod rows;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use indicatif::ProgressBar;
use jiff::tz::TimeZone;

use super::console::{Console, Error, GOOD, WARM};
use super::service::Service;
use super::{Ending, files, plural, progress};
use crate::clock::{Clock, System};
use crate::config::Flags;
use crate::decode::{self, Arrival, Call, Freshness, Record};
use crate::engine::catalog::Sending;
use crate::engine::time::{Span, Timestamp};
use door::Door;
use rejects::{Reject, Rejects};

/// How old an event may be and still cause something, when there are no files that say so.
const ACT_WITHIN_DEFAULT: Span = Span::HOUR;

/// Bring customers and events in from CSV and NDJSON files
///
/// A table with a column `event` holds events (`customer`, `event`, `at`, and properties), any
/// other table holds customers (`id` and traits; `consent_marketing` is a consent). NDJSON lines
/// may have any shape that the service takes. What is refused is written to a file of its own.
///
/// Events older than any trigger acts on are taken as history: they are counted and cause nothing.
/// So is every row of a table of customers.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Args {
    /// CSV or NDJSON files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Import through the service at this address; without it, into the data of a stopped one
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    url: Option<String>,
    /// The write key of that service
    #[arg(long, value_name = "KEY", env = "HEEDFUL_WRITE_KEY", hide_env_values = true)]
    write_key: Option<String>,
    /// The data of the stopped service; without it, where `heedful.yaml` says
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// What to take as history, which is counted and causes nothing
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    history: History,
    /// Where to write what was refused
    #[arg(long, value_name = "FILE", default_value = "rejects.csv")]
    rejects: PathBuf,
    /// Which column is the `customer`, `event`, `at` or `id`, where the heading does not say so
    #[arg(long, value_name = "customer=HEADING")]
    column: Vec<String>,
    /// The time zone of times that name none
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    timezone: String,
    /// The encoding of tables that are not UTF-8: gb18030, windows-1252, ...
    #[arg(long, value_name = "NAME")]
    encoding: Option<String>,
}

/// What is taken as history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum History {
    /// Events older than any trigger acts on, and tables of customers
    #[default]
    Old,
    /// Everything, however recent
    All,
    /// Nothing: what is too old is then recorded as expired
    Nothing,
}

/// What may become of old events.
#[derive(Clone, Copy, Debug)]
enum Treatment {
    /// What is older than this is history, and so are tables of customers.
    ByAge(Span),
    /// Everything is history.
    Historical,
    /// Nothing is.
    Live,
}

/// An import under way.
struct Import {
    door: Door,
    rejects: Rejects,
    treatment: Treatment,
    now: Timestamp,
    zone: TimeZone,
    encoding: Option<&'static Encoding>,
    told: Vec<(String, String)>,
}

/// What came of one file.
#[derive(Debug, Default)]
struct Tally {
    events: u64,
    customers: u64,
    history: u64,
    refused: u64,
    /// Of a table: its columns with what they hold.
    columns: Vec<String>,
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be read, or what is good cannot be handed on.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let mut import = Import::open(args)?;
    for path in &args.files {
        let tally = import.file(path)?;
        console.line(line(path, &tally))?;
        if !tally.columns.is_empty() {
            console.line(format!("  columns: {}", tally.columns.join(", ")))?;
        }
    }
    import.door.close()?;
    let path = import.rejects.path().to_owned();
    match import.rejects.finish()? {
        0 => Ok(Ending::Clean),
        count => {
            let rows = plural(usize::try_from(count).unwrap_or(usize::MAX), "row");
            let rejects = path.display();
            console.line(format!("{WARM}{rows} refused{WARM:#}: see {rejects}"))?;
            Ok(Ending::Faults)
        }
    }
}

fn line(path: &Path, tally: &Tally) -> String {
    let count = |count: u64, what: &str| match count {
        0 => None,
        count => Some(plural(usize::try_from(count).unwrap_or(usize::MAX), what)),
    };
    let history = match tally.history {
        0 => None,
        count if count == tally.events => Some("all of them history".to_owned()),
        count => Some(format!("{count} of them history")),
    };
    let parts = [count(tally.customers, "customer"), count(tally.events, "event"), history];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let parts = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    format!("{GOOD}{}{GOOD:#}: {parts}", path.display())
}

impl Import {
    fn open(args: &Args) -> Result<Self, Error> {
        let zone = TimeZone::get(&args.timezone).map_err(|_| {
            let what = format!("there is no time zone `{}`", args.timezone);
            Error::refused(what, "give an IANA name like Europe/Berlin")
        })?;
        let encoding = args.encoding.as_ref().map(|name| {
            Encoding::for_label(name.as_bytes()).ok_or_else(|| {
                let what = format!("there is no encoding `{name}`");
                Error::refused(what, "gb18030, windows-1252, utf-16le, shift_jis, ...")
            })
        });
        let told = args.column.iter().map(|text| told(text)).collect::<Result<_, _>>()?;
        let config = files::config(&Flags { data: args.data.clone(), ..Flags::default() })?;
        let treatment = match args.history {
            History::All => Treatment::Historical,
            History::Nothing => Treatment::Live,
            History::Old => Treatment::ByAge(act_within(&config)),
        };
        let door = match &args.url {
            Some(url) => Door::to_service(Service::at(url, args.write_key.clone())?),
            None => Door::into_log(&config)?,
        };
        Ok(Self {
            door,
            rejects: Rejects::new(args.rejects.clone()),
            treatment,
            now: System.now(),
            zone,
            encoding: encoding.transpose()?,
            told,
        })
    }

    fn file(&mut self, path: &Path) -> Result<Tally, Error> {
        let size = std::fs::metadata(path).map_err(|source| Error::read(path, source))?.len();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let bar = progress::over_bytes(size, name);
        let is_table = match path.extension().and_then(|extension| extension.to_str()) {
            Some("csv" | "tsv") => true,
            Some("ndjson" | "jsonl" | "json") => false,
            _ => !self.begins_with_a_brace(path)?,
        };
        let tally = if is_table { self.table(path, &bar) } else { self.lines(path, &bar) };
        bar.finish_and_clear();
        tally
    }

    fn begins_with_a_brace(&self, path: &Path) -> Result<bool, Error> {
        let mut head = [0; 512];
        let read = self.open_text(path, &ProgressBar::hidden())?.read(&mut head);
        let read = read.map_err(|source| Error::read(path, source))?;
        Ok(head.get(..read).unwrap_or_default().trim_ascii_start().first() == Some(&b'{'))
    }

    /// A file as UTF-8, without the mark at its beginning.
    fn open_text(
        &self,
        path: &Path,
        bar: &ProgressBar,
    ) -> Result<DecodeReaderBytes<indicatif::ProgressBarIter<File>, Vec<u8>>, Error> {
        let file = File::open(path).map_err(|source| Error::read(path, source))?;
        bar.reset();
        let mut builder = DecodeReaderBytesBuilder::new();
        // Bytes that claim to be UTF-8 come through as they are: what is not is refused by line.
        builder.encoding(self.encoding).utf8_passthru(true).strip_bom(true).bom_override(true);
        Ok(builder.build(bar.wrap_read(file)))
    }

    /// Judges one event, hands it on or refuses it. Says what kind of call it was.
    fn take(
        &mut self,
        json: &str,
        tally: &mut Tally,
        fresh_id: impl FnOnce() -> String,
    ) -> Result<Result<(), (&'static str, String)>, Error> {
        let arrival = Arrival::live(self.now);
        let accepted = match decode::line(json.as_bytes(), arrival, self.door.shards(), fresh_id) {
            Ok(Some(accepted)) => accepted,
            Ok(None) => return Ok(Err(("not_for_us", "its sender says so".to_owned()))),
            Err(refusal) => return Ok(Err((refusal.reason.as_str(), refusal.to_string()))),
        };
        let record = match Record::parse(&accepted.record) {
            Ok(Record::Event(event)) => event,
            Ok(_) => return Ok(Err(("bad_record", "it is no event".to_owned()))),
            Err(refusal) => return Ok(Err((refusal.reason.as_str(), refusal.to_string()))),
        };
        let historical = match self.treatment {
            Treatment::Historical => true,
            Treatment::Live => false,
            Treatment::ByAge(bound) => {
                record.call == Call::Identify || bound < self.now - record.occurred_at
            }
        };
        match record.call {
            Call::Identify => tally.customers += 1,
            _ => {
                tally.events += 1;
                tally.history += u64::from(historical);
            }
        }
        if !historical {
            self.door.put(&accepted, json, Freshness::Live)?;
            return Ok(Ok(()));
        }
        let record = decode::EventRecord { freshness: Freshness::Historical, ..record };
        let home = accepted.home;
        let accepted = decode::Accepted { home, record: Record::Event(record).to_bytes() };
        self.door.put(&accepted, json, Freshness::Historical)?;
        Ok(Ok(()))
    }

    fn refuse(&mut self, path: &Path, reject: &Reject, tally: &mut Tally) -> Result<(), Error> {
        tally.refused += 1;
        self.rejects.add(path, reject)
    }
}

/// Hands on each row of a table in our own shape, as JSON, or why it is refused. `open` gives the
/// text from its beginning, each time it is asked.
pub(super) fn rows_of<R: Read>(
    path: &Path,
    open: impl Fn() -> Result<R, Error>,
    mut take: impl FnMut(Result<String, &'static str>) -> Result<(), Error>,
) -> Result<(), Error> {
    let (mut rows, separator) = lines::heading(path, &open, &[], TimeZone::UTC)?;
    rows.look(&mut lines::csv_reader(open()?, separator));
    let mut reader = lines::csv_reader(open()?, separator);
    let mut record = csv::ByteRecord::new();
    let mut number = 0;
    while reader.read_byte_record(&mut record).map_err(|error| lines::unreadable(path, &error))? {
        number += 1;
        take(rows.row(&record, number).map_err(|reject| reject.reason))?;
    }
    Ok(())
}

fn told(text: &str) -> Result<(String, String), Error> {
    match text.split_once('=') {
        Some((word @ ("customer" | "event" | "at" | "id"), heading)) => {
            Ok((word.to_owned(), heading.to_owned()))
        }
        _ => {
            let what = format!("`--column {text}` says nothing");
            Err(Error::refused(what, "say `--column customer=HEADING`, or event, at, id"))
        }
    }
}

/// How old an event may be and still cause something: the longest that any trigger acts on.
fn act_within(config: &crate::config::Config) -> Span {
    let folders = crate::catalog::Folders {
        triggers: config.triggers.clone(),
        models: config.models.clone(),
    };
    let set = files::FileSet::read(&folders, Vec::new());
    let loaded = set.ok().and_then(|set| set.load(Sending::DryRun).ok());
    let longest = loaded.and_then(|loaded| {
        let catalog = loaded.catalog;
        let own = catalog.triggers.iter().map(|trigger| trigger.act_within);
        own.chain([catalog.policy.act_within]).max()
    });
    longest.unwrap_or(ACT_WITHIN_DEFAULT)
}
