//! `heedful suppress`: addresses that the running service does not write to, whoever has them.

use std::path::PathBuf;

use super::console::{Console, Error, Format};
use super::service::{Reply, Service};
use super::{Ending, plural};
use crate::api::source::{
    Page, SuppressionAction, SuppressionAnswer, SuppressionChange, SuppressionView,
};

/// Addresses sent in one go.
const AT_ONCE: usize = 500;

/// Keep addresses from being written to, whoever has them
///
/// Addresses are kept hashed, with a key: the list stays when customers are forgotten, and nobody can read
/// addresses in it. Bounces, complaints and unsubscriptions put addresses there by themselves.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Put an address on the list
    Add(ChangeArgs),
    /// Take an address off the list
    Remove(ChangeArgs),
    /// Say whether an address is on the list, since when and why
    Check(CheckArgs),
    /// List the entries: channel, why, since when; addresses are hashed
    List(ListArgs),
    /// Put all addresses of a file on the list, one a line
    Import(ImportArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
struct ChangeArgs {
    /// The channel: `email`, `sms`, ...
    channel: String,
    /// The address on it
    address: String,
    /// Who asks for it, and why
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Only for this purpose [default: all]
    #[arg(long)]
    purpose: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
struct CheckArgs {
    /// The channel: `email`, `sms`, ...
    channel: String,
    /// The address on it
    address: String,
    /// For this purpose
    #[arg(long)]
    purpose: Option<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
struct ListArgs {
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
struct ImportArgs {
    /// The channel: `email`, `sms`, ...
    channel: String,
    /// The file: one address a line
    file: PathBuf,
    /// Who asks for it, and why
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Only for this purpose [default: all]
    #[arg(long)]
    purpose: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Which service, and how it is written.
#[derive(Clone, Debug, clap::Args)]
struct Place {
    /// How it is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// The service
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    url: String,
    /// The token of its API
    #[arg(long, value_name = "TOKEN", env = "HEEDFUL_API_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

const PATH: &str = "/api/v1/suppressions";

/// Runs the command.
///
/// # Errors
/// When the service cannot be reached, or refuses, or the file cannot be read.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    match &args.command {
        Command::Add(args) => change(SuppressionAction::Add, args, console),
        Command::Remove(args) => change(SuppressionAction::Remove, args, console),
        Command::Check(args) => check(args, console),
        Command::List(args) => list(args, console),
        Command::Import(args) => import(args, console),
    }
}

fn change(
    action: SuppressionAction,
    args: &ChangeArgs,
    console: &mut Console,
) -> Result<Ending, Error> {
    let change = SuppressionChange {
        action,
        channel: args.channel.clone(),
        purpose: args.purpose.clone(),
        addresses: vec![args.address.clone()],
        by: Some(args.by.clone()),
    };
    let answer = give(&args.place, &change)?;
    if args.place.format == Format::Json {
        console.json(&answer)?;
    } else {
        let done = match action {
            SuppressionAction::Remove => "is not on the list",
            _ => "is on the list: nothing goes there any more",
        };
        console.line(format!("the address on `{}` {done}", args.channel))?;
    }
    Ok(Ending::Clean)
}

fn check(args: &CheckArgs, console: &mut Console) -> Result<Ending, Error> {
    let change = SuppressionChange {
        action: SuppressionAction::Check,
        channel: args.channel.clone(),
        purpose: args.purpose.clone(),
        addresses: vec![args.address.clone()],
        by: None,
    };
    let answer = give(&args.place, &change)?;
    if args.place.format == Format::Json {
        console.json(&answer)?;
    } else if answer.entries.is_empty() {
        console.line("the address is not on the list")?;
    }
    if args.place.format != Format::Json {
        answer.entries.iter().try_for_each(|entry| show(entry, console))?;
    }
    Ok(Ending::Clean)
}

fn list(args: &ListArgs, console: &mut Console) -> Result<Ending, Error> {
    let service = Service::at(&args.place.url, args.place.token.clone())?;
    let mut all: Vec<SuppressionView> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let query: Vec<(&str, &str)> =
            after.as_deref().map(|after| ("after", after)).into_iter().collect();
        let page: Page<SuppressionView> = answer(service.get(PATH, &query)?)?;
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if args.place.format == Format::Json {
        console.json(&all)?;
        return Ok(Ending::Clean);
    }
    if all.is_empty() {
        console.line("the list is empty")?;
    }
    all.iter().try_for_each(|entry| show(entry, console))?;
    Ok(Ending::Clean)
}

/// All of the file or nothing: each address is looked at before the first is put on the list.
fn import(args: &ImportArgs, console: &mut Console) -> Result<Ending, Error> {
    let failed = |source| Error::read(&args.file, source);
    let text = std::fs::read_to_string(&args.file).map_err(failed)?;
    let lines = text.lines().map(|line| line.trim().trim_matches('"'));
    let addresses: Vec<String> =
        lines.filter(|address| !address.is_empty()).map(str::to_owned).collect();
    for action in [SuppressionAction::Check, SuppressionAction::Add] {
        for some in addresses.chunks(AT_ONCE) {
            let change = SuppressionChange {
                action,
                channel: args.channel.clone(),
                purpose: args.purpose.clone(),
                addresses: some.to_vec(),
                by: Some(args.by.clone()),
            };
            give(&args.place, &change)?;
        }
    }
    let count = addresses.len();
    if args.place.format == Format::Json {
        console.json(&serde_json::json!({ "addresses": count }))?;
    } else {
        let put = plural(count, "entry");
        console.line(format!("{put} of `{}` put on the list", args.file.display()))?;
    }
    Ok(Ending::Clean)
}

fn show(entry: &SuppressionView, console: &mut Console) -> Result<(), Error> {
    let SuppressionView { channel, purpose, hash, cause, by, since } = entry;
    let purpose = purpose.as_deref().unwrap_or("all");
    let head = hash.get(..12).unwrap_or(hash);
    console.line(format!("{since}  {channel}  {purpose}  {head}  {cause}  {by}"))
}

fn give(place: &Place, change: &SuppressionChange) -> Result<SuppressionAnswer, Error> {
    let service = Service::at(&place.url, place.token.clone())?;
    let body = serde_json::to_string(change);
    let body = body.map_err(|error| Error::refused(error.to_string(), ""))?;
    answer(service.order(PATH, body)?)
}

fn answer<T: serde::de::DeserializeOwned>(reply: Reply) -> Result<T, Error> {
    serde_json::from_str(&reply.done()?).map_err(|error| Error::refused(error.to_string(), ""))
}
