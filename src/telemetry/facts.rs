//! The catalogue of facts: one struct each, whose `emit` writes its log line and moves its metric.
//!
//! WARN: nothing is lost, but someone should look. ERROR: someone must act.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use super::metric;
use crate::engine::decision::{Reason, VerdictKind};
use crate::engine::time::Span;

/// Events were accepted and are durable.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// The route or importer they came by: one of a closed list.
    pub source: &'static str,
    /// How many.
    pub count: u64,
}

impl Accepted {
    /// Counts it.
    pub fn emit(self) {
        counter!(metric::EVENTS, "source" => self.source).increment(self.count);
    }
}

/// Inputs were refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// The closed reason.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

impl Refused {
    /// Counts it.
    pub fn emit(self) {
        tracing::debug!(reason = self.reason, count = self.count, "input refused");
        counter!(metric::REFUSED, "reason" => self.reason).increment(self.count);
    }
}

/// A refused input was kept with its reason.
#[derive(Clone, Copy, Debug)]
pub struct DeadLettered {
    /// The closed reason.
    pub reason: &'static str,
}

impl DeadLettered {
    /// Counts it.
    pub fn emit(self) {
        counter!(metric::DEAD_LETTERS, "reason" => self.reason).increment(1);
    }
}

/// A shard heard its source again after a silence longer than the policy's `blind_after`.
#[derive(Clone, Copy, Debug)]
pub struct SourceSilent {
    /// The shard.
    pub shard: u16,
    /// How long it heard nothing.
    pub silence: Span,
}

impl SourceSilent {
    /// Says so and counts the time.
    pub fn emit(self) {
        let Self { shard, silence } = self;
        let seconds = u64::try_from(silence.as_millis() / 1_000).unwrap_or_default();
        counter!(metric::SILENT, "shard" => shard.to_string()).increment(seconds);
        tracing::warn!(shard, %silence, "the source was silent: absences do not count that time");
    }
}

/// A ruling was committed.
#[derive(Clone, Copy, Debug)]
pub struct Ruled<'a> {
    /// The trigger.
    pub trigger: &'a str,
    /// Its verdict.
    pub verdict: VerdictKind,
    /// Its reason.
    pub reason: Option<Reason>,
    /// The verdict it replaces; none for a new decision.
    pub replaces: Option<VerdictKind>,
}

impl Ruled<'_> {
    /// Counts it.
    pub fn emit(self) {
        if self.replaces.is_none() {
            counter!(metric::MATCHED, "trigger" => self.trigger.to_owned()).increment(1);
        }
        counter!(
            metric::DECISIONS,
            "trigger" => self.trigger.to_owned(),
            "verdict" => self.verdict.as_str(),
            "reason" => self.reason.map_or("", Reason::as_str),
        )
        .increment(1);
    }
}

/// A task changed.
#[derive(Clone, Copy, Debug)]
pub struct TaskTurned<'a> {
    /// The trigger that asked for it.
    pub trigger: &'a str,
    /// What happened to it: one of a closed list.
    pub what: &'static str,
    /// How long it took until somebody acknowledged it, if that is what happened.
    pub took: Option<Span>,
}

impl TaskTurned<'_> {
    /// Counts it.
    pub fn emit(self) {
        let trigger = self.trigger.to_owned();
        counter!(metric::TASKS, "trigger" => trigger, "what" => self.what).increment(1);
        if let Some(took) = self.took {
            let millis = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
            histogram!(metric::TASK_ACK).record(f64::from(millis) / 1_000.0);
        }
    }
}

/// The standing counts of a trigger were read from the store.
#[derive(Clone, Copy, Debug)]
pub struct FunnelRead<'a> {
    /// The trigger.
    pub trigger: &'a str,
    /// Decisions made.
    pub matched: u64,
    /// Decisions by the verdict they have now.
    pub verdicts: &'a [(VerdictKind, u64)],
}

