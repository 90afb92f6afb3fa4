//! `heedful serve`: the service, from the first event to the last outcome, until it is told to end.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use tokio::runtime::Builder;

use super::Ending;
use super::console::{BAD, Console, DIM, Error, GOOD, STRONG, WARM};
use super::signals::Signals;
use crate::app::{self, Kind, Service};
use crate::clock::System;
use crate::config::{Config, Env as _, Flags, ProcessEnv};
use crate::engine::catalog::Sending;
use crate::telemetry::{LogFormat, start_logging};

/// The variable that says what is logged.
const LOG_FILTER: &str = "HEEDFUL_LOG_FILTER";
/// The exit code of a process that was told to end at once.
const EXIT_AT_ONCE: i32 = 130;

const NOTES: &str = "\
A flag wins over its variable, a variable over the configuration, the configuration over the default.
Secrets come from the environment or from files, never from flags:
  HEEDFUL_API_TOKEN   HEEDFUL_API_TOKEN_FILE    the token of the API
  HEEDFUL_WRITE_KEYS  HEEDFUL_WRITE_KEYS_FILE   keys with which events may be sent, comma-separated
  HEEDFUL_LOG_FILTER                            what is logged: `info`, `heedful=debug`

Exit codes:
  0   it was told to end, and did
  1   something in the files is wrong
  2   wrong usage, or something could not be read, written or reached
  70  the store failed: everything acknowledged is safe, restart the service
  75  another node has taken over what this one held: nothing is lost, start it again";

/// Hear events, decide, reach out
///
/// Takes events over HTTP, decides by the trigger files, and says why for each yes and no. Nothing
/// leaves this machine before --send. Files are read again whenever they change.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub struct Args {
    /// The folder of the data [default: data]
    #[arg(long, value_name = "DIR", env = "HEEDFUL_DATA")]
    data: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "HEEDFUL_LISTEN")]
    listen: Option<String>,
    /// The folder of triggers and policy [default: triggers]
    #[arg(long, value_name = "DIR", env = "HEEDFUL_TRIGGERS")]
    triggers: Option<PathBuf>,
    /// The folder of models [default: models]
    #[arg(long, value_name = "DIR", env = "HEEDFUL_MODELS")]
    models: Option<PathBuf>,
    /// Let outreach really leave
    #[arg(
        long, value_name = "BOOL", env = "HEEDFUL_SEND",
        num_args = 0..=1, require_equals = true, default_missing_value = "true"
    )]
    send: Option<bool>,
    /// Shards of a store that is made now [default: one for each core]
    #[arg(long, value_name = "N", env = "HEEDFUL_SHARDS")]
    shards: Option<u16>,
    /// The configuration [default: heedful.yaml, if it is there]
    #[arg(long, value_name = "FILE", env = "HEEDFUL_CONFIG")]
    config: Option<PathBuf>,
    /// What this node does for its group, where Kafka is the log [default: all of it]
    #[arg(long, value_name = "ROLES", env = "HEEDFUL_ROLES")]
    roles: Option<String>,
    /// How log lines look [default: human on a terminal, json otherwise]
    #[arg(long, value_enum, value_name = "FORMAT", env = "HEEDFUL_LOG")]
    log: Option<Log>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Log {
    /// For people
    Human,
    /// One JSON object a line
    Json,
}

