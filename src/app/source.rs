//! Answers for the API: from the owners of the shards, the store, and the catalog in force.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::broadcast;

use super::books::{blocking, encoded};
use super::home::{Keep, Shown};
use super::hub::Hub;
use super::models::Noticed;
use crate::api::source::{
    Answer, CatalogView, DecisionFilter, Failure, Live, ModelView, OperationView, OrderGiven, Page,
    PreferenceChange, RampView, Source, SuppressionAnswer, SuppressionChange, SuppressionView,
    TaskFilter, TaskOnly, TaskWish, TriggerView,
};
use crate::catalog::Catalogs;
use crate::clock::Shared as Clock;
use crate::decode::{PreferenceRecord, Record, shard_of};
use crate::dispatch::in_app::InApp;
use crate::engine::catalog::{Catalog, Kind, Sending, TriggerState};
use crate::engine::customer::{CustomerState, EVIDENCE_BYTES_MAX};
use crate::engine::decision::VerdictKind;
use crate::engine::id::{CustomerId, DecisionId};
use crate::engine::input::Answer as ConsentAnswer;
use crate::engine::operation::Scope;
use crate::engine::policy::Share;
use crate::engine::ramp::Ramp;
use crate::engine::slot::TriggerSlot;
use crate::engine::time::Timestamp;
use crate::log;
use crate::log::appender::Appender;
use crate::store::explain::Explainer;
use crate::store::record::{DeadLetter, DecisionRecord, InboxRow, TaskRecord};
use crate::store::view::{CustomerFilter, CustomerLine, CustomerPage, CustomerSort, Funnel};
use crate::store::{self, Store};
use crate::telemetry;
use crate::worker::{Shard, Workers, workers};

/// Most dead letters given out at a time.
const DEAD_LETTERS_MAX: usize = 500;
/// Where an answer was given when the one who records it does not say.
const CONSENT_SOURCE: &str = "api";

/// What the API reads from.
pub(super) struct Answers {
    pub(super) store: Arc<Store>,
    pub(super) appender: Appender,
    pub(super) workers: Workers,
    pub(super) catalogs: Arc<Catalogs>,
    pub(super) clock: Clock,
    pub(super) hub: Arc<Hub>,
    pub(super) in_app: InApp,
    pub(super) keep: Option<Keep>,
    pub(super) shown: Shown,
    pub(super) noticed: Arc<Noticed>,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Source for Answers {
    fn customers(
        &self,
        filter: CustomerFilter,
        sort: CustomerSort,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<CustomerLine>> {
        Box::pin(async move {
            let page = self.workers.customers(filter, sort, after.as_deref(), limit).await;
            page.map(page_of).map_err(unanswered)
        })
    }

    fn customer(&self, id: String) -> Answer<'_, CustomerPage> {
        Box::pin(async move {
            let page = self.workers.customer(&id).await.map_err(unanswered)?;
            let mut page = page.ok_or_else(|| nobody(&id))?;
            page.suppressed = self.suppressed(&page.traits);
            page.confirming = self.read(move |store| store.confirming(&id)).await?;
            Ok(page)
        })
    }

    fn explain(&self, customer: String, trigger: Option<String>) -> Answer<'_, String> {
        Box::pin(async move {
            let now = self.clock.now();
            let (id, only) = (customer.clone(), trigger.clone());
            let look = move |shard: &Shard, state: Option<&CustomerState>| match state {
                Some(state) => story(shard, state, trigger.as_deref(), now),
                None => Err(nobody(&id)),
            };
            let mut told = self.workers.inspect(&customer, look).await.map_err(unanswered)??;
            if let Some(page) = self.workers.customer(&customer).await.map_err(unanswered)? {
                told.push_str(&self.suppressed_words(&page.traits));
            }
            let waiting = self.read(move |store| store.confirming(&customer)).await?;
            let waiting = waiting
                .iter()
                .filter(|view| only.as_ref().is_none_or(|only| *only == view.trigger));
            told.extend(waiting.map(|view| format!("  {}\n", view.sentence())));
            Ok(told)
        })
    }