impl FunnelRead<'_> {
    /// Shows it, and by how much it fails to add up.
    pub fn emit(self) {
        let mut sum = 0_u64;
        for (verdict, count) in self.verdicts {
            sum = sum.saturating_add(*count);
            gauge!(
                metric::FUNNEL,
                "trigger" => self.trigger.to_owned(),
                "verdict" => verdict.as_str(),
            )
            .set(float(*count));
        }
        let imbalance = float(self.matched) - float(sum);
        gauge!(metric::IMBALANCE, "trigger" => self.trigger.to_owned()).set(imbalance);
        if self.matched != sum {
            tracing::error!(
                trigger = self.trigger,
                matched = self.matched,
                sum,
                "the verdicts of a trigger do not add up to its matches: this is a defect"
            );
        }
    }
}

/// A batch of inputs was applied.
#[derive(Clone, Copy, Debug)]
pub struct BatchApplied {
    /// The shard.
    pub shard: u16,
    /// Inputs in it.
    pub inputs: u64,
    /// Entries of the log still to come.
    pub behind: u64,
    /// Age of its last input, while the shard is behind; zero when it has caught up.
    pub lag: Duration,
}

impl BatchApplied {
    /// Counts it.
    pub fn emit(self) {
        let shard = self.shard.to_string();
        counter!(metric::APPLIED, "shard" => shard.clone()).increment(self.inputs);
        gauge!(metric::BEHIND, "shard" => shard.clone()).set(float(self.behind));
        gauge!(metric::LAG, "shard" => shard).set(self.lag.as_secs_f64());
    }
}

/// How far a shard is behind what others append to its log.
#[derive(Clone, Copy, Debug)]
pub struct ShardBehind {
    /// The shard.
    pub shard: u16,
    /// Messages not applied yet.
    pub messages: u64,
    /// Age of the last one that came here, while the shard is behind; zero when it has caught up.
    pub lag: Duration,
}

impl ShardBehind {
    /// Shows it.
    pub fn emit(self) {
        let shard = self.shard.to_string();
        gauge!(metric::BEHIND, "shard" => shard.clone()).set(float(self.messages));
        gauge!(metric::LAG, "shard" => shard).set(self.lag.as_secs_f64());
    }
}

/// What a shard holds in memory.
#[derive(Clone, Copy, Debug)]
pub struct ShardHolds {
    /// The shard.
    pub shard: u16,
    /// Customers.
    pub customers: u64,
    /// Timers armed.
    pub timers: u64,
}

impl ShardHolds {
    /// Shows it.
    pub fn emit(self) {
        let shard = self.shard.to_string();
        gauge!(metric::CUSTOMERS, "shard" => shard.clone()).set(float(self.customers));
        gauge!(metric::TIMERS, "shard" => shard).set(float(self.timers));
    }
}

/// A batch was committed to the store.
#[derive(Clone, Copy, Debug)]
pub struct Committed {
    /// How long it took.
    pub took: Duration,
}

impl Committed {
    /// Counts it.
    pub fn emit(self) {
        histogram!(metric::COMMIT).record(self.took.as_secs_f64());
    }
}

/// Something was flushed to disk.
#[derive(Clone, Copy, Debug)]
pub struct Flushed {
    /// `log` or `store`.
    pub what: &'static str,
}

impl Flushed {
    /// Counts it.
    pub fn emit(self) {
        counter!(metric::FSYNCS, "what" => self.what).increment(1);
    }
}

/// A call to a channel came back, or did not.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The decision.
    pub decision: &'a str,
    /// Which attempt.
    pub attempt: u32,
    /// `delivered`, `rejected`, `retry`, `unknown`.
    pub result: &'static str,
    /// What the channel said; never what was sent.
    pub why: &'a str,
    /// How long it took.
    pub took: Duration,
}

