//! The sets of triggers that are measured: the workload's three, and generated ones.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use super::Fallible;
use heedful::declare::{self, Source, SourceKind};
use heedful::engine::catalog::{Catalog, Sending};

/// Events of the workload, with their part of all.
const EVENTS: [(&str, usize); 9] = [
    ("page_viewed", 40),
    ("product_viewed", 20),
    ("cart_updated", 12),
    ("feature_used", 10),
    ("search_performed", 8),
    ("checkout_started", 5),
    ("order_completed", 3),
    ("ticket_opened", 1),
    ("app_opened", 1),
];
/// Properties with the values that they take.
const VALUES: [(&str, &[&str]); 2] = [
    ("path", &["/home", "/pricing", "/docs/start", "/account", "/cancel", "/blog/post-17"]),
    ("category", &["shoes", "laptops", "garden", "toys", "books", "phones", "kitchen", "sports"]),
];
/// Conditions over a customer's history: counts, and how long ago something was. They are rare, so
/// that finding what matches is measured more than recording it.
const HISTORY: [&str; 6] = [
    "count(\"ticket_opened\", \"24h\") >= 3",
    "count(\"order_completed\", \"24h\") >= 5",
    "count(\"checkout_started\", \"12h\") >= 5",
    "count(\"search_performed\", \"6h\") >= 5",
    "count(\"app_opened\", \"24h\") >= 3",
    "days_since(\"ticket_opened\") < 0.01",
];

/// The three triggers of the workload and its caps.
pub(crate) fn of_the_workload() -> Fallible<Arc<Catalog>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workload/triggers");
    let mut sources = Vec::new();
    for name in ["policy", "t1", "t2", "t3"] {
        let text = std::fs::read_to_string(folder.join(format!("{name}.yaml")))?;
        sources.push(source(name, text));
    }
    load(&sources)
}

/// So many triggers of three conditions each: event and the value of a property, a threshold, and
/// the customer's history; as many for each event as it has part in the workload.
pub(crate) fn generated(count: usize) -> Fallible<Arc<Catalog>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workload/triggers");
    let mut sources = vec![source("policy", std::fs::read_to_string(folder.join("policy.yaml"))?)];
    let mut random = fastrand::Rng::with_seed(42);
    for number in 0..count {
        sources.push(source(&format!("g{number:04}"), text_of(number, count, &mut random)?));
    }
    load(&sources)
}

/// Writes the policy of the workload and so many generated triggers into a folder, for a service
/// that hears a day of the workload within about a minute: what is recent there, is by as much
/// more recent here.
pub(crate) fn write(folder: &Path, count: usize) -> Fallible<()> {
    let known = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/workload/triggers/policy.yaml");
    std::fs::copy(known, folder.join("policy.yaml"))?;
    let mut random = fastrand::Rng::with_seed(42);
    for number in 0..count {
        let path = folder.join(format!("g{number:04}.yaml"));
        let text = text_of(number, count, &mut random)?;
        std::fs::write(path, text.replace("< 0.01", "< 0.00001"))?;
    }
    Ok(())
}

fn text_of(number: usize, count: usize, random: &mut fastrand::Rng) -> Fallible<String> {
    let per_cent = number * 100 / count.max(1);
    let mut upto = 0;
    let event = EVENTS.iter().find(|(_, part)| {
        upto += part;
        per_cent < upto
    });
    let (event, _) = event.ok_or("the parts add up to less than all")?;
    let (property, values) = random.choice(VALUES).ok_or("no property")?;
    let value = random.choice(values).ok_or("no value")?;
    let threshold = if random.bool() {
        format!("event.cart_value > {}.0", random.u32(0..250))
    } else {
        format!("event.items >= {}", random.u32(1..10))
    };
    let history = random.choice(HISTORY).ok_or("no condition")?;
    let mut text = String::new();
    write!(
        text,
        "trigger: g{number:04}
kind: behavior
about: Generated for a bench.
owner: bench@heedful.example
when:
  event: {event}
  where: event.{property} == \"{value}\" && {threshold}
if: '{history}'
send:
  purpose: outreach
  via: log
  message:
    en: {{body: Hello.}}
"
    )?;
    Ok(text)
}

fn source(name: &str, text: String) -> Source {
    let kind = if name == "policy" { SourceKind::Policy } else { SourceKind::Trigger };
    Source { path: format!("triggers/{name}.yaml").into(), text: text.into(), kind }
}

fn load(sources: &[Source]) -> Fallible<Arc<Catalog>> {
    match declare::load(sources, Sending::On) {
        Ok(loaded) => Ok(Arc::new(loaded.catalog)),
        Err(faults) => {
            let first = faults.first().map(|fault| format!("{fault:?}"));
            Err(format!("{} faults, the first {first:?}", faults.len()).into())
        }
    }
}