    fn decisions(
        &self,
        filter: DecisionFilter,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<DecisionRecord>> {
        Box::pin(async move {
            let DecisionFilter { customer, trigger, verdict, reason } = filter;
            let filter = store::decisions::DecisionFilter {
                customer,
                trigger,
                verdict,
                reason,
                shards: (self.shown)(),
                ..store::decisions::DecisionFilter::default()
            };
            let found =
                self.read(move |store| store.decisions(&filter, after.as_deref(), limit)).await;
            found.map(page_of)
        })
    }

    fn decision(&self, id: String) -> Answer<'_, DecisionRecord> {
        Box::pin(async move {
            let none = || Failure::NotFound(format!("there is no decision `{id}`"));
            let parsed = DecisionId::parse(&id).ok_or_else(none)?;
            let found = self.read(move |store| store.decision(parsed)).await?;
            let found = found.filter(|record| self.is_shown(&record.customer));
            found.ok_or_else(none)
        })
    }

    fn triggers(&self) -> Answer<'_, Vec<TriggerView>> {
        Box::pin(async move {
            let catalog = self.catalogs.current();
            let shown = (self.shown)();
            let mut funnels = self.read(move |store| counts(store, shown)).await?;
            let (held, orders) = (self.held().await?, self.all_orders().await?);
            let now = self.clock.now();
            let order_of = |id: &str| {
                let scope = Scope::Trigger(id.into()).to_string();
                orders.iter().find(|order| order.in_force && order.scope == scope).cloned()
            };
            Ok(catalog
                .triggers
                .iter()
                .map(|trigger| {
                    let id = trigger.id.as_str();
                    TriggerView {
                        id: id.to_owned(),
                        kind: kind(trigger.kind).to_owned(),
                        about: trigger.about.to_string(),
                        owner: trigger.owner.to_string(),
                        enabled: trigger.state == TriggerState::Enabled,
                        held: held.get(id).copied().unwrap_or_default(),
                        order: order_of(id),
                        ramp: trigger.ramp.as_ref().map(|ramp| stage(ramp, now)),
                        version: trigger.version.to_string(),
                        place: format!("{}:{}", trigger.place.file, trigger.place.line),
                        funnel: funnels.remove(id).unwrap_or_else(|| Funnel::new(id)),
                    }
                })
                .collect())
        })
    }

    fn models(&self) -> Vec<ModelView> {
        self.noticed.tell(&self.catalogs.current())
    }

    fn catalog(&self) -> CatalogView {
        view(&self.catalogs)
    }

    fn tasks(
        &self,
        filter: TaskFilter,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<TaskRecord>> {
        Box::pin(async move {
            let TaskFilter { state, assigned_to, customer, team, only } = filter;
            let (shards, now) = ((self.shown)(), self.clock.now());
            let filter = store::tasks::TaskFilter {
                state,
                assigned_to,
                customer,
                team,
                shards,
                unassigned: only == Some(TaskOnly::Unassigned),
                overdue_at: (only == Some(TaskOnly::Overdue)).then_some(now),
            };
            self.read(move |store| store.tasks(&filter, after.as_deref(), limit)).await.map(page_of)
        })
    }

    fn change_task(&self, id: String, wish: TaskWish) -> Answer<'_, TaskRecord> {
        Box::pin(self.wish(id, wish))
    }

    fn change_preference(&self, customer: String, change: PreferenceChange) -> Answer<'_, ()> {
        Box::pin(async move {
            check_id(&customer)?;
            let catalog = self.catalogs.current();
            let records = preferences(&catalog, &customer, &change)?;
            let shard = shard_of(&customer, self.store.shards());
            self.appender
                .append(shard, records)
                .await
                .map(drop)
                .map_err(|error| not_durable(&error))
        })
    }

    fn operations(&self) -> Answer<'_, Vec<OperationView>> {
        Box::pin(self.all_orders())
    }

    fn operate(&self, order: OrderGiven) -> Answer<'_, OperationView> {
        Box::pin(self.give(order))
    }

    fn suppressions(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<SuppressionView>> {
        Box::pin(self.all_suppressions(after, limit))
    }

    fn suppress(&self, change: SuppressionChange) -> Answer<'_, SuppressionAnswer> {
        Box::pin(self.change_suppressions(change))
    }

    fn erase(&self, customer: String) -> Answer<'_, ()> {
        Box::pin(async move {
            check_id(&customer)?;
            let shard = shard_of(&customer, self.store.shards());
            let record = encoded(&Record::Erasure { customer: &customer });
            self.appender
                .append(shard, vec![record])
                .await
                .map(drop)
                .map_err(|error| not_durable(&error))
        })
    }

    fn dead_letters(&self, limit: usize) -> Answer<'_, Vec<DeadLetter>> {
        let limit = limit.min(DEAD_LETTERS_MAX);
        Box::pin(async move { self.read(move |store| store.dead_letters(limit)).await })
    }

    fn inbox(
        &self,
        customer: String,
        after: Option<String>,
        limit: usize,
    ) -> Answer<'_, Page<InboxRow>> {
        Box::pin(async move {
            self.check_shown(&customer)?;
            let read = move |store: &Store| store.inbox(&customer, after.as_deref(), limit);
            self.read(read).await.map(page_of)
        })
    }

    fn read_message(&self, customer: String, id: String) -> Answer<'_, InboxRow> {
        Box::pin(async move {
            self.check_shown(&customer)?;
            let none = Failure::NotFound(format!("there is no message `{id}`"));
            let now = self.clock.now();
            if let Some(keep) = &self.keep {
                return self.keep_read(keep, (customer, id), now).await?.ok_or(none);
            }
            let read = move |store: &Store| store.read_inbox(&customer, &id, now);
            self.read(read).await?.ok_or(none)
        })
    }

    fn inbox_live(&self) -> broadcast::Receiver<Arc<InboxRow>> {
        self.in_app.listen()
    }

    fn live(&self) -> broadcast::Receiver<Arc<Live>> {
        self.hub.listen()
    }
}

