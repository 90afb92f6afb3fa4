//! `heedful demo`: a simulated shop on a live page, nothing to set up, nothing left behind.

use std::net::SocketAddr;

use tokio::runtime::Builder;

use super::Ending;
use super::console::{Console, DIM, Error, STRONG};
use super::progress;
use super::signals::Signals;
use crate::app;
use crate::config::Config;
use crate::demo::page::Facts;
use crate::demo::show::{self, Show, Wish};
use crate::engine::catalog::Sending;
use crate::engine::time::Timestamp;

/// Where the page is unless it is said or taken.
const ADDRESS: &str = "127.0.0.1:8080";
/// The Monday morning on which every demo begins, so that each seed tells one story.
const START: &str = "2026-03-02T06:00:00Z";

/// Watch a simulated shop: every yes and every no with its why, live
///
/// Needs nothing and leaves nothing: the data stands in a folder that goes away, nothing is sent.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many customers the shop has
    #[arg(long, default_value_t = 400, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    customers: u32,
    /// How many times as fast time runs
    #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    speed: u32,
    /// The seed of the story
    #[arg(long, default_value_t = 7, value_name = "N")]
    seed: u64,
    /// The address of the page [default: 127.0.0.1:8080, or any free port when that is taken]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Runs the command.
///
/// # Errors
/// When the shop cannot open, or a part of the service fails.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let runtime = Builder::new_multi_thread().enable_all().thread_name("http").build();
    let runtime = runtime.map_err(|error| Error::refused(error.to_string(), ""))?;
    runtime.block_on(play(args, console))
}

async fn play(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let mut signals = Signals::new().map_err(|error| Error::refused(error.to_string(), ""))?;
    let mut show = open(args).await?;
    let bar = progress::over_parts("the shop's past");
    let told = tokio::select! {
        told = show.tell_the_past(|part| progress::set_part(&bar, part)) => Some(told),
        () = signals.next() => None,
    };
    bar.finish_and_clear();
    if let Some(told) = told {
        told.map_err(|error| broken(&error))?;
        greet(&show, args, console)?;
        tokio::select! {
            ended = show.go_on() => return Err(Error::Broken(ended.map_err(|error| broken(&error))?)),
            () = signals.next() => {}
        }
    }
    show.close().await.map_err(Error::Broken)?;
    console.line(format_args!("{DIM}the shop is closed, and nothing is left behind{DIM:#}"))?;
    Ok(Ending::Clean)
}

/// Opens the shop where it is wished, or on any free port when nothing was wished and the usual
/// one is taken.
async fn open(args: &Args) -> Result<Show, Error> {
    let usual = ADDRESS.parse().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
    let listen = args.listen.unwrap_or(usual);
    match open_at(args, listen).await {
        Err(show::Error::Start(app::Error::Listen { .. })) if args.listen.is_none() => {
            open_at(args, SocketAddr::new(listen.ip(), 0)).await.map_err(|error| refused(&error))
        }
        opened => opened.map_err(|error| refused(&error)),
    }
}

async fn open_at(args: &Args, listen: SocketAddr) -> Result<Show, show::Error> {
    let customers = usize::try_from(args.customers).unwrap_or(usize::MAX);
    let wish = Wish {
        listen,
        facts: Facts { customers, speed: args.speed, seed: args.seed },
        start: Timestamp::parse(START).unwrap_or(Timestamp::MIN),
    };
    Show::open(wish, |folder| Config {
        data: folder.join("data"),
        listen,
        triggers: folder.join("triggers"),
        models: folder.join("models"),
        sending: Sending::DryRun,
        ..Config::default()
    })
    .await
}

/// What a newcomer needs to know, first.
fn greet(show: &Show, args: &Args, console: &mut Console) -> Result<(), Error> {
    let Args { customers, speed, seed, .. } = args;
    console.line(format_args!(
        "{STRONG}the demo shop is open{STRONG:#}  http://{}   (Ctrl-C closes it)",
        show.address()
    ))?;
    let mut say = |what: &str, text: String| console.line(format_args!("  {what:<9}  {text}"));
    say(
        "shop",
        format!(
            "{customers} customers, 30 days of past, seed {seed}; time runs {speed} times as fast"
        ),
    )?;
    say("files", format!("{}: edit a trigger, and the shop goes by it", show.folder().display()))?;
    say(
        "sending",
        "OFF: every decision is made and shown, nothing leaves this machine".to_owned(),
    )?;
    console.finish()
}

fn refused(error: &show::Error) -> Error {
    let help = match error {
        show::Error::Start(app::Error::Listen { .. }) => "choose another address with `--listen`",
        _ => "",
    };
    Error::refused(error.to_string(), help)
}

fn broken(error: &show::Error) -> Error {
    Error::Broken(error.to_string())
}
