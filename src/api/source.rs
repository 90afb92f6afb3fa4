//! What the API reads from: implemented by `app` over the owners of shards and the store.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use utoipa::ToSchema;

use crate::engine::task::Wish;
use crate::store::record::{DeadLetter, DecisionRecord, InboxRow, TaskRecord};
pub use crate::store::view::SuppressionView;
use crate::store::view::{CustomerFilter, CustomerLine, CustomerPage, CustomerSort, Funnel};

/// Largest page given out.
pub const PAGE_MAX: usize = 500;
/// Page given out when none is asked for.
pub const PAGE_DEFAULT: usize = 50;

/// A page of a list. Pass `next` as `after` to get the following one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The lines.
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Which decisions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecisionFilter {
    /// Of this customer.
    pub customer: Option<String>,
    /// Of this trigger.
    pub trigger: Option<String>,
    /// With this verdict.
    pub verdict: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
}

/// Which tasks to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// In this state.
    pub state: Option<String>,
    /// Assigned to this person.
    pub assigned_to: Option<String>,
    /// About this customer.
    pub customer: Option<String>,
    /// Of this team.
    pub team: Option<String>,
    /// Only some of them.
    pub only: Option<TaskOnly>,
}

/// Which tasks people look for most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskOnly {
    /// Not done although they should be.
    Overdue,
    /// Nobody has them.
    Unassigned,
}

/// What a person wants of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskWish {
    /// Who.
    pub by: String,
    /// In their own words.
    pub note: Option<String>,
    /// What.
    pub what: Wish,
}

/// A trigger in force and what it has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TriggerView {
    /// Its name.
    pub id: String,
    /// `behavior`, `status` or `lifecycle`.
    pub kind: String,
    /// What it is for.
    pub about: String,
    /// Who answers for it.
    pub owner: String,
    /// Whether it is switched on.
    pub enabled: bool,
    /// How many of its decisions wait because an operator holds them.
    #[serde(default)]
    pub held: u64,
    /// The order in force that holds or stops this very trigger; `by` is `breaker` where a breaker
    /// gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OperationView>,
    /// How far its ramp has come; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<RampView>,
    /// Hash of its file.
    pub version: String,
    /// `file:line`.
    pub place: String,
    /// Its counts.
    pub funnel: Funnel,
}

/// How far a trigger has come on its way to everybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RampView {
    /// The part of all to whom it comes now, in per cent: 0 before it begins, 100 when it is over.
    pub share: f64,
    /// The part to whom it comes next; absent when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_share: Option<f64>,
    /// When that is (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<String>,
}

/// An order of an operator, as it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderGiven {
    /// `pause` holds what fires and what waits; `stop` suppresses what fires and cancels what
    /// waits; `resume` ends both for the same scope.
    pub order: String,
    /// `everything`, `purpose:<name>` or `trigger:<id>`.
    pub scope: String,
    /// When it ends by itself: `30m`, `2h`, up to 30d; a day if not given.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    /// Who gives it.
    pub by: String,
    /// Why.
    pub why: String,
}

/// An order of an operator, as it stands in the shards of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperationView {
    /// Its id.
    pub id: String,
    /// `pause`, `stop` or `resume`.
    pub order: String,
    /// `everything`, `purpose:<name>` or `trigger:<id>`.
    pub scope: String,
    /// Who gave it.
    pub by: String,
    /// Why.
    pub why: String,
    /// When it was taken in.
    pub since: String,
    /// When it ends by itself.
    pub until: String,
    /// Whether it holds or stops something now.
    pub in_force: bool,
    /// When a `resume` ended it.
    pub ended: Option<String>,
    /// Decisions whose wait it ended: cancelled by a `stop`, let go on by a `resume`.
    pub moved: u64,
    /// How many shards of this node know it.
    pub shards: usize,
}

/// A model in force, and what was noticed of it at the last look, every ten minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ModelView {
    /// Its name.
    pub name: String,
    /// Where its scores come from: `scorecard`, `learned`, `stand_in` (a scorecard speaks while the
    /// model may not) or `pushed`.
    pub source: String,
    /// What it says, where it is learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Hash of its file.
    pub version: String,
    /// Days before today of which scores are kept.
    pub days: u16,
    /// How far scores and features have drifted from those that it was learned from.
    pub drift: Vec<DriftView>,
    /// Days since what it knows ends, where its file says how often it should be learned anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_days: Option<f64>,
    /// Whether it should be learned anew by now.
    pub is_due: bool,
    /// The challenger that is watched beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenger: Option<ChallengerView>,
}

/// How far something has drifted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftView {
    /// `score`, or the name of a feature.
    pub of: String,
    /// Its population stability index.
    pub psi: f64,
    /// From where on it has drifted.
    pub line: f64,
}

/// How a challenger does against the model in force, by what both said of the same customers and
/// what came of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChallengerView {
    /// `logistic` or `trees`.
    pub method: String,
    /// Predictions of both whose labels are known.
    pub closed: u64,
    /// The challenger's log-loss less that of the model in force: below 0 it is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_loss_difference: Option<f64>,
    /// Its standard error, predictions of one customer taken together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// Calibration errors of the model in force and of the challenger.
    pub calibration_errors: Vec<f64>,
    /// Whether it is clearly better, in both halves of the time, as honest, and by enough cases.
    pub is_better: bool,
}