impl Called<'_> {
    /// Logs and counts it.
    pub fn emit(self) {
        let Self { channel, decision, attempt, result, why, took } = self;
        if result == "delivered" {
            tracing::debug!(channel, decision, attempt, "call accepted");
        } else {
            tracing::warn!(channel, decision, attempt, result, why, "call not accepted");
        }
        histogram!(metric::DISPATCH_SECONDS, "channel" => channel.to_owned())
            .record(took.as_secs_f64());
    }
}

/// A channel took a call and says by what name it knows it.
#[derive(Clone, Copy, Debug)]
pub struct TakenAs<'a> {
    /// The channel.
    pub channel: &'a str,
    /// The decision.
    pub decision: &'a str,
    /// The name.
    pub external_id: &'a str,
}

impl TakenAs<'_> {
    /// Logs it.
    pub fn emit(self) {
        let Self { channel, decision, external_id } = self;
        tracing::debug!(channel, decision, external_id, "call accepted under another id");
    }
}

/// A send came to its end.
#[derive(Clone, Copy, Debug)]
pub struct Settled<'a> {
    /// The channel.
    pub channel: &'a str,
    /// `delivered`, `rejected`, `unknown`, `expired`, `refused`, `dry_run`.
    pub result: &'static str,
}

impl Settled<'_> {
    /// Counts it.
    pub fn emit(self) {
        counter!(
            metric::DISPATCH, "channel" => self.channel.to_owned(), "result" => self.result
        )
        .increment(1);
    }
}

/// How many sends a channel holds in memory.
#[derive(Clone, Copy, Debug)]
pub struct OutboxHeld<'a> {
    /// The channel.
    pub channel: &'a str,
    /// How many.
    pub count: usize,
}

impl OutboxHeld<'_> {
    /// Shows it.
    pub fn emit(self) {
        gauge!(metric::OUTBOX, "channel" => self.channel.to_owned())
            .set(float(u64::try_from(self.count).unwrap_or(u64::MAX)));
    }
}

/// A channel rests after failures, or works again.
#[derive(Clone, Copy, Debug)]
pub enum ChannelState<'a> {
    /// It rests.
    Paused {
        /// The channel.
        channel: &'a str,
        /// For how long.
        rest: Duration,
        /// The last failure.
        why: &'a str,
    },
    /// It works again.
    Resumed {
        /// The channel.
        channel: &'a str,
    },
}

impl ChannelState<'_> {
    /// Logs and shows it.
    pub fn emit(self) {
        match self {
            Self::Paused { channel, rest, why } => {
                let seconds = rest.as_secs();
                tracing::warn!(channel, seconds, why, "channel rests after failures");
                gauge!(metric::BREAKER, "channel" => channel.to_owned()).set(1.0);
            }
            Self::Resumed { channel } => {
                tracing::info!(channel, "channel works again");
                gauge!(metric::BREAKER, "channel" => channel.to_owned()).set(0.0);
            }
        }
    }
}

/// The trigger files were loaded, or refused.
#[derive(Clone, Copy, Debug)]
pub enum CatalogRead<'a> {
    /// They are in force.
    Loaded {
        /// Hash over all files.
        revision: &'a str,
        /// Triggers in them.
        triggers: usize,
    },
    /// They are what is in force already.
    Unchanged,
    /// They have faults; the set before them stays in force.
    Refused {
        /// Faults.
        faults: usize,
        /// The first of them.
        first: &'a str,
    },
}

impl CatalogRead<'_> {
    /// Logs and counts it.
    pub fn emit(self) {
        match self {
            Self::Loaded { revision, triggers } => {
                tracing::info!(revision, triggers, "trigger files loaded");
                counter!(metric::RELOADS, "result" => "loaded").increment(1);
                gauge!(metric::LOAD_FAILED).set(0.0);
                gauge!(metric::TRIGGERS).set(float(u64::try_from(triggers).unwrap_or(u64::MAX)));
            }
            Self::Unchanged => gauge!(metric::LOAD_FAILED).set(0.0),
            Self::Refused { faults, first } => {
                tracing::error!(
                    faults,
                    first,
                    "trigger files refused, the set before them stays in force"
                );
                counter!(metric::RELOADS, "result" => "refused").increment(1);
                gauge!(metric::LOAD_FAILED).set(1.0);
            }
        }
    }
}

