//! How a task is told: what the person who gets it needs to know, as it is when it is decided.

use std::fmt::Write as _;

use super::{Teller, WallClock, condition, json, kind_word, told_word};
use crate::engine::catalog::{Score, TaskPriority};
use crate::engine::customer::{CustomerState, ScoreState};
use crate::engine::decision::{Decision, Task};
use crate::engine::evaluate::Scope;
use crate::engine::health;
use crate::engine::slot::TriggerSlot;
use crate::engine::task::{Stage, TaskOutcome};
use crate::engine::time::{Timestamp, Zone};
use crate::store::record::{
    ContactEntry, EarlierTask, ScoreRecord, Seen, TaskContext, TaskLinks, TaskRecord,
};

/// Scores shown, and reasons of each.
const SCORES_MAX: usize = 8;
const REASONS_MAX: usize = 5;
/// Earlier tasks shown.
const TASKS_SHOWN: usize = 10;
/// Traits under which shops say what a customer waits for.
const TICKETS: [&str; 4] = ["open_tickets", "open_ticket", "tickets", "ticket"];
/// Days over which trends are told.
const TREND_DAYS: (u16, u16) = (7, 28);

impl Teller<'_> {
    /// A task as people see it.
    pub fn task(&self, state: &CustomerState, decision: &Decision, task: &Task) -> TaskRecord {
        let contact = |(at, trigger): &(Timestamp, TriggerSlot)| {
            let known = state.ledger.iter().rev().find(|c| c.at == *at && c.trigger == *trigger);
            ContactEntry {
                at: at.to_string(),
                trigger: self.trigger(*trigger).to_owned(),
                channel: known.map(|known| self.channel(known.channel)).unwrap_or_default().into(),
                kind: known.map_or("sent", |known| kind_word(known.kind)).to_owned(),
                told: known.and_then(told_word),
            }
        };
        let include = task
            .include
            .iter()
            .map(|(name, value)| Seen { name: name.to_string(), value: json(Some(value)) });
        let opened = state.rare.tasks.iter().find(|known| known.id == task.decision);
        TaskRecord {
            id: task.decision.to_string(),
            customer: task.customer.as_str().to_owned(),
            name: state.text_trait(self.catalog.known.name).map(str::to_owned),
            trigger: self.trigger(task.trigger).to_owned(),
            list: self.channel(task.channel).to_owned(),
            assigned_to: task.assign_to.as_deref().map(str::to_owned),
            created_at: task.created_at.to_string(),
            ack_by: opened.and_then(|task| task.ack_by).map(|at| at.to_string()),
            due_at: task.due_at.map(|at| at.to_string()),
            expires_at: task.expires_at.map(|at| at.to_string()),
            priority: priority_word(task.priority).to_owned(),
            state: Stage::Open.as_str().to_owned(),
            team: task.desk.as_ref().map(|(team, _)| team.to_string()),
            title: task.title.to_string(),
            suggest: task.suggest.as_deref().map(str::to_owned),
            reasons: task.reasons.iter().map(ToString::to_string).collect(),
            timeline: task.timeline.iter().map(|entry| self.timeline(*entry)).collect(),
            contacts: task.contacts.iter().map(contact).collect(),
            include: include.collect(),
            context: Some(self.context(state, decision, task)),
            ..TaskRecord::default()
        }
    }

    fn context(&self, state: &CustomerState, decision: &Decision, task: &Task) -> TaskContext {
        let known = &self.catalog.known;
        let clock = WallClock::of(self.catalog, state);
        let own_zone = state.text_trait(known.timezone).and_then(Zone::parse);
        let ruling = decision.rulings.iter().find(|ruling| ruling.id == task.decision);
        let trigger = self.catalog.trigger(task.trigger);
        let text = |slot| state.text_trait(slot).map(str::to_owned);
        TaskContext {
            why: ruling.map(|ruling| self.why(ruling, &clock)).unwrap_or_default(),
            about: trigger.map(|trigger| trigger.about.to_string()).unwrap_or_default(),
            conditions: ruling
                .map(|ruling| ruling.conditions.iter().map(condition).collect())
                .unwrap_or_default(),
            scores: self.scores(state, task.created_at),
            tasks: self.earlier_tasks(state, task),
            open_tickets: TICKETS.iter().find_map(|name| {
                let value = state.trait_value(self.names.find_trait(name)?)?;
                Some(json(Some(value)))
            }),
            account: text(known.account),
            locale: text(known.locale),
            zone: clock.zone().to_owned(),
            zone_is_assumed: own_zone.is_none(),
            local_time: clock.say(task.created_at),
            links: links(state.id.as_str(), &task.decision.to_string()),
        }
    }

    fn scores(&self, state: &CustomerState, now: Timestamp) -> Vec<ScoreRecord> {
        let known = state.rare.scores.iter().filter_map(|score| {
            let of = self.catalog.scores.get(score.score.index())?;
            Some(self.score(state, of, score, now))
        });
        known.take(SCORES_MAX).collect()
    }

    fn score(
        &self,
        state: &CustomerState,
        of: &Score,
        score: &ScoreState,
        now: Timestamp,
    ) -> ScoreRecord {
        let scope = Scope { catalog: self.catalog, state, properties: &[], now };
        let assessed = of.source.assess(&scope);
        let reasons = assessed.as_ref().map(|assessed| health::reasons(assessed, REASONS_MAX));
        let trend = |days| health::trend(score, now, days).map(health::rounded);
        ScoreRecord {
            name: of.name.to_string(),
            value: score.value,
            was: score.was,
            band: health::band(of, score.value).map(ToString::to_string),
            trend_7d: trend(TREND_DAYS.0),
            trend_28d: trend(TREND_DAYS.1),
            reasons: reasons.iter().flatten().map(|part| part.plain.to_string()).collect(),
        }
    }

    fn earlier_tasks(&self, state: &CustomerState, task: &Task) -> Vec<EarlierTask> {
        let earlier = state.rare.tasks.iter().rev().filter(|known| known.id != task.decision);
        earlier
            .take(TASKS_SHOWN)
            .map(|known| EarlierTask {
                id: known.id.to_string(),
                trigger: self.trigger(known.trigger).to_owned(),
                state: known.stage.as_str().to_owned(),
                at: known.changed_at.to_string(),
                assigned_to: known.assigned_to.as_deref().map(str::to_owned),
                outcome: known.outcome.map(TaskOutcome::as_str).map(str::to_owned),
            })
            .collect()
    }
}

fn links(customer: &str, decision: &str) -> TaskLinks {
    let mut id = String::with_capacity(customer.len());
    for byte in customer.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            id.push(char::from(byte));
        } else {
            // Writing into memory cannot fail.
            write!(id, "%{byte:02X}").unwrap_or_default();
        }
    }
    TaskLinks {
        customer: format!("/api/v1/customers/{id}"),
        decision: format!("/api/v1/decisions/{decision}"),
        explain: format!("/api/v1/customers/{id}/explain"),
    }
}

const fn priority_word(priority: TaskPriority) -> &'static str {
    match priority {
        TaskPriority::Low => "low",
        TaskPriority::Normal => "normal",
        TaskPriority::High => "high",
        TaskPriority::Urgent => "urgent",
    }
}
