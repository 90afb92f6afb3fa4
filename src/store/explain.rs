//! Says in words why a trigger has or has not reached out to a customer: the text behind
//! `heedful explain` and the API.

mod consents;
mod pools;
mod tasks;
mod waits;

use crate::engine::catalog::{Score, ScoreSource, Trigger, TriggerState};
use crate::engine::customer::{ContactKind, CustomerState};
use crate::engine::decision::{Finding, Held, Passed, Reason, Truth, Verdict};
use crate::engine::evaluate::Scope;
use crate::engine::explain::{Explanation, explain};
use crate::engine::health;
use crate::engine::input::Told;
use crate::engine::operation::{NO_OPERATIONS, Operations};
use crate::engine::slot::TriggerSlot;
use crate::engine::time::Timestamp;
use crate::engine::value::Value;

use super::record_of::{Teller, WallClock};

/// Longest value shown whole, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// A customer at an instant, and who can tell of them.
#[derive(Clone, Debug)]
pub struct Explainer<'a> {
    teller: Teller<'a>,
    state: &'a CustomerState,
    now: Timestamp,
    clock: WallClock,
    operations: &'a Operations,
}

impl<'a> Explainer<'a> {
    /// Told in the customer's own time.
    pub fn new(teller: Teller<'a>, state: &'a CustomerState, now: Timestamp) -> Self {
        let clock = WallClock::of(teller.catalog, state);
        Self { teller, state, now, clock, operations: &NO_OPERATIONS }
    }

    /// The same under the orders of an operator.
    #[must_use]
    pub fn under(self, operations: &'a Operations) -> Self {
        Self { operations, ..self }
    }

    /// Who the customer is, and how they do.
    pub fn customer(&self) -> String {
        let (catalog, state) = (self.teller.catalog, self.state);
        let mut text = format!("customer {}", state.id);
        if let Some(name) = state.text_trait(catalog.known.name) {
            text.push_str(&format!("  {name}"));
        }
        let known = state.text_trait(catalog.known.timezone);
        let whose = if known.is_some() { "" } else { ", the policy's zone" };
        let now = self.when(self.now);
        text.push_str(&format!("\n  now         {now} in {}{whose}\n", self.clock.zone()));
        text.push_str(&format!("  first seen  {}\n", self.when(state.first_seen)));
        text.push_str(&format!("  last seen   {}\n", self.when(state.last_seen)));
        for score in &state.rare.scores {
            let Some(model) = catalog.scores.get(score.score.index()) else { continue };
            let band = health::band(model, score.value);
            let band = band.map(|band| format!(" ({band})")).unwrap_or_default();
            text.push_str(&format!("  {:<10}  {}{band}\n", model.name, score.value));
            self.reasons(model, &mut text);
        }
        self.consents(&mut text);
        self.tasks(&mut text);
        self.pools(&mut text);
        text
    }

    /// What a learned model sees in the customer now, the strongest first.
    fn reasons(&self, model: &Score, text: &mut String) {
        if let ScoreSource::StandIn(stand_in) = &model.source {
            let card = self.teller.catalog.scores.get(stand_in.card.index());
            let card = card.map(|card| &*card.name).unwrap_or_default();
            let why = &stand_in.why;
            text.push_str(&format!("    what `{card}` says, while the model may not: {why}\n"));
        }
        let ScoreSource::Learned(learned) = &model.source else { return };
        let catalog = self.teller.catalog;
        let scope = Scope { catalog, state: self.state, properties: &[], now: self.now };
        let reasons = learned.strongest(&scope);
        if reasons.is_empty() {
            text.push_str("    as it was last: the model does not judge them now\n");
        }
        for reason in &reasons {
            let (part, plain) = (reason.contribution, &reason.plain);
            text.push_str(&format!("    {part:>+6.2}  {plain}\n"));
        }
    }

    /// Everything about one trigger; `None` when there is no such trigger.
    pub fn trigger(&self, slot: TriggerSlot) -> Option<String> {
        let trigger = self.teller.catalog.trigger(slot)?;
        let explanation =
            explain(self.teller.catalog, self.state, slot, self.operations, self.now)?;
        let mut text =
            format!("trigger {}  ({})\n  {}\n", trigger.id, trigger.place, trigger.about);
        if explanation.state == TriggerState::Disabled {
            text.push_str("  it is switched off\n");
        }
        self.waits(&explanation, &mut text);
        self.conditions(trigger, &explanation, &mut text);
        self.judgement(&explanation, &mut text);
        self.past(&explanation, &mut text);
        Some(text)
    }

    /// One line about a trigger, for a list of all of them.
    pub fn summary(&self, slot: TriggerSlot) -> Option<String> {
        let trigger = self.teller.catalog.trigger(slot)?;
        Some(format!("  {:<28}  {}\n", trigger.id, self.briefly(slot)?))
    }

    /// What stands between a trigger and acting: the first thing of all that do.
    pub fn briefly(&self, slot: TriggerSlot) -> Option<String> {
        let explanation =
            explain(self.teller.catalog, self.state, slot, self.operations, self.now)?;
        let failed = explanation.first_failed.and_then(|index| explanation.conditions.get(index));
        Some(match (explanation.deferred.first(), failed) {
            (Some(waiting), _) => {
                let until = self.when(waiting.release_at);
                format!("decided, waits until {until}: {}", waiting.reason.as_str())
            }
            (None, Some(held)) => format!("`{}` does not hold: {}", held.text, seen(held)),
            (None, None) => match &explanation.judgement.verdict {
                Verdict::Send { .. } | Verdict::Task => self.first_wait(&explanation),
                verdict => format!("if it fired now: {}", self.verdict(verdict)),
            },
        })
    }

