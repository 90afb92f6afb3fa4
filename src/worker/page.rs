//! What is told about a customer: the line of a list, and the whole page.

use super::customers::CustomerNumber;
use super::shard::Shard;
use crate::engine::catalog::Catalog;
use crate::engine::customer::{Contact, ContactKind, CustomerState, ScoreState};
use crate::engine::decision::{Detail, Passed};
use crate::engine::evaluate::Scope;
use crate::engine::govern;
use crate::engine::health::{self, Assessment};
use crate::engine::input::Answer;
use crate::engine::names::Names;
use crate::engine::rival::Rival;
use crate::engine::slot::TriggerSlot;
use crate::engine::time::{Span, Timestamp};
use crate::engine::timer::TimerKind;
use crate::store::record_of::{self, Teller};
use crate::store::view::{
    CapView, ConsentView, ContributionView, CustomerFilter, CustomerLine, CustomerPage, DayValue,
    NamedScore, ProfilingView, Upcoming,
};

/// Reasons shown in a line.
const REASONS_MAX: usize = 3;
/// Contacts shown on a page.
const CONTACTS_MAX: usize = 50;
/// Days of the trends shown.
const TREND_DAYS: (u16, u16) = (7, 28);

/// Whether a customer passes a filter.
pub(super) fn passes(shard: &Shard, number: CustomerNumber, filter: &CustomerFilter) -> bool {
    let Some(state) = shard.state(number).filter(|state| !state.id.is_own()) else { return false };
    let known = shard.catalog().known;
    if let Some(owner) = &filter.owner
        && state.text_trait(known.owner) != Some(owner)
    {
        return false;
    }
    if let Some(search) = &filter.search {
        let search = search.to_lowercase();
        let name = state.text_trait(known.name).unwrap_or_default();
        let found =
            [state.id.as_str(), name].iter().any(|text| text.to_lowercase().contains(&search));
        if !found {
            return false;
        }
    }
    if let Some(trigger) = &filter.trigger {
        return shard.catalog().find_trigger(trigger).is_some_and(|slot| is_touched(state, slot));
    }
    filter
        .band
        .as_ref()
        .is_none_or(|wanted| health_band(shard, state).is_some_and(|band| band == *wanted))
}

/// Whether a trigger has a contact, a waiting outreach or an armed timer here.
fn is_touched(state: &CustomerState, slot: TriggerSlot) -> bool {
    state.ledger.iter().any(|contact| contact.trigger == slot)
        || state.rare.waiting.iter().any(|waiting| waiting.trigger == slot)
        || state.timers.iter().any(|timer| trigger_of(&timer.kind) == Some(slot))
}

fn trigger_of(kind: &TimerKind) -> Option<TriggerSlot> {
    match kind {
        TimerKind::Absence { trigger, .. }
        | TimerKind::Date { trigger, .. }
        | TimerKind::Schedule { trigger } => Some(*trigger),
        TimerKind::Release { .. }
        | TimerKind::SessionEnd
        | TimerKind::Task { .. }
        | TimerKind::Desk
        | TimerKind::Rung { .. }
        | TimerKind::Rescore { .. } => None,
    }
}

fn health_score<'s>(shard: &Shard, state: &'s CustomerState) -> Option<&'s ScoreState> {
    state.score(shard.health()?.0)
}

fn health_band(shard: &Shard, state: &CustomerState) -> Option<String> {
    let known = health_score(shard, state)?;
    let score = shard.catalog().scores.get(known.score.index())?;
    health::band(score, known.value).map(ToString::to_string)
}

/// The scorecard worked out again, as of the customer's own now.
fn assessment(shard: &Shard, state: &CustomerState) -> Option<Assessment> {
    let catalog: &Catalog = shard.catalog();
    let (slot, _) = shard.health()?;
    // A customer of whom no score is known yet has none to explain.
    state.score(slot)?;
    let scope = Scope { catalog, state, properties: &[], now: state.now };
    catalog.scores.get(slot.index())?.source.assess(&scope)
}

/// The line of a customer.
pub(super) fn line(shard: &Shard, number: CustomerNumber) -> Option<CustomerLine> {
    let state = shard.state(number)?;
    Some(line_of(shard, state, assessment(shard, state).as_ref()))
}

