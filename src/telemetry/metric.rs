//! Names, help texts and buckets of all metrics.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

pub(super) const EVENTS: &str = "heedful_events_total";
pub(super) const REFUSED: &str = "heedful_refused_total";
pub(super) const DEAD_LETTERS: &str = "heedful_dead_letters_total";
pub(super) const SILENT: &str = "heedful_source_silent_seconds_total";
pub(super) const MATCHED: &str = "heedful_matched_total";
pub(super) const DECISIONS: &str = "heedful_decisions_total";
pub(super) const FUNNEL: &str = "heedful_funnel";
pub(super) const IMBALANCE: &str = "heedful_funnel_imbalance";
pub(super) const TASKS: &str = "heedful_task_changes_total";
pub(super) const TASKS_NOW: &str = "heedful_tasks";
pub(super) const BUDGET_SPENT: &str = "heedful_budget_spent";
pub(super) const BUDGET_LIMIT: &str = "heedful_budget_limit";
pub(super) const BUDGET_WAITING: &str = "heedful_budget_waiting";
pub(super) const TASK_ACK: &str = "heedful_task_ack_seconds";
pub(super) const APPLIED: &str = "heedful_inputs_applied_total";
pub(super) const LAG: &str = "heedful_lag_seconds";
pub(super) const BEHIND: &str = "heedful_behind_entries";
pub(super) const CUSTOMERS: &str = "heedful_customers";
pub(super) const TIMERS: &str = "heedful_timers_pending";
pub(super) const COMMIT: &str = "heedful_commit_seconds";
pub(super) const FSYNCS: &str = "heedful_fsyncs_total";
pub(super) const DISPATCH: &str = "heedful_dispatch_total";
pub(super) const DISPATCH_SECONDS: &str = "heedful_dispatch_seconds";
pub(super) const OUTBOX: &str = "heedful_outbox_held";
pub(super) const BREAKER: &str = "heedful_channel_paused";
pub(super) const RELOADS: &str = "heedful_catalog_reloads_total";
pub(super) const LOAD_FAILED: &str = "heedful_catalog_load_failed";
pub(super) const TRIGGERS: &str = "heedful_catalog_triggers";
pub(super) const PSI: &str = "heedful_model_psi";
pub(super) const AGE: &str = "heedful_model_age_days";
pub(super) const CONTEST: &str = "heedful_model_challenger_log_loss_difference";
pub(super) const CONTEST_CLOSED: &str = "heedful_model_challenger_closed";
pub(super) const HTTP: &str = "heedful_http_requests_total";
pub(super) const UNSUBSCRIBED: &str = "heedful_unsubscribe_total";
pub(super) const RECEIPTS: &str = "heedful_receipts_total";
pub(super) const ORDERS: &str = "heedful_operations_in_force";
pub(super) const CONNECTIONS: &str = "heedful_http_connections";

/// Upper bounds of what is measured in seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// Upper bounds of what people do, in seconds: a minute to a week.
const WORK_SECONDS: [f64; 9] =
    [60.0, 300.0, 900.0, 3_600.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0, 604_800.0];

/// Histograms with our buckets, so that they can be added up over machines.
pub(super) fn with_buckets(builder: PrometheusBuilder) -> PrometheusBuilder {
    let ack = Matcher::Full(TASK_ACK.to_owned());
    let builder = builder.set_buckets_for_metric(ack, &WORK_SECONDS).unwrap_or_default();
    let suffix = Matcher::Suffix("_seconds".to_owned());
    // It fails only for an empty list of buckets, and then there are summaries instead.
    builder.set_buckets_for_metric(suffix, &SECONDS).unwrap_or_default()
}

fn describe_budgets() {
    describe_gauge!(
        BUDGET_SPENT,
        "Money spent and granted in the period of a budget, as of its last request, by budget"
    );
    describe_gauge!(BUDGET_LIMIT, "Money that a budget has in a period, by budget");
    describe_gauge!(BUDGET_WAITING, "Messages that wait for a budget, as of its last request");
}

/// The help texts.
pub(super) fn describe() {
    describe_counter!(EVENTS, "Events accepted and durable, by source");
    describe_counter!(REFUSED, "Inputs refused, by reason");
    describe_counter!(DEAD_LETTERS, "Refused inputs kept, by reason");
    describe_counter!(
        SILENT,
        "Time for which a shard's source was silent and absences did not count, by shard"
    );
    describe_counter!(MATCHED, "Decisions made, by trigger");
    describe_counter!(
        DECISIONS,
        "Rulings, by trigger, verdict and reason; a deferral that is decided again counts again"
    );
    describe_gauge!(FUNNEL, "Decisions as they stand now, by trigger and verdict");
    describe_gauge!(
        IMBALANCE,
        "Matches minus the sum over all verdicts: anything but 0 is a defect"
    );
    describe_counter!(TASKS, "Changes of tasks, by trigger and what happened");
    describe_gauge!(
        TASKS_NOW,
        "Tasks that are not done, by team and whether they are open, acked, or either and overdue"
    );
    describe_budgets();
    describe_histogram!(TASK_ACK, Unit::Seconds, "Time until a task was acknowledged");
    describe_counter!(APPLIED, "Inputs applied to customers, by shard");
    describe_gauge!(
        LAG,
        Unit::Seconds,
        "Age of the last input applied while a shard is behind its log"
    );
    describe_gauge!(AGE, "Days since what a model knows ends, where its file says `retrain`");
    describe_gauge!(
        CONTEST,
        "Log-loss of a model's challenger less that of the model in force: below 0 it is better"
    );
    describe_gauge!(CONTEST_CLOSED, "Predictions of both whose labels are known");
    describe_gauge!(
        PSI,
        "How far the customers of a model are from those that it was learned from: score and features"
    );
    describe_gauge!(BEHIND, "Entries of the log not applied yet, by shard");
    describe_gauge!(CUSTOMERS, "Customers in memory, by shard");
    describe_gauge!(TIMERS, "Timers armed, by shard");
    describe_histogram!(COMMIT, Unit::Seconds, "How long one commit of the store took");
    describe_counter!(FSYNCS, "Flushes to disk, by what was flushed");
    describe_counter!(DISPATCH, "Ends of sends, by channel and result");
    describe_histogram!(DISPATCH_SECONDS, Unit::Seconds, "How long one call took, by channel");
    describe_gauge!(OUTBOX, "Sends held in memory, by channel");
    describe_gauge!(BREAKER, "1 while a channel rests after failures");
    describe_counter!(RELOADS, "Attempts to load the trigger files, by result");
    describe_gauge!(
        LOAD_FAILED,
        "1 while the files on disk are refused and an older set is in force"
    );
    describe_gauge!(TRIGGERS, "Triggers in force");
    describe_counter!(HTTP, "HTTP requests, by route and status class");
    describe_counter!(UNSUBSCRIBED, "Uses of the links in messages, by result");
    describe_counter!(
        RECEIPTS,
        "What providers told of sends, by channel and what it was, or why it was refused"
    );
    describe_gauge!(
        ORDERS,
        "1 while an operator's order holds or stops something, by order and scope"
    );
    describe_gauge!(CONNECTIONS, "HTTP connections open");
}
