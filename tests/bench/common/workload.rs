//! The events that are measured: the workload's generator where it is at hand, else our own shop.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Fallible;
use heedful::demo::shop::Shop;
use heedful::engine::time::{Span, Timestamp};

/// Events of the workload.
pub(crate) const EVENTS: usize = 1_000_000;
/// Its generator, from the folder of the project.
const GENERATOR: &str = "../shared/workload/gen.py";
/// Customers of the shop that stands in for it.
const SHOP_CUSTOMERS: usize = 20_000;

/// Recorded events, one a line.
#[derive(Debug)]
pub(crate) struct Workload {
    /// The lines.
    pub(crate) text: String,
    /// Where they come from, in a word.
    pub(crate) origin: String,
}

impl Workload {
    /// The events of the file named on the command line; else of the generator; else of the shop.
    pub(crate) fn load() -> Fallible<Self> {
        if let Some(path) = std::env::args().skip(1).find(|arg| !arg.starts_with("--")) {
            return Ok(Self { text: std::fs::read_to_string(&path)?, origin: path });
        }
        let generator = Path::new(env!("CARGO_MANIFEST_DIR")).join(GENERATOR);
        if generator.exists() {
            let path = generated(&generator)?;
            return Ok(Self { text: std::fs::read_to_string(path)?, origin: "gen.py".to_owned() });
        }
        Ok(Self { text: of_the_shop()?, origin: format!("the demo's shop, {GENERATOR} is absent") })
    }

    /// The lines.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.text.lines().filter(|line| !line.is_empty()).collect()
    }
}

/// Runs the generator once and keeps what it wrote.
fn generated(generator: &Path) -> Fallible<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join("events.jsonl");
    if path.exists() {
        return Ok(path);
    }
    std::fs::create_dir_all(folder)?;
    let unfinished = folder.join("events.unfinished");
    let status = Command::new("python3").arg(generator).arg(&unfinished).status()?;
    if !status.success() {
        return Err(format!("the generator of the workload ended with {status}").into());
    }
    std::fs::rename(&unfinished, &path)?;
    Ok(path)
}

fn of_the_shop() -> Fallible<String> {
    let start: Timestamp = Timestamp::from_millis(1_772_323_200_000);
    let mut shop = Shop::open(42, SHOP_CUSTOMERS, start, Span::DAY.times(30));
    let mut text = String::new();
    for happening in shop.until(start + Span::DAY.times(30)).into_iter().take(EVENTS) {
        text.push_str(&serde_json::to_string(&happening.json)?);
        text.push('\n');
    }
    Ok(text)
}
