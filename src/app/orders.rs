//! Orders of operators: into the log of every shard, and what has become of them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::books::encoded;
use super::source::Answers;
use crate::api::source::{Failure, OperationView, OrderGiven};
use crate::decode::Record;
use crate::engine::catalog::Catalog;
use crate::engine::operation::{LASTS_DEFAULT, LASTS_MAX, Operation, Operations, Order, Scope};
use crate::engine::time::{Span, Timestamp};
use crate::log::Group;
use crate::store::Store;
use crate::telemetry;
use crate::worker::Shard;

/// Most characters of who gave an order, and why.
const WORDS_MAX: usize = 200;
/// How long an order is waited for at most, until the shards here have taken it in.
const TAKEN_IN: Duration = Duration::from_secs(3);
/// How often is looked meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a shard knows of orders, and what it holds because of them.
struct Known {
    operations: Operations,
    held: BTreeMap<String, u64>,
}

impl Answers {
    /// All orders that the shards here remember, newest first.
    pub(super) async fn all_orders(&self) -> Result<Vec<OperationView>, Failure> {
        let known = self.known_orders().await?;
        Ok(views(&known, self.clock.now()))
    }

    /// How many decisions wait because an operator holds them, by trigger.
    pub(super) async fn held(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let mut held = BTreeMap::new();
        for (trigger, count) in self.known_orders().await?.into_iter().flat_map(|k| k.held) {
            *held.entry(trigger).or_default() += count;
        }
        Ok(held)
    }

    /// Gives an order and waits until the shards here have taken it in.
    pub(super) async fn give(&self, given: OrderGiven) -> Result<OperationView, Failure> {
        let now = self.clock.now();
        let operation = read(&given, &self.catalogs.current(), now)?;
        let id = operation.id.to_string();
        if operation.order == Order::Resume {
            let known = self.known_orders().await?;
            let standing = known.iter().flat_map(|known| known.operations.all());
            let same = |scope: &Scope| *scope == operation.scope;
            if !standing.clone().any(|s| s.is_in_force(now) && same(&s.operation.scope)) {
                let scope = &operation.scope;
                return Err(Failure::Invalid(format!("nothing holds or stops `{scope}`")));
            }
        }
        let record = encoded(&Record::Operation(operation));
        let groups = (0..self.store.shards())
            .map(|shard| Group { shard, records: vec![record.clone()] })
            .collect();
        self.appender.append_groups(groups).await.map_err(|error| {
            Failure::Unavailable(format!("the order is not in the log: {error}"))
        })?;
        let mut waited = Duration::ZERO;
        loop {
            let known = self.known_orders().await?;
            let told = known.iter().all(|known| knows(&known.operations, &id));
            let view = views(&known, self.clock.now()).into_iter().find(|view| view.id == id);
            if let Some(view) = view.filter(|_| told || TAKEN_IN <= waited) {
                return Ok(view);
            }
            if TAKEN_IN <= waited {
                let what = "the order is in the log, and no shard here has come to it yet";
                return Err(Failure::Unavailable(what.to_owned()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            waited += LOOK_AGAIN;
        }
    }

    async fn known_orders(&self) -> Result<Vec<Known>, Failure> {
        let look =
            |shard: &Shard| Known { operations: shard.operations().clone(), held: shard.held() };
        let known = self.workers.inspect_all(look).await;
        known.map_err(|error| Failure::Unavailable(error.to_string()))
    }
}

/// Shows the orders in force as numbers.
pub(super) fn show(store: &Store, now: Timestamp) {
    let mut all = BTreeMap::new();
    for mark in (0..store.shards()).filter_map(|shard| store.mark(shard).ok().flatten()) {
        for standing in mark.operations.all() {
            let operation = &standing.operation;
            let of = all.entry((operation.order.as_str(), operation.scope.to_string()));
            *of.or_insert(false) |= standing.is_in_force(now);
        }
    }
    for ((order, scope), in_force) in &all {
        if *order != Order::Resume.as_str() {
            telemetry::OrderStands { order, scope, in_force: u8::from(*in_force) }.emit();
        }
    }
}

fn knows(operations: &Operations, id: &str) -> bool {
    operations.all().iter().any(|standing| *standing.operation.id == *id)
}

/// The same order of all shards together, newest first.
fn views(known: &[Known], now: Timestamp) -> Vec<OperationView> {
    let mut views: Vec<(Timestamp, OperationView)> = Vec::new();
    for Known { operations, .. } in known {
        for standing in operations.all() {
            let operation = &standing.operation;
            if let Some((_, view)) = views.iter_mut().find(|(_, view)| *view.id == *operation.id) {
                view.moved += standing.moved;
                view.shards += 1;
                continue;
            }
            let view = OperationView {
                id: operation.id.to_string(),
                order: operation.order.as_str().to_owned(),
                scope: operation.scope.to_string(),
                by: operation.by.to_string(),
                why: operation.why.to_string(),
                since: standing.since.to_string(),
                until: operation.until.to_string(),
                in_force: standing.is_in_force(now),
                ended: standing.ended.map(|ended| ended.to_string()),
                moved: standing.moved,
                shards: 1,
            };
            views.push((standing.since, view));
        }
    }
    views.sort_by(|(a, left), (b, right)| b.cmp(a).then_with(|| right.id.cmp(&left.id)));
    views.into_iter().map(|(_, view)| view).collect()
}

/// An order as it was given, checked against what is in force.
fn read(given: &OrderGiven, catalog: &Catalog, now: Timestamp) -> Result<Operation, Failure> {
    let wrong = |what: String| Failure::Invalid(what);
    let order = Order::parse(&given.order).ok_or_else(|| {
        wrong(format!("`order` is `{}`: give one of pause, stop, resume", given.order))
    })?;
    let scope = Scope::parse(&given.scope).ok_or_else(|| {
        let what = "give `everything`, `purpose:<name>` or `trigger:<id>`";
        wrong(format!("`scope` is `{}`: {what}", given.scope))
    })?;
    let is_known = match (&scope, order) {
        // A trigger may be gone by now that is still held.
        (_, Order::Resume) | (Scope::Everything, _) => true,
        (Scope::Purpose(name), _) => {
            catalog.policy.purposes.iter().any(|purpose| *purpose.name == **name)
        }
        (Scope::Trigger(name), _) => catalog.find_trigger(name).is_some(),
    };
    if !is_known {
        return Err(wrong(format!("there is no `{scope}` in the files in force")));
    }
    for (name, text) in [("by", &given.by), ("why", &given.why)] {
        let fits = !text.trim().is_empty() && text.chars().count() <= WORDS_MAX;
        if !fits || text.chars().any(char::is_control) {
            let what = format!("`{name}` has 1 to {WORDS_MAX} characters, none of them a control");
            return Err(wrong(what));
        }
    }
    let lasts = match &given.lasts {
        None => LASTS_DEFAULT,
        Some(text) => Span::parse(text)
            .filter(|span| Span::ZERO < *span && *span <= LASTS_MAX)
            .ok_or_else(|| wrong(format!("`for` is `{text}`: give a time like 2h, up to 30d")))?,
    };
    let drawn = getrandom::u64().unwrap_or_default();
    Ok(Operation {
        id: format!("{:012x}{drawn:016x}", now.as_millis()).into(),
        order,
        scope,
        until: now + lasts,
        by: given.by.trim().into(),
        why: given.why.trim().into(),
    })
}
