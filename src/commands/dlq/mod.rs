//! `heedful dlq`: what was refused and why, and the way back for it.

mod letter;
#[cfg(feature = "kafka")]
mod replay;
#[cfg(feature = "kafka")]
mod topic;

use std::path::PathBuf;

use super::console::{Console, DIM, Error, Format, STRONG, WARM};
use super::service::{Reply, Service};
use super::{Ending, files, plural};
use crate::app;
use crate::config::{Config, Flags};
use crate::store::record::DeadLetter;
use letter::{Letter, LetterId};

/// Most letters listed at once.
const LIST_MAX: u64 = 10_000;

/// See what was refused and why, and send it again
///
/// With Kafka, refused messages are on their topic as they came. On one machine the store keeps the
/// beginning of each; repaired events are brought in by `heedful import`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(ListArgs),
    Show(ShowArgs),
    #[cfg(feature = "kafka")]
    Replay(replay::Args),
}

/// List what was refused, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
struct ListArgs {
    /// How many at most
    #[arg(
        long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u64).range(1..=LIST_MAX)
    )]
    limit: u64,
    #[command(flatten)]
    only: Only,
    /// How it is written; `json` is whole
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    place: Place,
}

/// Show one of them as it came
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
struct ShowArgs {
    /// Which, as `dlq list` names it
    id: String,
    #[command(flatten)]
    place: Place,
}

/// Which letters are meant.
#[derive(Clone, Debug, Default, clap::Args)]
struct Only {
    /// Only those refused for this reason
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Only those that came from here: a topic, or a door like `http:/v1/batch`
    #[arg(long, value_name = "FROM")]
    from: Option<String>,
}

/// Where letters are kept.
#[derive(Clone, Debug, Default, clap::Args)]
struct Place {
    /// Ask the service at this address; without it, the data of a stopped one, or Kafka
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The token of that service's API
    #[arg(long, value_name = "TOKEN", env = "HEEDFUL_API_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The data of the stopped service; without it, where `heedful.yaml` says
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data: Option<PathBuf>,
    /// The configuration [default: heedful.yaml]
    #[arg(long, value_name = "FILE", env = "HEEDFUL_CONFIG")]
    config: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When letters cannot be read or written.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    match &args.command {
        Command::List(args) => list(args, console),
        Command::Show(args) => show(args, console),
        #[cfg(feature = "kafka")]
        Command::Replay(args) => replay::run(args, console),
    }
}

fn list(args: &ListArgs, console: &mut Console) -> Result<Ending, Error> {
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let letters = args.place.newest(limit, &args.only)?;
    if args.format == Format::Json {
        console.json(&letters)?;
        return Ok(Ending::Clean);
    }
    if letters.is_empty() {
        console.line("nothing was refused")?;
        return Ok(Ending::Clean);
    }
    let width = |of: fn(&Letter) -> &str| {
        letters.iter().map(|letter| of(letter).chars().count()).max().unwrap_or(0)
    };
    let (ids, reasons) = (width(|letter| &letter.id), width(|letter| &letter.reason));
    for letter in &letters {
        let Letter { id, at, reason, from, detail, .. } = letter;
        let line = format!("{STRONG}{id:>ids$}{STRONG:#}  {at}  {WARM}{reason:<reasons$}{WARM:#}");
        console.line(format_args!("{line}  {DIM}{from}{DIM:#}  {detail}"))?;
    }
    if let Some(first) = letters.first() {
        let (count, id) = (plural(letters.len(), "letter"), &first.id);
        console.line(format_args!("\n{count}; `heedful dlq show {id}` shows one as it came"))?;
    }
    Ok(Ending::Clean)
}

