//! `heedful dlq replay`: writes refused messages back to the topics they came from, as they were or
//! repaired.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use super::letter::LetterId;
use super::topic::{Topic, letter};
use super::{Only, unknown};
use crate::cluster::output::DeadLetter;
use crate::commands::console::{Console, Error, GOOD, WARM};
use crate::commands::kafka::{Source, block_on, failed};
use crate::commands::{Ending, plural};
use crate::decode::shard_of;
use crate::kafka::admin::Admin;
use crate::kafka::reading::Seen;
use crate::kafka::topics::Found;
use crate::kafka::transaction::Outgoing;
use crate::kafka::writer::Writer;

/// Letters written before it is waited for them.
const AT_ONCE: usize = 500;
/// Most letters written in one run.
const LETTERS_MAX: u64 = 1_000_000;
/// Largest repaired message, in bytes.
const VALUE_BYTES_MAX: u64 = 1_000_000;
/// The header by which a message is known to have come back: where its letter lies.
const REPLAYED: &str = "heedful-replayed";

/// Write refused messages back to the topics they came from
///
/// As they were, after what refused them was mended, or one of them repaired. The letters stay where
/// they are. An event that has an id is counted once, however often it comes.
#[derive(Debug, clap::Args)]
#[command(after_help = crate::commands::EXIT_CODES)]
pub(super) struct Args {
    /// Which, as `dlq list` names them
    #[arg(value_name = "ID", required_unless_present_any = ["all", "reason", "from"])]
    ids: Vec<String>,
    /// All of them
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    #[command(flatten)]
    only: Only,
    /// How many at most, oldest first
    #[arg(
        long, value_name = "N", default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..=LETTERS_MAX)
    )]
    limit: u64,
    /// Write this file in place of the value of the one letter named
    #[arg(long, value_name = "FILE", requires = "ids")]
    value: Option<PathBuf>,
    /// Give the one letter named this key: the customer's id
    #[arg(long, value_name = "KEY", requires = "ids")]
    key: Option<String>,
    /// Only say what would be written
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    source: Source,
}

/// What came of it.
#[derive(Debug, Default)]
struct Tally {
    written: BTreeMap<String, usize>,
    /// Letters that name no topic of ours.
    homeless: BTreeMap<String, usize>,
    /// Letters that were meant, past the limit.
    left: usize,
}

struct Replay<'a> {
    args: &'a Args,
    topic: &'a Topic,
    writer: Writer,
    homes: BTreeMap<String, Found>,
    waiting: Vec<(LetterId, DeadLetter)>,
    tally: Tally,
}

pub(super) fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    if 1 < args.ids.len() && (args.value.is_some() || args.key.is_some()) {
        return Err(Error::refused(
            "several letters cannot be repaired at once",
            "name one of them",
        ));
    }
    let settings = args.source.settings()?;
    let topic = Topic::open(settings.config())?;
    let admin = Admin::new(&settings).map_err(|error| failed(&error))?;
    let homes = block_on(admin.find(&[&topic.names.events, &topic.names.internal]))?;
    let writer = Writer::new(&settings).map_err(|error| failed(&error))?;
    let (waiting, tally) = (Vec::new(), Tally::default());
    let mut replay = Replay { args, topic: &topic, writer, homes, waiting, tally };
    if args.ids.is_empty() {
        replay.search()?
    } else {
        replay.named()?
    }
    replay.flush()?;
    show(&replay.tally, args, console)
}

