//! What is kept of decisions, sends and tasks: the serialisable twins of the engine's values.
//!
//! They are stored as JSON, so that fields can be added and old records stay readable, and the
//! API gives them out as they are.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::task_record::{
    EarlierTask, ScoreRecord, TaskContext, TaskEntry, TaskLinks, TaskRecord, TaskRefused,
};

/// A decision as it stands: one per id, rewritten when its verdict changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionRecord {
    /// The decision id, 32 hexadecimal digits.
    pub id: String,
    /// The customer.
    pub customer: String,
    /// The trigger.
    pub trigger: String,
    /// What made it the only one of its cause.
    pub occurrence: String,
    /// When the cause occurred (RFC 3339).
    pub caused_at: String,
    /// When it was first decided (RFC 3339).
    pub decided_at: String,
    /// When its verdict last changed (RFC 3339).
    pub ruled_at: String,
    /// `sent`, `task`, `held_out`, `suppressed`, `deferred`, `expired`, `cancelled`, `unknown`.
    pub verdict: String,
    /// The closed reason, for all but `sent` and `task`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The reason's sentence, made concrete: "cap `marketing: 3 per rolling 7d` is held by ...".
    pub why: String,
    /// For `deferred`: when it is decided again (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The purpose; none for tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The channel chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// The offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<String>,
    /// The arm, `holdout` included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<String>,
    /// The rendered message by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<Field>,
    /// Each condition with the values it saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<ConditionRecord>,
    /// Each rule of the governor up to the one that decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleRecord>,
    /// Earlier verdicts of this decision, oldest first (at most 16).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastVerdict>,
    /// The versions that made it.
    pub versions: Versions,
    /// Whether it was decided while sending was off.
    pub dry_run: bool,
}

/// A field of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Field {
    /// `title`, `subject`, `body`, ...
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A condition and what it saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConditionRecord {
    /// As written.
    pub text: String,
    /// `file:line:column`.
    pub place: String,
    /// `true`, `false` or `missing`.
    pub outcome: String,
    /// Each name in it with its value; `null` is missing.
    #[schema(value_type = Vec<Object>)]
    pub seen: Vec<Seen>,
}

/// A name and the value it had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// `customer.plan`, `count("Logged In", "14d")`, ...
    pub name: String,
    /// Its value; `null` is missing.
    #[schema(value_type = Object)]
    pub value: serde_json::Value,
}

/// A rule of the governor and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleRecord {
    /// `enabled`, `expiry`, `suppression`, ...
    #[schema(value_type = String)]
    pub rule: Cow<'static, str>,
    /// Whether it let the outreach pass.
    pub passed: bool,
    /// What it looked at, in a sentence; empty when there is nothing to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// A verdict that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PastVerdict {
    /// When it was ruled (RFC 3339).
    pub at: String,
    /// The verdict.
    pub verdict: String,
    /// Its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For `deferred`: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// The versions that made a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Versions {
    /// Hash of the trigger's file.
    #[schema(value_type = String)]
    pub trigger: Arc<str>,
    /// Hash of the policy.
    #[schema(value_type = String)]
    pub policy: Arc<str>,
    /// Hash of the whole catalog.
    #[schema(value_type = String)]
    pub catalog: Arc<str>,
    /// Version of this program.
    #[schema(value_type = String)]
    pub engine: Cow<'static, str>,
}

/// A send that is committed and not yet acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as it is stored")]
pub struct OutboxRow {
    /// The decision id: idempotency key of every attempt.
    pub decision: String,
    /// The shard that owns the customer.
    pub shard: u16,
    /// The customer.
    pub customer: String,
    /// The trigger.
    pub trigger: String,
    /// The channel.
    pub channel: String,
    /// The address, where the channel needs one.
    pub address: Option<String>,
    /// The purpose.
    pub purpose: String,
    /// When it was decided, in milliseconds since the epoch.
    pub decided_at_ms: i64,
    /// After this it must not leave, in milliseconds since the epoch.
    pub expires_at_ms: i64,
    /// The offer.
    pub offer: Option<String>,
    /// The arm.
    pub arm: Option<String>,
    /// The locale of the message.
    pub locale: String,
    /// The rendered message: the same bytes at every attempt.
    pub content: Vec<Field>,
    /// Attempts begun: an intent is committed before the call it stands for.
    pub attempt: u32,
    /// Whether an attempt was begun whose result is not known.
    pub in_flight: bool,
    /// How often the other side was asked, or is about to be, whether that attempt arrived.
    #[serde(default)]
    pub asks: u32,
    /// What the other side took and a person has yet to confirm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirming: Option<Confirming>,
    /// Not before this, in milliseconds since the epoch (retry schedule).
    pub next_at_ms: i64,
    /// Whether it was decided while sending was off: it never leaves, also when sending is on now.
    #[serde(default)]
    pub dry_run: bool,
}

/// A send that goes out when a person on the other side confirms it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirming {
    /// By what name the other side knows it.
    pub name: String,
    /// Who is to confirm it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Since when, in milliseconds since the epoch.
    #[serde(default)]
    pub since_ms: i64,
    /// How often it is asked, in milliseconds.
    pub every_ms: i64,
    /// Until when, in milliseconds since the epoch.
    pub until_ms: i64,
}

/// An event on a timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    /// When it occurred (RFC 3339).
    pub at: String,
    /// Its name.
    pub event: String,
}

/// A contact made earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContactEntry {
    /// When (RFC 3339).
    pub at: String,
    /// By which trigger.
    pub trigger: String,
    /// On which channel.
    pub channel: String,
    /// `reserved`, `sent`, `unknown`, `ghost`, `dry_run`.
    pub kind: String,
    /// The most that its provider told of it: `delivered`, `opened`, `clicked`, `replied`,
    /// `bounced`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<String>,
}

/// An input that was refused, kept with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// When it came (RFC 3339).
    pub at: String,
    /// Where from: `http:/v1/batch`, `import`, `log`.
    pub source: String,
    /// The closed reason.
    pub reason: String,
    /// What was wrong and where.
    pub detail: String,
    /// The beginning of what came, at most 2 KiB, invalid bytes replaced.
    pub sample: String,
}

/// A message in the inbox of a customer's app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InboxRow {
    /// The decision id.
    pub id: String,
    /// The customer.
    pub customer: String,
    /// The trigger.
    pub trigger: String,
    /// When it was decided (RFC 3339).
    pub at: String,
    /// The offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<String>,
    /// The message by field.
    pub content: Vec<Field>,
    /// When it was read (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<String>,
}

/// By what a provider knows a send: how what it tells later is found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownSend {
    /// The channel.
    pub channel: String,
    /// `id:` and its name there, or `to:` and the address.
    pub name: String,
    /// The customer.
    pub customer: String,
    /// The decision.
    pub decision: String,
    /// The purpose.
    pub purpose: String,
    /// When it was taken, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The address that it went to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A unit that an arm could have made a difference to: recorded once, at the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ExposureRecord {
    /// The experiment: the trigger's name.
    pub experiment: String,
    /// The unit: a customer or an account.
    pub unit: String,
    /// The arm, `holdout` included.
    pub arm: String,
    /// When (RFC 3339).
    pub at: String,
}