/// An HTTP request was answered.
#[derive(Clone, Debug)]
pub struct Answered<'a> {
    /// The route as declared (never the path: it may hold an id).
    pub route: &'a str,
    /// The status.
    pub status: u16,
}

impl Answered<'_> {
    /// Counts it.
    pub fn emit(self) {
        let class = match self.status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        counter!(metric::HTTP, "route" => self.route.to_owned(), "status" => class).increment(1);
    }
}

/// Somebody used the link in a message.
#[derive(Clone, Copy, Debug)]
pub struct Unsubscribed {
    /// `shown`, `done`, `forged`, `expired`, `unclear`, `failed`.
    pub result: &'static str,
}

impl Unsubscribed {
    /// Counts it.
    pub fn emit(self) {
        counter!(metric::UNSUBSCRIBED, "result" => self.result).increment(1);
    }
}

/// How many HTTP connections are open.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// How many.
    pub open: usize,
}

impl Connections {
    /// Shows it.
    pub fn emit(self) {
        gauge!(metric::CONNECTIONS).set(float(u64::try_from(self.open).unwrap_or(u64::MAX)));
    }
}

/// A count as metrics carry it; above 2^32 it stands still, which no gauge of ours reaches.
fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// How far the customers of a model are from those that it was learned from.
#[derive(Clone, Copy, Debug)]
pub struct ModelDrift<'a> {
    /// The model.
    pub model: &'a str,
    /// `score`, or a feature's name.
    pub of: &'a str,
    /// The population stability index.
    pub psi: f64,
    /// From where on somebody should look.
    pub most: f64,
    /// Whether it was beyond already when it was last looked.
    pub before: Beyond,
}

/// On which side of its line something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Where it should be.
    No,
    /// Beyond.
    Yes,
}

impl ModelDrift<'_> {
    /// Shows it, and tells when it goes beyond its line or comes back. On which side it is now.
    pub fn emit(self) -> Beyond {
        let Self { model, of, psi, most, before } = self;
        gauge!(metric::PSI, "model" => model.to_owned(), "of" => of.to_owned()).set(psi);
        let now = if psi <= most { Beyond::No } else { Beyond::Yes };
        match (before, now) {
            (Beyond::No, Beyond::Yes) => {
                tracing::warn!(model, of, psi, most, "customers have drifted away from a model");
            }
            (Beyond::Yes, Beyond::No) => {
                tracing::info!(model, of, psi, most, "customers look again as a model knows them");
            }
            (Beyond::No, Beyond::No) | (Beyond::Yes, Beyond::Yes) => {}
        }
        now
    }
}

/// How a challenger does against the model in force.
#[derive(Clone, Copy, Debug)]
pub struct Contest<'a> {
    /// The model.
    pub model: &'a str,
    /// Predictions of both whose labels are known.
    pub closed: u64,
    /// The challenger's log-loss less that of the model in force.
    pub difference: f64,
}

impl Contest<'_> {
    /// Shows it.
    pub fn emit(self) {
        let Self { model, closed, difference } = self;
        gauge!(metric::CONTEST_CLOSED, "model" => model.to_owned()).set(float(closed));
        gauge!(metric::CONTEST, "model" => model.to_owned()).set(difference);
    }
}

/// How long what a model knows is ago.
#[derive(Clone, Copy, Debug)]
pub struct ModelAge<'a> {
    /// The model.
    pub model: &'a str,
    /// Days.
    pub days: f64,
    /// How many there may be.
    pub most: f64,
}

impl ModelAge<'_> {
    /// Shows it.
    pub fn emit(self) {
        let Self { model, days, most } = self;
        gauge!(metric::AGE, "model" => model.to_owned()).set(days);
        if most < days {
            tracing::warn!(model, days, most, "a model should be learned anew: `heedful train`");
        }
    }
}