fn line_of(shard: &Shard, state: &CustomerState, assessed: Option<&Assessment>) -> CustomerLine {
    let (catalog, teller) = (shard.catalog(), shard.teller());
    let known = health_score(shard, state);
    let trend = |days| known.and_then(|score| health::trend(score, state.now, days));
    let text = |slot| state.text_trait(slot).map(str::to_owned);
    let own = shard.health().map(|(slot, _)| slot);
    let others = state.rare.scores.iter().filter(|score| Some(score.score) != own);
    let sent = |contact: &&Contact| contact.kind != ContactKind::Ghost && contact.purpose.is_some();
    CustomerLine {
        id: state.id.as_str().to_owned(),
        name: text(catalog.known.name),
        owner: text(catalog.known.owner),
        health: known.map(|score| score.value),
        band: health_band(shard, state),
        trend_7d: trend(TREND_DAYS.0),
        trend_28d: trend(TREND_DAYS.1),
        reasons: assessed.map(reasons).unwrap_or_default(),
        scores: others.filter_map(|score| named_score(catalog, score)).collect(),
        last_seen: state.last_seen.to_string(),
        last_contact: state.ledger.iter().rev().find(sent).map(|contact| teller.contact(contact)),
    }
}

/// What costs most points, worst first.
fn reasons(assessed: &Assessment) -> Vec<String> {
    let costs = health::reasons(assessed, REASONS_MAX);
    costs.into_iter().map(|each| each.plain.to_string()).collect()
}

pub(super) fn named_score(catalog: &Catalog, score: &ScoreState) -> Option<NamedScore> {
    let of = catalog.scores.get(score.score.index())?;
    Some(NamedScore {
        model: of.name.to_string(),
        value: score.value,
        band: health::band(of, score.value).map(ToString::to_string),
    })
}

/// What a challenger says, which nothing but people hears.
fn rival(catalog: &Catalog, rival: &Rival) -> Option<NamedScore> {
    let (of, value) = (catalog.scores.get(rival.score.index())?, rival.value?);
    let band = health::band(of, value).map(ToString::to_string);
    Some(NamedScore { model: of.name.to_string(), value, band })
}

/// Everything about a customer but their decisions, which the store has.
pub fn page(shard: &Shard, id: &str, now: Timestamp) -> Option<CustomerPage> {
    let state = shard.find(id)?;
    let (catalog, teller) = (shard.catalog(), shard.teller());
    let assessed = assessment(shard, state);
    Some(CustomerPage {
        line: line_of(shard, state, assessed.as_ref()),
        traits: traits(state, shard.names()),
        contributions: assessed.as_ref().map(contributions).unwrap_or_default(),
        health_history: health_score(shard, state)
            .map(|score| history(score, now))
            .unwrap_or_default(),
        score_history: state
            .rare
            .scores
            .iter()
            .filter_map(|score| {
                let of = catalog.scores.get(score.score.index())?;
                Some((of.name.to_string(), history(score, now)))
            })
            .collect(),
        challengers: state.rare.rivals.iter().filter_map(|own| rival(catalog, own)).collect(),
        consents: consents(state, &teller),
        suppressed: Vec::new(),
        confirming: Vec::new(),
        profiling: profiling(state),
        paused_until: state.rare.paused_until.filter(|until| now < *until).map(|at| at.to_string()),
        timeline: state
            .recent
            .timeline()
            .rev()
            .map(|event| teller.timeline((event.event(), event.at())))
            .collect(),
        contacts: state
            .ledger
            .iter()
            .rev()
            .take(CONTACTS_MAX)
            .map(|contact| teller.contact(contact))
            .collect(),
        caps: caps(catalog, state, now),
        upcoming: upcoming(state, &teller),
        decisions: Vec::new(),
    })
}

fn traits(state: &CustomerState, names: &Names) -> serde_json::Value {
    let fields = state
        .traits
        .iter()
        .map(|(slot, value)| (names.trait_text(*slot).to_owned(), record_of::json(Some(value))));
    serde_json::Value::Object(fields.collect())
}

