//! Where stories come from: recorded events, or the data of a stopped service.

use std::io::BufReader;
use std::path::Path;

use super::story::Story;
use crate::app;
use crate::commands::console::Error;
use crate::commands::files;
use crate::commands::lines;
use crate::commands::progress;
use crate::config::Config;
use crate::decode::{Record, Subject, shard_of};
use crate::engine::catalog::Catalog;
use crate::engine::time::Timestamp;
use crate::log::Source as _;
use crate::log::embedded::Embedded;
use crate::store;
use crate::store::decisions::DecisionFilter;

/// Bytes of the log looked at in one go.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Decisions read of one customer.
const DECISIONS_MAX: usize = 200;

impl Story {
    /// Replays recorded events in event time.
    pub(super) fn of_events(
        catalog: Catalog,
        customer: &str,
        path: &Path,
        at: Option<Timestamp>,
    ) -> Result<Self, Error> {
        let size = std::fs::metadata(path).map_err(|source| Error::read(path, source))?.len();
        let bar = progress::over_bytes(size, "replaying");
        let mut text_lines = BufReader::new(lines::open(path, &bar)?);
        let mut story = Self::new(catalog, customer);
        let mut line = Vec::new();
        let mut number = 0;
        while lines::next(&mut text_lines, &mut line).map_err(|source| Error::read(path, source))? {
            number += 1;
            let text = line.trim_ascii();
            // What is refused concerns nobody; `heedful replay` counts it.
            if !text.is_empty() {
                drop(story.line(text, number, at));
            }
        }
        bar.finish_and_clear();
        let mut story = story.known_or_refused(customer, at)?;
        // As in a replay, time goes on for everybody until the last that was heard of anybody.
        story.pass_until(story.now(at, Timestamp::MIN));
        Ok(story)
    }

    /// Reads the state and decisions of a customer; as of an earlier time, from the log.
    pub(super) fn of_data(
        catalog: Catalog,
        customer: &str,
        config: &Config,
        at: Option<Timestamp>,
    ) -> Result<Self, Error> {
        if !app::store_folder(config).exists() {
            let what = format!("there is no data in `{}`", config.data.display());
            return Err(Error::refused(what, "name it with --data, or ask a service with --url"));
        }
        let through = "ask the service: `--url http://localhost:8080`";
        let (store, log) = files::open_store(config, through)?;
        let failed = |error: store::Error| Error::refused(error.to_string(), "");
        let shard = shard_of(customer, store.shards());
        let mut story = Self::new(catalog, customer);
        let mut from = 1;
        if at.is_none() {
            if let Some(bytes) = store.state(shard, customer).map_err(failed)? {
                story.load(&bytes).map_err(|error| Error::refused(error.to_string(), ""))?;
            }
            let customer = Some(customer.to_owned());
            let filter = DecisionFilter { customer, ..DecisionFilter::default() };
            let page = store.decisions(&filter, None, DECISIONS_MAX).map_err(failed)?;
            story.decided(page.items);
            from = store.mark(shard).map_err(failed)?.map_or(1, |mark| mark.position + 1);
        }
        story.follow_log(&log, shard, from, at)?;
        let mut story = story.known_or_refused(customer, at)?;
        if let Some(at) = at {
            story.pass_until(at);
        }
        Ok(story)
    }

    /// Applies what the log holds from a position on, as the service would when it starts.
    fn follow_log(
        &mut self,
        log: &Embedded,
        shard: u16,
        mut from: u64,
        until: Option<Timestamp>,
    ) -> Result<(), Error> {
        let failed = |error: crate::log::Error| Error::refused(error.to_string(), "");
        let customer = self.state().id.clone();
        loop {
            let entries = log.read(shard, from, READ_BYTES).map_err(failed)?;
            let Some(last) = entries.last() else { return Ok(()) };
            from = last.position + 1;
            for entry in &entries {
                if until.is_some_and(|until| until < entry.appended_at) {
                    return Ok(());
                }
                let Ok(record) = Record::parse(&entry.record) else { continue };
                let mine = match record.subject() {
                    Subject::Customer(other) => other == customer.as_str(),
                    Subject::Everyone => true,
                };
                if mine {
                    // What the worker refused is among the dead letters.
                    drop(self.record(&record, entry.appended_at, entry.position));
                }
            }
        }
    }

    fn known_or_refused(self, customer: &str, at: Option<Timestamp>) -> Result<Self, Error> {
        if !self.is_heard() {
            let when = at.map(|at| format!(" until {at}")).unwrap_or_default();
            let what = format!("nothing was ever heard of a customer `{customer}`{when}");
            return Err(Error::refused(what, "ids are compared letter by letter"));
        }
        Ok(self)
    }
}