impl Answers {
    /// Reads from the store where it may wait for the disk.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, store::Error> + Send + 'static,
    ) -> Result<T, Failure> {
        let store = Arc::clone(&self.store);
        // The cursor is the only mistake that the one who asks can make.
        let done = blocking(move || match work(&store) {
            Err(error @ store::Error::Cursor(_)) => Ok(Err(Failure::Invalid(error.to_string()))),
            done => done.map(Ok),
        });
        done.await.map_err(Failure::Unavailable)?
    }

    /// Whether what the store has of a customer stands now.
    fn is_shown(&self, customer: &str) -> bool {
        let shard = shard_of(customer, self.store.shards());
        (self.shown)().is_none_or(|shown| shown.contains(&shard))
    }

    pub(super) fn check_shown(&self, customer: &str) -> Result<(), Failure> {
        match self.is_shown(customer) {
            true => Ok(()),
            false => Err(Failure::Unavailable(
                "the customer is on the way from another node: ask again soon".to_owned(),
            )),
        }
    }

    /// Notes that a message was read where the next owner of its customer finds it, too.
    async fn keep_read(
        &self,
        keep: &Keep,
        (customer, id): (String, String),
        now: Timestamp,
    ) -> Result<Option<InboxRow>, Failure> {
        let found = self.read(move |store| store.message(&customer, &id)).await?;
        let Some(mut row) = found else { return Ok(None) };
        if row.read_at.is_none() {
            row.read_at = Some(now.to_string());
            let change = self.store.change_of(&row);
            let change = change.map_err(|error| Failure::Unavailable(error.to_string()))?;
            if !keep(change).await {
                let what = "another node has this customer by now: ask again soon";
                return Err(Failure::Unavailable(what.to_owned()));
            }
        }
        Ok(Some(row))
    }
}

/// How far a ramp has come.
fn stage(ramp: &Ramp, now: Timestamp) -> RampView {
    let per_cent = |share: Share| f64::from(share.0) / 100.0;
    let next = ramp.next(now);
    RampView {
        share: per_cent(ramp.share(now)),
        next_share: next.map(|(_, share)| per_cent(share)),
        next_at: next.map(|(at, _)| at.to_string()),
    }
}

/// Counts by trigger of the shards that are shown.
pub(super) fn counts(
    store: &Store,
    shown: Option<BTreeSet<u16>>,
) -> Result<BTreeMap<String, Funnel>, store::Error> {
    match shown {
        Some(shown) => store.funnels_in(shown),
        None => store.funnels(),
    }
}

/// Shows the standing counts of all triggers as numbers.
pub(super) fn show(store: &Store, shown: &Shown) {
    let (Ok(all), Ok(mut funnels)) = (store.funnels(), counts(store, shown())) else {
        return;
    };
    for trigger in all.into_keys() {
        // Of shards that went, somebody else tells.
        let funnel = funnels.remove(&trigger).unwrap_or_else(|| Funnel::new(&trigger));
        let verdicts = VerdictKind::ALL.map(|kind| (kind, funnel.standing(kind)));
        telemetry::FunnelRead { trigger: &trigger, matched: funnel.matched, verdicts: &verdicts }
            .emit();
    }
}

/// What is in force, and what was tried last.
pub(super) fn view(catalogs: &Catalogs) -> CatalogView {
    let status = catalogs.status();
    CatalogView {
        revision: status.revision.to_string(),
        loaded_at: status.loaded_at.to_string(),
        faults: status.faults.clone(),
        sending: catalogs.current().sending == Sending::On,
    }
}

