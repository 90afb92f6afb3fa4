//! `heedful explain`: says why a customer was or was not reached out to, for any trigger.

mod sources;
mod story;

use std::path::PathBuf;

use super::console::{Console, DIM, Error, STRONG};
use super::service::Service;
use super::{Ending, files};
use crate::clock::{Clock, System};
use crate::engine::catalog::Catalog;
use crate::engine::slot::TriggerSlot;
use crate::engine::time::Timestamp;
use crate::store::explain::Explainer;
use crate::store::record::{DecisionRecord, Seen};
use story::Story;

/// Decisions shown, newest first.
const DECISIONS_SHOWN: usize = 20;

/// Say why a customer was or was not reached out to
///
/// Shows what was decided and why, and for a trigger, also one that never matched: what it waits
/// for, each condition with the value it saw, what the rules would say now, who holds the cap,
/// and the next free instant.
///
/// Asks the service at --url, reads the data of a stopped one, or replays --events up to --at.
#[derive(Debug, clap::Args)]
#[command(after_help = super::EXIT_CODES)]
pub struct Args {
    /// The customer's id
    customer: String,
    /// Only this trigger, with every detail
    #[arg(long, value_name = "TRIGGER")]
    trigger: Option<String>,
    /// As of this time: `2026-03-01T12:00:00Z`
    #[arg(long, value_name = "TIME", conflicts_with = "url")]
    at: Option<String>,
    /// The address of the running service
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "events"])]
    url: Option<String>,
    /// The token of its API
    #[arg(long, value_name = "TOKEN", env = "HEEDFUL_API_TOKEN", hide_env_values = true)]
    token: Option<String>,
    #[command(flatten)]
    places: files::Places,
    /// Recorded events to replay instead, one per line, also compressed by gzip
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the customer or trigger is unknown, or what is needed cannot be read.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    if let Some(url) = &args.url {
        return ask(&Service::at(url, args.token.clone())?, args, console);
    }
    let at = args.at.as_deref().map(instant).transpose()?;
    let config = args.places.config()?;
    let catalog = files::catalog(&config, console)?;
    let Some(catalog) = catalog else { return Ok(Ending::Faults) };
    let trigger = args.trigger.as_deref().map(|name| find(&catalog, name)).transpose()?;
    let story = match &args.events {
        Some(path) => Story::of_events(catalog, &args.customer, path, at)?,
        None => Story::of_data(catalog, &args.customer, &config, at)?,
    };
    tell(&story, trigger, at, console)?;
    Ok(Ending::Clean)
}

pub(super) fn instant(text: &str) -> Result<Timestamp, Error> {
    Timestamp::parse(text).ok_or_else(|| {
        let what = format!("`{text}` is not a time");
        Error::refused(what, "give it like 2026-03-01T12:00:00Z or 2026-03-01T12:00:00+01:00")
    })
}

fn find(catalog: &Catalog, name: &str) -> Result<TriggerSlot, Error> {
    catalog.find_trigger(name).ok_or_else(|| {
        let known: Vec<&str> = catalog.triggers.iter().map(|known| known.id.as_str()).collect();
        let what = format!("there is no trigger `{name}`");
        Error::refused(what, format!("there are `{}`", known.join("`, `")))
    })
}

fn tell(
    story: &Story,
    trigger: Option<TriggerSlot>,
    at: Option<Timestamp>,
    console: &mut Console,
) -> Result<(), Error> {
    let now = story.now(at, System.now());
    let explainer = Explainer::new(story.teller(), story.state(), now);
    console.text(&explainer.customer())?;
    let of_trigger = |record: &&DecisionRecord| {
        let name = trigger.and_then(|slot| story.catalog().trigger(slot));
        name.is_none_or(|trigger| record.trigger == trigger.id.as_str())
    };
    let decisions: Vec<&DecisionRecord> = story.decisions().iter().filter(of_trigger).collect();
    let named = trigger.and_then(|slot| story.catalog().trigger(slot));
    list(&decisions, named.map(|trigger| trigger.id.as_str()), console)?;
    if let Some(slot) = trigger {
        console.line("")?;
        return console.text(&explainer.trigger(slot).unwrap_or_default());
    }
    console.line(format!("\n{STRONG}triggers{STRONG:#}  (--trigger NAME tells more of one)"))?;
    for index in 0..story.catalog().triggers.len() {
        let slot = TriggerSlot(u16::try_from(index).unwrap_or(u16::MAX));
        console.text(&explainer.summary(slot).unwrap_or_default())?;
    }
    Ok(())
}

/// What was decided; of a trigger that was asked for also what its conditions saw then.
fn list(
    decisions: &[&DecisionRecord],
    asked: Option<&str>,
    console: &mut Console,
) -> Result<(), Error> {
    if decisions.is_empty() {
        return console.line("\nnothing was decided");
    }
    console.line(format!("\n{STRONG}decided{STRONG:#}"))?;
    for record in decisions.iter().take(DECISIONS_SHOWN) {
        let reason = record.reason.as_ref().map(|reason| format!(" ({reason})"));
        let (at, trigger) = (&record.ruled_at, &record.trigger);
        let verdict = format!("{}{}", record.verdict, reason.unwrap_or_default());
        console.line(format!("  {at}  {trigger}: {verdict}"))?;
        console.line(format!("      {DIM}{}{DIM:#}", record.why))?;
        let conditions = asked.map_or(&[][..], |_| record.conditions.as_slice());
        for Seen { name, value } in conditions.iter().flat_map(|condition| &condition.seen) {
            let line = match value {
                serde_json::Value::Null => format!("{name} was missing"),
                serde_json::Value::String(text) => format!("{name}: {text}"),
                value => format!("{name} was {value}"),
            };
            console.line(format!("      {DIM}{line}{DIM:#}"))?;
        }
    }
    match decisions.len().saturating_sub(DECISIONS_SHOWN) {
        0 => Ok(()),
        more => console.line(format!("  and {more} earlier")),
    }
}

/// Asks a running service: it knows the customer as they are now.
fn ask(service: &Service, args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let customer = percent(&args.customer);
    let trigger = args.trigger.as_deref();
    let mut query = vec![("customer", args.customer.as_str()), ("limit", "20")];
    query.extend(trigger.map(|trigger| ("trigger", trigger)));
    let page = service.get("/api/v1/decisions", &query)?.done()?;
    let query: Vec<_> = trigger.map(|trigger| ("trigger", trigger)).into_iter().collect();
    let text = service.get(&format!("/api/v1/customers/{customer}/explain"), &query)?.done()?;
    let page: serde_json::Value = serde_json::from_str(&page).unwrap_or_default();
    let items = page.get("items").cloned().unwrap_or_default();
    let decisions: Vec<DecisionRecord> = serde_json::from_value(items).unwrap_or_default();
    console.text(&text)?;
    list(&decisions.iter().collect::<Vec<_>>(), trigger, console)?;
    Ok(Ending::Clean)
}

/// A customer's id as one segment of a path.
fn percent(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes()
        .map(|byte| match plain(&byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}