/// The catalog in force, and the last attempt to load another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogView {
    /// Hash over all files in force.
    pub revision: String,
    /// When they were loaded (RFC 3339).
    pub loaded_at: String,
    /// Faults of a newer set that was refused; empty when the files in force are the files on disk.
    pub faults: Vec<String>,
    /// Whether outreach really leaves.
    pub sending: bool,
}

/// One line of the live stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Live {
    /// A decision was made or changed.
    Decision(Box<DecisionRecord>),
    /// A task was opened or changed.
    Task(Box<TaskRecord>),
    /// The catalog was reloaded or refused.
    Catalog(CatalogView),
}

/// A change of a customer's preferences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreferenceChange {
    /// The purpose; absent for all.
    #[serde(default)]
    pub purpose: Option<String>,
    /// The channel; absent for all.
    #[serde(default)]
    pub channel: Option<String>,
    /// Yes or no to it.
    #[serde(default)]
    pub granted: Option<bool>,
    /// No outreach but exempt purposes until then (RFC 3339); `null` is no change.
    #[serde(default)]
    pub pause_until: Option<String>,
    /// Whether scores may decide about what is written to the customer.
    #[serde(default)]
    pub profiling: Option<bool>,
    /// Where the answer was given.
    #[serde(default)]
    pub source: Option<String>,
    /// What proves it (a form's version, the hash of an IP address, the id of a double opt-in): at most
    /// 256 bytes.
    #[serde(default)]
    pub evidence: Option<String>,
}

/// What is wanted of the list of addresses that are not written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionAction {
    /// Put addresses there.
    Add,
    /// Take them off, whatever put them there.
    Remove,
    /// Say which are there.
    Check,
}

/// A change of the list of addresses that are not written to, or a question about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuppressionChange {
    /// What is wanted.
    pub action: SuppressionAction,
    /// The channel.
    pub channel: String,
    /// The purpose; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The addresses, at most 1000. They are hashed before they are kept.
    pub addresses: Vec<String>,
    /// Who asks for it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Entries of the list, as they stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SuppressionAnswer {
    /// What was changed or found.
    pub entries: Vec<SuppressionView>,
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The question itself is wrong.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be, as things stand.
    #[error("{0}")]
    Conflict(String),
    /// Not now: overloaded, starting or stopping.
    #[error("{0}")]
    Unavailable(String),
}

/// An answer, later.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, Failure>>;

/// What the API asks.
pub trait Source: Send + Sync + 'static {
    /// A page of customers.
    fn customers(
        &self,
        filter: CustomerFilter,
        sort: CustomerSort,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<CustomerLine>>;

    /// One customer.
    fn customer(&self, id: String) -> Answer<'_, CustomerPage>;

    /// Why a trigger did or did not act for a customer, as text.
    fn explain(&self, customer: String, trigger: Option<String>) -> Answer<'_, String>;

    /// A page of decisions, newest first.
    fn decisions(
        &self,
        filter: DecisionFilter,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<DecisionRecord>>;

    /// One decision.
    fn decision(&self, id: String) -> Answer<'_, DecisionRecord>;

    /// All triggers in force.
    fn triggers(&self) -> Answer<'_, Vec<TriggerView>>;

    /// The models in force, and what was noticed of them.
    fn models(&self) -> Vec<ModelView>;

    /// The catalog in force.
    fn catalog(&self) -> CatalogView;

    /// A page of tasks, newest first.
    fn tasks(
        &self,
        filter: TaskFilter,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<TaskRecord>>;

    /// Fulfils a wish about a task, or says why it cannot be; `done` is also an event `Task Closed` of
    /// the customer.
    fn change_task(&self, id: String, wish: TaskWish) -> Answer<'_, TaskRecord>;

    /// Records a consent, refusal or pause. Answers once it is durable.
    fn change_preference(&self, customer: String, change: PreferenceChange) -> Answer<'_, ()>;

    /// Orders of operators that are remembered, newest first.
    fn operations(&self) -> Answer<'_, Vec<OperationView>>;

    /// Gives an order. Answers once it is durable and the shards here have taken it in.
    fn operate(&self, order: OrderGiven) -> Answer<'_, OperationView>;

    /// Addresses that are not written to, hashed.
    fn suppressions(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<SuppressionView>>;

    /// Changes the list of them, or says which are there. Answers once it is durable.
    fn suppress(&self, change: SuppressionChange) -> Answer<'_, SuppressionAnswer>;

    /// Forgets a customer. Answers once the wish is durable.
    fn erase(&self, customer: String) -> Answer<'_, ()>;

    /// Refused inputs, newest first.
    fn dead_letters(&self, limit: usize) -> Answer<'_, Vec<DeadLetter>>;

    /// A page of a customer's in-app messages, newest first.
    fn inbox(
        &self,
        customer: String,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<InboxRow>>;

    /// Notes that a message was read; the first time counts.
    fn read_message(&self, customer: String, id: String) -> Answer<'_, InboxRow>;

    /// In-app messages of all customers from now on.
    fn inbox_live(&self) -> broadcast::Receiver<Arc<InboxRow>>;

    /// What happens from now on.
    fn live(&self) -> broadcast::Receiver<Arc<Live>>;
}
