//! What the service says about itself: log lines, metrics, and the catalogue of facts behind both.
//!
//! No label and no log line of level INFO or above ever carries a customer's id, an address or the
//! text of a message: they belong to the decision records, which are guarded and expire.

mod budgets;
mod facts;
mod metric;
mod orders;
mod receipts;
mod tasks;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use budgets::BudgetStands;
pub use facts::*;
pub use orders::OrderStands;
pub use receipts::ReceiptTaken;
pub use tasks::TasksStand;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line, for machines.
    Json,
}

impl LogFormat {
    /// For people on a terminal, for machines otherwise.
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Human } else { Self::Json }
    }
}

/// What is logged unless the filter says otherwise.
const FILTER_DEFAULT: &str = "warn,heedful=info";

/// Starts logging to standard error. Does nothing when it was started before.
///
/// # Errors
/// When the filter cannot be read.
pub fn start_logging(format: LogFormat, filter: Option<&str>) -> Result<(), String> {
    let filter = filter.unwrap_or(FILTER_DEFAULT);
    let targets: Targets = filter.parse().map_err(|error| {
        format!("the log filter `{filter}` is wrong: {error} (try `info` or `heedful=debug`)")
    })?;
    let filtered = tracing_subscriber::registry().with(targets);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    let started = match format {
        LogFormat::Human => {
            let lines = lines.with_ansi(io::stderr().is_terminal()).compact();
            filtered.with(lines).try_init()
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            filtered.with(lines).try_init()
        }
    };
    // A second service in one process (the demo in a test) keeps the first one's log.
    drop(started);
    Ok(())
}

/// The numbers of this process, ready to be shown.
#[derive(Clone, Debug)]
pub struct Metrics {
    // None when another recorder was there first: then there is nothing of ours to show.
    handle: Option<PrometheusHandle>,
}

impl Metrics {
    /// Starts counting, once a process.
    pub fn start() -> Self {
        static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
        let handle = HANDLE.get_or_init(|| {
            let recorder = metric::with_buckets(PrometheusBuilder::new()).build_recorder();
            let handle = recorder.handle();
            let installed = metrics::set_global_recorder(recorder).is_ok();
            metric::describe();
            installed.then_some(handle)
        });
        Self { handle: handle.clone() }
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        self.handle.as_ref().map(PrometheusHandle::render).unwrap_or_default()
    }

    /// Folds what has been measured since the last time; to be called every few seconds, so that
    /// histograms do not grow while nobody reads them.
    pub fn keep_up(&self) {
        if let Some(handle) = &self.handle {
            handle.run_upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decision::{Reason, VerdictKind};

    #[test]
    fn facts_become_numbers_under_their_names() {
        let metrics = Metrics::start();
        let verdict = VerdictKind::Suppress;
        let fact =
            Ruled { trigger: "t-facts", verdict, reason: Some(Reason::Capped), replaces: None };
        fact.emit();
        fact.emit();
        let fact = Ruled { replaces: Some(VerdictKind::Defer), ..fact };
        fact.emit();
        FunnelRead { trigger: "t-facts", matched: 5, verdicts: &[(VerdictKind::Send, 3)] }.emit();
        let text = metrics.render();
        for line in [
            "heedful_matched_total{trigger=\"t-facts\"} 2",
            "heedful_decisions_total{trigger=\"t-facts\",verdict=\"suppressed\",reason=\"capped\"} 3",
            "heedful_funnel{trigger=\"t-facts\",verdict=\"sent\"} 3",
            "heedful_funnel_imbalance{trigger=\"t-facts\"} 2",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_wrong_filter_is_told() {
        assert!(start_logging(LogFormat::Json, Some("heedful=loud")).unwrap_err().contains("loud"));
    }
}