impl Args {
    /// What the arguments say of the configuration.
    fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            data: self.data.clone(),
            listen: self.listen.clone(),
            triggers: self.triggers.clone(),
            models: self.models.clone(),
            sending: self.send.map(|send| if send { Sending::On } else { Sending::DryRun }),
            shards: self.shards,
            roles: self.roles.clone(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the service cannot start, or a part of it fails.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let format = match args.log {
        Some(Log::Human) => LogFormat::Human,
        Some(Log::Json) => LogFormat::Json,
        None => LogFormat::of_stderr(),
    };
    let filter = ProcessEnv.var(LOG_FILTER);
    start_logging(format, filter.as_deref()).map_err(|why| Error::refused(why, ""))?;
    let config = Config::load(args.flags(), &ProcessEnv)
        .map_err(|faults| Error::refused(faults.to_string(), ""))?;
    let runtime = Builder::new_multi_thread().enable_all().thread_name("http").build();
    let runtime = runtime.map_err(|error| Error::refused(error.to_string(), ""))?;
    runtime.block_on(serve(config, console))
}

async fn serve(config: Config, console: &mut Console) -> Result<Ending, Error> {
    let failed = |error: std::io::Error| Error::refused(error.to_string(), "");
    let mut signals = Signals::new().map_err(failed)?;
    let service = match Service::start(config.clone(), Arc::new(System), Router::new()).await {
        Ok(service) => service,
        Err(app::Error::Catalog(faults)) => {
            return faulty(&faults, console);
        }
        Err(error) => return Err(not_started(&error)),
    };
    greet(&service, &config, console)?;
    tokio::select! {
        () = signals.next() => {}
        failure = service.failed() => return Err(match service.failure_kind() {
            Kind::Broken => Error::Broken(failure),
            Kind::TakenOver => Error::TakenOver(failure),
            Kind::Refused => Error::refused(failure, ""),
        }),
    }
    console.line(format_args!("{DIM}stopping, a second signal ends it at once{DIM:#}"))?;
    console.finish()?;
    tokio::select! {
        stopped = service.stop() => {
            stopped.map_err(Error::Broken)?;
            Ok(Ending::Clean)
        }
        () = signals.next() => std::process::exit(EXIT_AT_ONCE),
    }
}

fn faulty(faults: &[String], console: &mut Console) -> Result<Ending, Error> {
    console.line(format_args!("{BAD}the files have faults:{BAD:#}"))?;
    for fault in faults {
        console.line(format_args!("  {fault}"))?;
    }
    console.line("`heedful check` shows each with the line it stands in")?;
    Ok(Ending::Faults)
}

fn not_started(error: &app::Error) -> Error {
    let help = match error {
        app::Error::Listen { error, .. } if error.kind() == std::io::ErrorKind::AddrInUse => {
            "another process listens there: stop it, or choose another address with `--listen`"
        }
        _ => "",
    };
    Error::refused(error.to_string(), help)
}

/// What a newcomer needs to know, first.
fn greet(service: &Service, config: &Config, console: &mut Console) -> Result<(), Error> {
    let url = format!("http://{}", service.address());
    let status = service.status();
    let version = env!("CARGO_PKG_VERSION");
    console.line(format_args!("{STRONG}heedful {version}{STRONG:#}  {url}"))?;
    let mut say = |what: &str, text: String| console.line(format_args!("  {what:<9}  {text}"));
    say(
        "events",
        format!("POST {url}/events, or point a Segment, RudderStack or PostHog SDK at {url}"),
    )?;
    say(
        "reading",
        format!("{url}/api/v1/customers  /api/v1/decisions  /openapi.json  /metrics  /readyz"),
    )?;
    say("data", format!("{} ({} shards)", config.data.display(), service.store().shards()))?;
    let from = config.triggers.display();
    let revision: String = status.revision.chars().take(12).collect();
    let triggers = match (status.triggers, config.triggers.is_dir()) {
        (0, false) => format!("none: there is no folder `{from}`; `heedful init` makes one"),
        (count, _) => format!("{count} in force from `{from}`, revision {revision}"),
    };
    say("triggers", triggers)?;
    for warning in &status.warnings {
        say("", format!("{WARM}{warning}{WARM:#}"))?;
    }
    say("keys", keys(config))?;
    say(
        "sending",
        match config.sending {
            Sending::DryRun => {
                format!("{WARM}sending is OFF (dry run): turn it on with --send{WARM:#}")
            }
            Sending::On => format!("{GOOD}sending is ON{GOOD:#}: what is decided leaves"),
        },
    )?;
    console.finish()
}

fn keys(config: &Config) -> String {
    let keys = match config.write_keys.len() {
        0 => "events from this machine with any write key".to_owned(),
        1 => "events with the write key".to_owned(),
        count => format!("events with one of {count} write keys"),
    };
    let token = match &config.api_token {
        Some(_) => "the API with its token",
        None => "the API from this machine",
    };
    format!("{keys}; {token}")
}