fn story(
    shard: &Shard,
    state: &CustomerState,
    trigger: Option<&str>,
    now: Timestamp,
) -> Result<String, Failure> {
    let explainer = Explainer::new(shard.teller(), state, now).under(shard.operations());
    if let Some(name) = trigger {
        let text = shard.catalog().find_trigger(name).and_then(|slot| explainer.trigger(slot));
        return text.ok_or_else(|| Failure::NotFound(format!("there is no trigger `{name}`")));
    }
    let mut text = explainer.customer();
    text.push_str("\ntriggers\n");
    let count = u16::try_from(shard.catalog().triggers.len()).unwrap_or(u16::MAX);
    text.extend((0..count).filter_map(|slot| explainer.summary(TriggerSlot(slot))));
    Ok(text)
}

fn preferences(
    catalog: &Catalog,
    customer: &str,
    change: &PreferenceChange,
) -> Result<Vec<bytes::Bytes>, Failure> {
    let policy = &catalog.policy;
    let purposes = policy.purposes.iter().map(|purpose| &*purpose.name);
    let purpose = known("purpose", change.purpose.as_deref(), purposes)?;
    let channels = policy.channels.iter().map(|channel| &*channel.name);
    let channel = known("channel", change.channel.as_deref(), channels)?;
    let answer = |granted| if granted { ConsentAnswer::Granted } else { ConsentAnswer::Denied };
    let source = change.source.as_deref().unwrap_or(CONSENT_SOURCE);
    let evidence = change.evidence.as_deref();
    if let Some(long) = evidence.filter(|evidence| EVIDENCE_BYTES_MAX < evidence.len()) {
        let has = long.len();
        return Err(Failure::Invalid(format!(
            "`evidence` has {has} bytes, more than {EVIDENCE_BYTES_MAX}: name the proof, keep it elsewhere"
        )));
    }
    let mut preferences = Vec::new();
    if let Some(granted) = change.granted {
        preferences.push(PreferenceRecord::Consent {
            purpose,
            channel,
            answer: answer(granted),
            source,
            evidence,
        });
    }
    if let Some(granted) = change.profiling {
        preferences.push(PreferenceRecord::Profiling { answer: answer(granted), source, evidence });
    }
    if let Some(text) = &change.pause_until {
        let until = Timestamp::parse(text).ok_or_else(|| {
            let what = "give it like 2026-03-01T12:00:00Z";
            Failure::Invalid(format!("`pause_until` is `{text}`, which is no time: {what}"))
        })?;
        preferences.push(PreferenceRecord::PauseUntil(Some(until)));
    }
    let records = preferences.into_iter();
    Ok(records.map(|preference| encoded(&Record::Preference { customer, preference })).collect())
}

/// A name that the policy knows. An answer to an unknown one would never be asked for.
fn known<'a>(
    what: &str,
    asked: Option<&'a str>,
    names: impl Iterator<Item = &'a str>,
) -> Result<Option<&'a str>, Failure> {
    let Some(asked) = asked else { return Ok(None) };
    let names: Vec<&str> = names.collect();
    if names.contains(&asked) {
        return Ok(Some(asked));
    }
    let names = names.join("`, `");
    Err(Failure::Invalid(format!("there is no {what} `{asked}`: give one of `{names}`")))
}

fn check_id(customer: &str) -> Result<(), Failure> {
    let fits = (1..=CustomerId::BYTES_MAX).contains(&customer.len());
    if fits && !customer.chars().any(char::is_control) {
        return Ok(());
    }
    let most = CustomerId::BYTES_MAX;
    Err(Failure::Invalid(format!(
        "a customer's id has 1 to {most} bytes and no control characters"
    )))
}

fn nobody(id: &str) -> Failure {
    Failure::NotFound(format!("there is no customer `{id}`"))
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Behavior => "behavior",
        Kind::Status => "status",
        Kind::Lifecycle => "lifecycle",
    }
}

fn page_of<T>(page: store::Page<T>) -> Page<T> {
    Page { items: page.items, next: page.next }
}

fn unanswered(error: workers::Error) -> Failure {
    match error {
        workers::Error::Store(error @ store::Error::Cursor(_)) => {
            Failure::Invalid(error.to_string())
        }
        error => Failure::Unavailable(error.to_string()),
    }
}

pub(super) fn not_durable(error: &log::Error) -> Failure {
    Failure::Unavailable(error.to_string())
}