fn show(args: &ShowArgs, console: &mut Console) -> Result<Ending, Error> {
    let id = LetterId::parse(&args.id).ok_or_else(|| unknown(&args.id))?;
    let letter = args.place.one(&id)?.ok_or_else(|| unknown(&args.id))?;
    let mut say = |what: &str, text: &str| match text {
        "" => Ok(()),
        text => console.line(format_args!("{DIM}{what:<8}{DIM:#}  {text}")),
    };
    say("refused", &letter.at)?;
    say("from", &letter.from)?;
    say("reason", &letter.reason)?;
    say("detail", &letter.detail)?;
    say("hint", &letter.hint)?;
    say("key", letter.key.as_deref().unwrap_or_default())?;
    for (name, value) in &letter.headers {
        say("header", &format!("{name}: {value}"))?;
    }
    console.line("")?;
    console.line(letter.shown_value())?;
    Ok(Ending::Clean)
}

fn unknown(id: &str) -> Error {
    let what = format!("there is no letter `{id}`");
    Error::refused(what, "`heedful dlq list` names those that there are")
}

impl Place {
    fn configured(&self) -> Result<Config, Error> {
        let (config, data) = (self.config.clone(), self.data.clone());
        files::config(&Flags { config, data, ..Flags::default() })
    }

    /// The newest letters, newest first.
    fn newest(&self, limit: usize, only: &Only) -> Result<Vec<Letter>, Error> {
        #[cfg(feature = "kafka")]
        if let Some(topic) = self.topic()? {
            return topic.newest(limit, only);
        }
        let mut letters = self.stored()?;
        letters.retain(|letter| only.takes(&letter.reason, &letter.from));
        letters.truncate(limit);
        Ok(letters)
    }

    fn one(&self, id: &LetterId) -> Result<Option<Letter>, Error> {
        #[cfg(feature = "kafka")]
        if let Some(topic) = self.topic()? {
            return topic.one(id);
        }
        let id = id.to_string();
        Ok(self.stored()?.into_iter().find(|letter| letter.id == id))
    }

    #[cfg(feature = "kafka")]
    fn topic(&self) -> Result<Option<topic::Topic>, Error> {
        if self.url.is_some() || self.data.is_some() {
            return Ok(None);
        }
        self.configured()?.kafka.as_ref().map(topic::Topic::open).transpose()
    }

    /// Letters of one machine, newest first.
    fn stored(&self) -> Result<Vec<Letter>, Error> {
        let most = usize::try_from(LIST_MAX).unwrap_or(usize::MAX);
        let letters: Vec<DeadLetter> = match &self.url {
            Some(url) => {
                let service = Service::at(url, self.token.clone())?;
                let limit = LIST_MAX.to_string();
                match service.get("/api/v1/dead-letters", &[("limit", &limit)])? {
                    Reply::Done(text) => serde_json::from_str(&text)
                        .map_err(|error| Error::refused(error.to_string(), ""))?,
                    Reply::Busy(_) => {
                        return Err(Error::refused("the service is busy", "ask again"));
                    }
                    Reply::Refused { status, text } => {
                        let what = format!("the service answered {status}: {text}");
                        return Err(Error::refused(what, "is the token right?"));
                    }
                }
            }
            None => {
                let through = "ask the running service: `--url http://localhost:8080`";
                let config = self.configured()?;
                // Looking makes no store.
                if !app::store_folder(&config).exists() {
                    return Ok(Vec::new());
                }
                let (store, _) = files::open_store(&config, through)?;
                let letters = store.dead_letters(most);
                letters.map_err(|error| Error::refused(error.to_string(), ""))?
            }
        };
        Ok(letters.into_iter().enumerate().map(Letter::of_store).collect())
    }
}

impl Only {
    /// Whether a letter is meant.
    fn takes(&self, reason: &str, from: &str) -> bool {
        let is =
            |wanted: &Option<String>, has: &str| wanted.as_ref().is_none_or(|wanted| wanted == has);
        let topic = from.split(' ').next().unwrap_or(from);
        is(&self.reason, reason) && (is(&self.from, from) || is(&self.from, topic))
    }
}