impl Replay<'_> {
    /// The letters that were named.
    fn named(&mut self) -> Result<(), Error> {
        for text in &self.args.ids {
            let id = LetterId::parse(text).ok_or_else(|| unknown(text))?;
            let seen = self.topic.seen(id)?.ok_or_else(|| unknown(text))?;
            self.take(seen);
        }
        self.repair()
    }

    fn repair(&mut self) -> Result<(), Error> {
        let Some((_, letter)) = self.waiting.first_mut() else { return Ok(()) };
        if let Some(path) = &self.args.value {
            let size = std::fs::metadata(path).map_err(|source| Error::read(path, source))?.len();
            if VALUE_BYTES_MAX < size {
                let what = format!("`{}` has more than {VALUE_BYTES_MAX} bytes", path.display());
                return Err(Error::refused(what, ""));
            }
            let value = std::fs::read(path).map_err(|source| Error::read(path, source))?;
            letter.message.value = Some(value);
        }
        if let Some(key) = &self.args.key {
            letter.message.key = key.clone().into_bytes();
        }
        Ok(())
    }

    /// All that are meant, up to the limit.
    fn search(&mut self) -> Result<(), Error> {
        let topic = self.topic;
        let mut room = usize::try_from(self.args.limit).unwrap_or(usize::MAX);
        for stretch in &topic.extents {
            let mut failure = None;
            topic.read(&[*stretch], |seen| {
                let found = letter(seen.clone());
                if !self.args.only.takes(&found.verdict.reason, &found.origin.topic) {
                    return ControlFlow::Continue(());
                }
                if room == 0 {
                    self.tally.left += 1;
                    return ControlFlow::Continue(());
                }
                room -= 1;
                self.take(seen.clone());
                match if self.waiting.len() < AT_ONCE { Ok(()) } else { self.flush() } {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failure = Some(error);
                        ControlFlow::Break(())
                    }
                }
            })?;
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(())
    }

    fn take(&mut self, seen: Seen) {
        let id = LetterId::Topic(seen.partition, seen.offset);
        let letter = letter(seen);
        if self.home(&letter).is_some() {
            self.waiting.push((id, letter));
        } else {
            *self.tally.homeless.entry(letter.origin.topic).or_default() += 1;
        }
    }

    /// The partition that a letter goes back to. Only topics that Heedful reads are written to: a
    /// header may say anything.
    fn home(&self, letter: &DeadLetter) -> Option<u16> {
        let home = self.homes.get(&letter.origin.topic)?;
        let key = std::str::from_utf8(&letter.message.key).ok();
        match key.filter(|key| !key.is_empty() && letter.origin.topic == self.topic.names.events) {
            Some(customer) => Some(shard_of(customer, home.partitions)),
            None => u16::try_from(letter.origin.partition)
                .ok()
                .filter(|home_of| *home_of < home.partitions),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut messages = Vec::with_capacity(waiting.len());
        for (id, letter) in waiting {
            // The key may have changed since it was taken, and its home with it.
            if let Some(partition) = self.home(&letter) {
                let mut message = letter.message;
                message.headers.retain(|(name, _)| name != REPLAYED);
                message.headers.push((REPLAYED.to_owned(), id.to_string().into_bytes()));
                messages.push((letter.origin.topic, partition, message));
            }
        }
        for (topic, _, _) in &messages {
            *self.tally.written.entry(topic.clone()).or_default() += 1;
        }
        if self.args.dry_run || messages.is_empty() {
            return Ok(());
        }
        let headers: Vec<Vec<(&str, &[u8])>> = messages
            .iter()
            .map(|(_, _, message)| {
                message.headers.iter().map(|(name, value)| (&**name, &**value)).collect()
            })
            .collect();
        let outgoing =
            messages.iter().zip(&headers).map(|((topic, partition, message), headers)| {
                let (key, value) = (&*message.key, message.value.as_deref());
                Outgoing { topic, partition: *partition, key, value, headers }
            });
        self.writer.write(outgoing).map(|_| ()).map_err(|error| failed(&error))
    }
}

fn show(tally: &Tally, args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let would = if args.dry_run { "would be written" } else { "written" };
    for (topic, count) in &tally.written {
        let count = plural(*count, "letter");
        console.line(format_args!("{GOOD}{count}{GOOD:#} {would} to `{topic}`"))?;
    }
    if tally.written.is_empty() {
        console.line("no letter is meant by that")?;
    }
    for (topic, count) in &tally.homeless {
        let count = plural(*count, "letter");
        console.line(format_args!(
            "{WARM}{count}{WARM:#} left: they came from `{topic}`, which is not read here"
        ))?;
    }
    if tally.left != 0 {
        let count = plural(tally.left, "letter");
        console.line(format_args!("{WARM}{count}{WARM:#} left for another run: see `--limit`"))?;
    }
    Ok(if tally.homeless.is_empty() { Ending::Clean } else { Ending::Faults })
}