fn contributions(assessed: &Assessment) -> Vec<ContributionView> {
    let all = assessed.contributions.iter();
    all.map(|each| ContributionView {
        measure: each.measure.to_string(),
        value: each.value,
        points: each.points,
        weight: each.weight,
        contribution: each.contribution,
        plain: each.plain.to_string(),
    })
    .collect()
}

/// Values by day, oldest first, until today.
fn history(score: &ScoreState, now: Timestamp) -> Vec<DayValue> {
    let days = health::by_day(score, now);
    days.map(|(day, value)| {
        let at = Timestamp::MIN + Span::DAY.times(i64::from(day));
        let text = at.to_string();
        let day = text.split_once('T').map_or(&*text, |(day, _)| day).to_owned();
        DayValue { day, value }
    })
    .collect()
}

fn consents(state: &CustomerState, teller: &Teller<'_>) -> Vec<ConsentView> {
    let all = state.rare.consents.iter();
    all.map(|consent| ConsentView {
        purpose: consent.purpose.map_or("all", |slot| teller.purpose(slot)).to_owned(),
        channel: consent.channel.map_or("all", |slot| teller.channel(slot)).to_owned(),
        granted: consent.answer == Answer::Granted,
        at: consent.at.to_string(),
        source: consent.source.to_string(),
        evidence: consent.evidence.as_deref().map(str::to_owned),
    })
    .collect()
}

fn profiling(state: &CustomerState) -> Option<ProfilingView> {
    let said = state.rare.profiling.as_ref()?;
    Some(ProfilingView {
        granted: said.answer == Answer::Granted,
        at: said.at.to_string(),
        source: said.source.to_string(),
        evidence: said.evidence.as_deref().map(str::to_owned),
    })
}

fn caps(catalog: &Catalog, state: &CustomerState, now: Timestamp) -> Vec<CapView> {
    let findings = govern::caps_left(catalog, state, now);
    findings
        .into_iter()
        .filter_map(|finding| match finding.detail {
            Detail::Cap { name, used, at_most, free_at, .. } => Some(CapView {
                cap: name.to_string(),
                used,
                at_most,
                free_at: match finding.passed {
                    Passed::Yes => None,
                    Passed::No => free_at.map(|at| at.to_string()),
                },
            }),
            _ => None,
        })
        .collect()
}

fn upcoming(state: &CustomerState, teller: &Teller<'_>) -> Vec<Upcoming> {
    let waiting = state.rare.waiting.iter().map(|waiting| Upcoming {
        at: waiting.release_at.to_string(),
        trigger: teller.trigger(waiting.trigger).to_owned(),
        what: format!("decided, and waits: {}", waiting.reason.sentence()),
    });
    let timers = state.timers.iter().filter_map(|timer| {
        let (trigger, what) = match &timer.kind {
            TimerKind::Absence { trigger, cause, .. } => {
                let since = cause.at;
                let what = match &cause.object {
                    Some(object) => {
                        format!("armed for `{object}` since {since}: fires if nothing comes")
                    }
                    None => format!("armed since {since}: fires if nothing comes"),
                };
                (*trigger, what)
            }
            TimerKind::Date { trigger, .. } => (*trigger, "a date of the customer".to_owned()),
            TimerKind::Schedule { trigger } => (*trigger, "its calendar".to_owned()),
            TimerKind::Rung { decision } => {
                let rung = state.rare.rungs.iter().find(|rung| rung.decision == *decision)?;
                let next = rung.left.first().filter(|_| timer.due < rung.expires_at)?;
                let (on, next) = (teller.channel(rung.on), teller.channel(*next));
                (rung.trigger, format!("sent on `{on}`: goes on to `{next}` unless a sign comes"))
            }
            TimerKind::Release { .. }
            | TimerKind::SessionEnd
            | TimerKind::Task { .. }
            | TimerKind::Desk
            | TimerKind::Rescore { .. } => {
                return None;
            }
        };
        let at = timer.due.to_string();
        Some(Upcoming { at, trigger: teller.trigger(trigger).to_owned(), what })
    });
    let mut all: Vec<_> = waiting.chain(timers).collect();
    all.sort_by(|left, right| left.at.cmp(&right.at));
    all
}
