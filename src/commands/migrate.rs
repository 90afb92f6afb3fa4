//! `heedful migrate`: moves a one-machine installation to Kafka.

use std::path::PathBuf;
use std::sync::Arc;

use super::Ending;
use super::console::{Console, DIM, Error, Format, GOOD, STRONG, WARM};
use super::files;
use super::kafka::{block_on, failed, now, settings_of};
use crate::app;
use crate::clock::System;
use crate::cluster::migrate::{self, Mode, Move, Tally};
use crate::config::{Config, Flags, KafkaConfig};
use crate::kafka::admin::Admin;
use crate::kafka::topics::Names;
use crate::log::embedded::Embedded;
use crate::store::{Options, Store};

/// Move what one machine knows to Kafka: customers, timers, caps, sends under way, history
///
/// End the service first, say in heedful.yaml where Kafka is, and make the topics (`heedful kafka init
/// --apply`): any number of partitions does. Everything is moved in one transaction, or nothing. The
/// old data stays as it is and is never served again, so that nobody is contacted twice.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Args {
    /// The data to be moved [default: where heedful.yaml says]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration, which says where Kafka is [default: heedful.yaml]
    #[arg(long, value_name = "FILE", env = "HEEDFUL_CONFIG")]
    config: Option<PathBuf>,
    /// Only say what would be moved
    #[arg(long)]
    dry_run: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
}

/// Runs the command.
///
/// # Errors
/// When there is nothing to be moved, the service still runs, or Kafka is not ready.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let flags = Flags { config: args.config.clone(), data: args.data.clone(), ..Flags::default() };
    let config = files::config(&flags)?;
    let Some(kafka) = &config.kafka else {
        let help = "add `kafka: {brokers: \"localhost:9092\"}` to heedful.yaml";
        return Err(Error::refused("the configuration does not say where Kafka is", help));
    };
    let settings = settings_of(kafka);
    let store = open(&config, &migrate::place(&settings))?;
    let log = Embedded::open(&store.log_dir(), store.shards(), System::shared());
    let log = log.map_err(|error| Error::refused(error.to_string(), ""))?;
    let admin = Admin::new(&settings).map_err(|error| failed(&error))?;
    let partitions = block_on(admin.check(&Names::new(kafka)))?;
    let moving = Move { settings: &settings, store: &store, log: &log, partitions, now: now() };
    let mode = if args.dry_run { Mode::Dry } else { Mode::Real };
    let ending = moving.make(mode).map_err(|error| {
        let text = error.to_string();
        Error::refused(text.strip_prefix("kafka: ").unwrap_or(&text), "")
    })?;
    match (&ending, args.format) {
        (migrate::Ending::Moved(tally), Format::Json) => console.json(tally)?,
        (migrate::Ending::Moved(tally), Format::Human) => {
            show(tally, partitions, mode, console)?;
        }
        (migrate::Ending::WasMoved, Format::Json) => {
            console.json(&serde_json::json!({"moved": "before"}))?
        }
        (migrate::Ending::WasMoved, Format::Human) => {
            console
                .line(format_args!("{GOOD}it was moved before{GOOD:#}: there is nothing to do"))?;
        }
    }
    if args.format == Format::Human && mode == Mode::Real {
        advise(&config, kafka, console)?;
    }
    Ok(Ending::Clean)
}

/// The store, also one whose move to the same topics was begun before.
fn open(config: &Config, to: &str) -> Result<Arc<Store>, Error> {
    let path = app::store_folder(config);
    if !path.exists() {
        let what = format!("there is no data in `{}`", config.data.display());
        return Err(Error::refused(what, "name the folder of the service: `--data`"));
    }
    let refused = |error: crate::store::Error| {
        let help = match &error {
            crate::store::Error::InUse(_) => "end the service first",
            _ => "",
        };
        Error::refused(error.to_string(), help)
    };
    match Store::moved_to(&path).map_err(refused)? {
        Some(before) if before != to => {
            let what = format!("it was moved to {before}, and is now to go to {to}");
            Err(Error::refused(what, "a move goes to one place: name the same topics again"))
        }
        _ => Store::open_moved(&path, Options::default()).map_err(refused),
    }
}

fn show(tally: &Tally, partitions: u16, mode: Mode, console: &mut Console) -> Result<(), Error> {
    let moved = if mode == Mode::Dry { "would be moved" } else { "moved" };
    console.line(format_args!("{GOOD}{moved}{GOOD:#}, {partitions} partitions:"))?;
    for (count, what, note) in [
        (tally.customers, "customers", "with their timers, caps and scores"),
        (tally.decisions, "decisions", "as they stand"),
        (tally.sends, "sends under way", "they keep their ids: nobody is contacted twice"),
        (tally.tasks, "tasks", ""),
        (tally.messages, "messages", "in the inboxes of apps"),
        (tally.exposures, "exposures", ""),
        (tally.inputs, "events", "not applied yet"),
    ] {
        console.line(format_args!("  {count:>9}  {what:<16}  {DIM}{note}{DIM:#}"))?;
    }
    if tally.unreadable != 0 {
        let count = tally.unreadable;
        console.line(format_args!("{WARM}{count} inputs cannot be read and stay{WARM:#}"))?;
    }
    console.line("What was refused stays in the old data")
}

/// What is to be changed in the configuration.
fn advise(config: &Config, kafka: &KafkaConfig, console: &mut Console) -> Result<(), Error> {
    let data = config.data.display();
    console.line(format_args!("\n{STRONG}Now, in heedful.yaml of every node:{STRONG:#}"))?;
    console.line(format_args!(
        "  data: {data}-node      # an empty folder of its own: `{data}` is not served any more"
    ))?;
    if config.shards.is_some() {
        console.line("  (take `shards:` out: partitions are the shards)")?;
    }
    console.line("  kafka:")?;
    console.line(format_args!("    brokers: {}", kafka.brokers))?;
    if kafka.node.is_none() {
        console.line("    node: node-1           # a name of each node that stays the same")?;
    }
    if kafka.advertise.is_none() {
        console.line("    advertise: http://node-1:8080   # where the others reach its API")?;
    }
    console.line("then `heedful kafka doctor`, and `heedful serve` on each")
}
