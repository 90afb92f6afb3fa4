//! `heedful operations`: orders to the running service to hold, stop or let go on.

use super::console::{Console, Error, Format};
use super::service::{Reply, Service};
use super::{Ending, plural};
use crate::api::source::{OperationView, OrderGiven};

/// Hold outreach back, stop it, or let it go on: everything, a purpose or a trigger
///
/// Orders are records in the log: they hold from their place in it on, in all shards, over restarts,
/// and end by themselves.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(ListArgs),
    /// Hold what fires and what waits, until it is resumed or the order ends by itself
    Pause(OrderArgs),
    /// Suppress what fires, and cancel what waits
    Stop(OrderArgs),
    /// End a pause and a stop of the same scope, and say how many go on
    Resume(OrderArgs),
}

/// List the orders that are remembered, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
struct ListArgs {
    /// How it is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    place: Place,
}

/// An order.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
struct OrderArgs {
    /// With what: `everything`, `purpose:<name>` or `trigger:<id>`
    scope: String,
    /// Who gives it
    #[arg(long, value_name = "WHO")]
    by: String,
    /// Why
    #[arg(long, value_name = "WHY")]
    why: String,
    /// When it ends by itself: `30m`, `2h`, `1d`, up to 30d [default: 1d]
    #[arg(long = "for", value_name = "TIME")]
    lasts: Option<String>,
    /// How it is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    #[command(flatten)]
    place: Place,
}

/// Which service.
#[derive(Clone, Debug, clap::Args)]
struct Place {
    /// The service
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    url: String,
    /// The token of its API
    #[arg(long, value_name = "TOKEN", env = "HEEDFUL_API_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// When the service cannot be reached, or refuses.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    match &args.command {
        Command::List(args) => list(args, console),
        Command::Pause(args) => give("pause", args, console),
        Command::Stop(args) => give("stop", args, console),
        Command::Resume(args) => give("resume", args, console),
    }
}

fn list(args: &ListArgs, console: &mut Console) -> Result<Ending, Error> {
    let service = Service::at(&args.place.url, args.place.token.clone())?;
    let all: Vec<OperationView> = answer(service.get("/api/v1/operations", &[])?)?;
    if args.format == Format::Json {
        console.json(&all)?;
        return Ok(Ending::Clean);
    }
    if all.is_empty() {
        console.line("no order was given")?;
    }
    for view in &all {
        show(view, console)?;
    }
    Ok(Ending::Clean)
}

fn give(order: &str, args: &OrderArgs, console: &mut Console) -> Result<Ending, Error> {
    let service = Service::at(&args.place.url, args.place.token.clone())?;
    let given = OrderGiven {
        order: order.to_owned(),
        scope: args.scope.clone(),
        lasts: args.lasts.clone(),
        by: args.by.clone(),
        why: args.why.clone(),
    };
    let body = serde_json::to_string(&given);
    let body = body.map_err(|error| Error::refused(error.to_string(), ""))?;
    let view: OperationView = answer(service.order("/api/v1/operations", body)?)?;
    if args.format == Format::Json {
        console.json(&view)?;
    } else {
        show(&view, console)?;
    }
    Ok(Ending::Clean)
}

fn show(view: &OperationView, console: &mut Console) -> Result<(), Error> {
    let OperationView { order, scope, by, why, since, until, .. } = view;
    let moved = usize::try_from(view.moved).unwrap_or(usize::MAX);
    let came = match order.as_str() {
        "stop" if moved == 0 => "nothing waited".to_owned(),
        "stop" => format!("{} cancelled", plural(moved, "waiting decision")),
        "resume" if moved == 0 => "nothing waited".to_owned(),
        "resume" => format!("{} let go on", plural(moved, "waiting decision")),
        _ => "what fires and what waits is held".to_owned(),
    };
    let stands = match (&view.ended, view.in_force) {
        _ if order == "resume" => String::new(),
        (Some(ended), _) => format!(", ended {ended}"),
        (None, true) => format!(", in force until {until}"),
        (None, false) => format!(", over since {until}"),
    };
    let head = format!("{order} {scope}");
    console.line(format!("{head}  {since}{stands}"))?;
    console.line(format!("  {by}: {why}; {came}"))
}

fn answer<T: serde::de::DeserializeOwned>(reply: Reply) -> Result<T, Error> {
    serde_json::from_str(&reply.done()?).map_err(|error| Error::refused(error.to_string(), ""))
}
