//! What owners of shards answer about customers: the shapes of the HTTP API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::record::{ContactEntry, DecisionRecord, TimelineEntry};

/// A line of the customer list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerLine {
    /// The customer.
    pub id: String,
    /// Their name, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The person in charge, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The health score, 0 (leaving) to 100 (thriving).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<f64>,
    /// Its band.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    /// Health now minus 7 days ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend_7d: Option<f64>,
    /// Health now minus 28 days ago.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trend_28d: Option<f64>,
    /// What costs most points, in plain words, worst first (at most 3).
    pub reasons: Vec<String>,
    /// Other scores by model.
    pub scores: Vec<NamedScore>,
    /// When the last event occurred (RFC 3339).
    pub last_seen: String,
    /// The last outreach that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_contact: Option<ContactEntry>,
}

/// A score by its model's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NamedScore {
    /// The model.
    pub model: String,
    /// Its value.
    pub value: f64,
    /// Its band, where the model has bands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
}

/// Everything about one customer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CustomerPage {
    /// The line of the list.
    #[serde(flatten)]
    pub line: CustomerLine,
    /// Traits as they stand.
    #[schema(value_type = Object)]
    pub traits: serde_json::Value,
    /// Each measure of the health score.
    pub contributions: Vec<ContributionView>,
    /// Health at the end of each of the last days, oldest first.
    pub health_history: Vec<DayValue>,
    /// Each score at the end of each of the days that are kept, by model, oldest first.
    pub score_history: BTreeMap<String, Vec<DayValue>>,
    /// What challengers say that are watched beside models: no trigger hears it.
    pub challengers: Vec<NamedScore>,
    /// Consent and preferences.
    pub consents: Vec<ConsentView>,
    /// Which of their addresses are on the suppression list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suppressed: Vec<SuppressionView>,
    /// Messages to them that a person on the other side has yet to confirm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confirming: Vec<ConfirmingView>,
    /// Whether scores may decide about what is written to the customer; absent when nobody said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profiling: Option<ProfilingView>,
    /// No outreach but exempt purposes until then (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused_until: Option<String>,
    /// The last events, newest first.
    pub timeline: Vec<TimelineEntry>,
    /// Contacts in the ledger, newest first.
    pub contacts: Vec<ContactEntry>,
    /// How much of each cap is used.
    pub caps: Vec<CapView>,
    /// Decided outreach that waits, and timers that are armed.
    pub upcoming: Vec<Upcoming>,
    /// Decisions, newest first (the first page of them).
    pub decisions: Vec<DecisionRecord>,
}

/// What one measure gives to the score.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContributionView {
    /// The measure.
    pub measure: String,
    /// The value measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Its points on the scale, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<f64>,
    /// Its part of the total weight.
    pub weight: f64,
    /// Weight times points: these sum to the score.
    pub contribution: f64,
    /// In plain words.
    pub plain: String,
}

/// A value of a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DayValue {
    /// `2026-03-01`.
    pub day: String,
    /// The value.
    pub value: f64,
}

/// A recorded answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsentView {
    /// The purpose, or `all`.
    pub purpose: String,
    /// The channel, or `all`.
    pub channel: String,
    /// Yes or no.
    pub granted: bool,
    /// When (RFC 3339).
    pub at: String,
    /// Where it was given.
    pub source: String,
    /// What proves it, where that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// An address that is not written to, whoever has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SuppressionView {
    /// The channel.
    pub channel: String,
    /// The purpose; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The address, hashed.
    pub hash: String,
    /// `unsubscribed`, `bounced`, `complained` or `added`.
    pub cause: String,
    /// Who said so: a decision, an operator.
    pub by: String,
    /// Since when (RFC 3339).
    pub since: String,
}

/// A message that goes out when a person on the other side confirms it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfirmingView {
    /// The decision.
    pub decision: String,
    /// Its trigger.
    pub trigger: String,
    /// The channel.
    pub channel: String,
    /// Who is to confirm it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when it waits (RFC 3339); absent where an older version did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// When it is given up (RFC 3339).
    pub until: String,
}

impl ConfirmingView {
    /// The same as a sentence.
    pub fn sentence(&self) -> String {
        let Self { trigger, channel, until, .. } = self;
        let by = self.by.as_deref().unwrap_or("a person");
        let since = self.since.as_ref().map_or(String::new(), |since| format!(" since {since}"));
        format!(
            "the message of `{trigger}` on `{channel}` waits for {by} to confirm it{since}; given up at {until}"
        )
    }
}

/// What a customer said to being profiled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProfilingView {
    /// Whether scores may decide about what is written to them.
    pub granted: bool,
    /// When (RFC 3339).
    pub at: String,
    /// Where it was said.
    pub source: String,
    /// What proves it, where that was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// How much of a cap is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CapView {
    /// `marketing: 3 per rolling 7d`.
    pub cap: String,
    /// Contacts counted.
    pub used: u32,
    /// How many are allowed.
    pub at_most: u32,
    /// When one more is allowed (RFC 3339); absent when it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_at: Option<String>,
}

/// Something that will happen if nothing comes between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Upcoming {
    /// When (RFC 3339).
    pub at: String,
    /// The trigger.
    pub trigger: String,
    /// In plain words: "waits for quiet hours to end", "armed: no `Order Completed` yet".
    pub what: String,
}

/// Which customers to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerFilter {
    /// Only this band of the health score.
    pub band: Option<String>,
    /// Only this owner.
    pub owner: Option<String>,
    /// Only customers with a contact, a waiting outreach or an armed timer of this trigger.
    pub trigger: Option<String>,
    /// Only ids and names that contain this text, ignoring case.
    pub search: Option<String>,
}

/// In which order to list customers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CustomerSort {
    /// Most at risk first.
    #[default]
    Risk,
    /// By id.
    Id,
    /// Most recently seen first.
    LastSeen,
}

/// The counts of one trigger since the store began. `matched` is the sum of all others, always.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Funnel {
    /// The trigger.
    pub trigger: String,
    /// Decisions made.
    pub matched: u64,
    /// Sent.
    pub sent: u64,
    /// Handed to a person.
    pub task: u64,
    /// Held out.
    pub held_out: u64,
    /// Suppressed.
    pub suppressed: u64,
    /// Waiting now.
    pub deferred: u64,
    /// Expired.
    pub expired: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Unknown.
    pub unknown: u64,
    /// Suppressed, deferred, held out, expired and cancelled by reason.
    pub reasons: Vec<ReasonCount>,
}

/// How often a reason decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonCount {
    /// The reason.
    pub reason: String,
    /// How often.
    pub count: u64,
}