    fn first_wait(&self, explanation: &Explanation) -> String {
        let first = explanation.waits.last().map(|wait| self.wait(wait));
        first.map_or_else(|| "nothing holds it".to_owned(), |wait| format!("waits for {wait}"))
    }

    fn waits(&self, explanation: &Explanation, text: &mut String) {
        text.push_str("\n  it waits for\n");
        for wait in &explanation.waits {
            text.push_str(&format!("    {}\n", self.wait(wait)));
        }
        for waiting in &explanation.deferred {
            let (decided, until) = (self.when(waiting.decided_at), self.when(waiting.release_at));
            let reason = waiting.reason.sentence();
            text.push_str(&format!(
                "    the end of a wait: decided {decided}, held until {until}, because {reason}\n"
            ));
        }
    }

    fn conditions(&self, trigger: &Trigger, explanation: &Explanation, text: &mut String) {
        if trigger.conditions.is_empty() {
            return;
        }
        text.push_str("\n  its conditions, as they stand\n");
        for (index, held) in explanation.conditions.iter().enumerate() {
            let mark = if held.outcome == Truth::True { "yes" } else { "no " };
            text.push_str(&format!("    {mark}  {}\n", held.text));
            let first = match explanation.first_failed == Some(index) {
                true => "; the first that does not hold",
                false => "",
            };
            text.push_str(&format!("         {}{first}\n", seen(held)));
        }
    }

    fn judgement(&self, explanation: &Explanation, text: &mut String) {
        let judgement = &explanation.judgement;
        let verdict = self.verdict(&judgement.verdict);
        text.push_str(&format!("\n  if it fired now: {verdict}\n"));
        for finding in &judgement.findings {
            text.push_str(&self.finding(finding));
        }
        match explanation.free_at {
            Some(at) if at <= self.now => {}
            Some(at) => text.push_str(&format!("  next free instant: {}\n", self.when(at))),
            None => text.push_str("  next free instant: none while this stands\n"),
        }
    }

    fn finding(&self, finding: &Finding) -> String {
        let mark = if finding.passed == Passed::Yes { "yes" } else { "no " };
        let detail = self.teller.detail(finding, &self.clock);
        let line = format!("    {mark}  {:<11}  {detail}", finding.rule.as_str());
        format!("{}\n", line.trim_end())
    }

    fn past(&self, explanation: &Explanation, text: &mut String) {
        if let Some(contact) = explanation.last_contact {
            let channel = self.teller.channel(contact.channel);
            let kind = match contact.kind {
                ContactKind::Reserved => "decided, not confirmed yet",
                ContactKind::Sent => "sent",
                ContactKind::Unknown => "may have been sent",
                ContactKind::Ghost => "held out",
                ContactKind::DryRun => "while sending was off",
            };
            let at = self.when(contact.at);
            let told = match contact.told {
                Told::Nothing => String::new(),
                told => format!(", {}", told.as_str()),
            };
            text.push_str(&format!("  last contact: {at} on {channel}, {kind}{told}\n"));
        }
        if let Some(at) = explanation.acted_at {
            text.push_str(&format!("  last acted: {}\n", self.when(at)));
        }
    }

    fn verdict(&self, verdict: &Verdict) -> String {
        let held = |word: &str, reason: Reason| {
            format!("{word}: {} ({})", reason.as_str(), reason.sentence())
        };
        match verdict {
            Verdict::Send { channel } => format!("sent on {}", self.teller.channel(*channel)),
            Verdict::Task => "a task".to_owned(),
            Verdict::HoldOut { reason } => held("held out", *reason),
            Verdict::Defer { until, reason } => {
                format!("{}, until {}", held("postponed", *reason), self.when(*until))
            }
            Verdict::Suppress { reason } => held("not sent", *reason),
            Verdict::Expire { reason } => held("expired", *reason),
            Verdict::Cancel { reason } => held("cancelled", *reason),
            Verdict::Unknown { reason } => held("unknown", *reason),
        }
    }

    fn when(&self, at: Timestamp) -> String {
        self.clock.say(at)
    }
}

/// What a condition saw.
fn seen(held: &Held) -> String {
    let parts: Vec<String> = held
        .seen
        .iter()
        .map(|(name, value)| match value {
            Some(value) => format!("{name} = {}", shown(value)),
            None => format!("{name} is missing"),
        })
        .collect();
    match (parts.is_empty(), held.outcome) {
        (false, _) => parts.join(", "),
        (true, Truth::True) => "it always holds".to_owned(),
        (true, Truth::False | Truth::Missing) => "it never holds".to_owned(),
    }
}

/// A value as it would be written in a condition.
pub fn shown(value: &Value) -> String {
    let text = match value {
        Value::Bool(flag) => flag.to_string(),
        Value::Num(number) => number.to_string(),
        Value::Str(text) => format!("\"{text}\""),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}: {}", shown(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    };
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    text.chars().take(VALUE_CHARS_MAX).chain(['…']).collect()
}
