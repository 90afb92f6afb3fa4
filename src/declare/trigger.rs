//! From the words of a trigger file to the engine's trigger.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::action;
use super::breaker;
use super::condition::{self, Sight};
use super::experiment;
use super::fault::Text;
use super::human_only::{self, Reserved};
use super::ramp;
use super::read::{Entries, Faults};
use super::registry::Registry;
use super::scalar::{Anything, some_time};
use super::symbols::Symbols;
use super::template::{Known, Names};
use super::when;
use super::words::trigger::{KindWord, Suppress, Trigger as Raw};
use crate::engine::catalog::{Kind, Profiles, Suppression, Trigger, TriggerState, When};
use crate::engine::condition::{Condition, Place};
use crate::engine::drift;
use crate::engine::id::TriggerId;
use crate::engine::message::Texts;
use crate::engine::policy::Breaker;
use crate::engine::slot::PropertySlot;
use crate::engine::time::{Span, Zone};

/// Most conditions, offers or channels of one trigger.
pub(crate) const LINES_MAX: usize = 64;

/// What triggers are checked against.
#[derive(Debug)]
pub(crate) struct Context<'c> {
    /// Names that files give each other.
    pub(crate) registry: &'c Registry,
    /// Other files, by path.
    pub(crate) assets: &'c BTreeMap<&'c str, &'c Text>,
    /// What is for people alone.
    pub(crate) human_only: &'c Reserved,
    /// The policy's bound on how far triggers go.
    pub(crate) breaker: Option<Breaker>,
    /// The policy's zone.
    pub(crate) zone: &'c Zone,
    /// The policy's bound on the age of events.
    pub(crate) act_within: Span,
    /// The tables.
    pub(crate) symbols: &'c mut Symbols,
    /// Where compiled texts go.
    pub(crate) texts: &'c mut Texts,
    /// The longest silence that any trigger's sessions end with.
    pub(crate) idle: Option<Span>,
}

/// Checks one trigger. `None` when anything is wrong with it: that has been noted.
pub(crate) fn build(
    raw: &Raw,
    text: &Text,
    context: &mut Context<'_>,
    faults: &mut Faults<'_>,
) -> Option<Trigger> {
    let id = raw.trigger.0.as_ref();
    let kind = raw.kind.0.as_ref();
    let when = raw.when.0.as_ref();
    let when = when.and_then(|when| when::build(when, kind, context.symbols, faults));
    let sight = when.as_ref().map_or(Sight::CustomerAndEvent, |when| when.sight);
    let conditions = conditions(raw, sight, context.symbols, faults);
    let names = names(raw, sight, when.as_ref().map(|when| &when.when));
    let name = id.map_or("?", |name| &*name.text);
    let action = action::build(name, raw, &names, context, faults);
    of_nobody(raw, faults);
    human_only::check(raw, context.human_only, faults);
    let suppress = suppress(raw, context, faults);
    let experiment =
        raw.experiment.as_ref().map(|raw| experiment::build(name, raw, context, faults));
    let ramp = raw.ramp.as_ref().map(|words| ramp::build(name, words, context.zone, faults));
    if let Some(idle) = when.as_ref().and_then(|when| when.idle) {
        context.idle = Some(context.idle.map_or(idle, |longest| longest.max(idle)));
    }
    let (when, action, conditions) = (when?, action?, conditions?);
    let mut used: BTreeSet<PropertySlot> = action.properties.iter().copied().collect();
    used.extend(when.per);
    used.extend(suppress.as_ref().and_then(|suppress| suppress.same));
    for condition in &conditions {
        condition::properties(&condition.expr, &mut used);
    }
    let id = id?;
    Some(Trigger {
        id: TriggerId::new(&*id.text),
        kind: match kind?.value {
            KindWord::Behavior => Kind::Behavior,
            KindWord::Status => Kind::Status,
            KindWord::Lifecycle => Kind::Lifecycle,
        },
        about: raw.about.0.as_ref()?.text.clone(),
        owner: raw.owner.0.as_ref()?.text.clone(),
        version: version(text, &action.files),
        place: Place { file: text.path.clone(), ..text.place(id.extent.start) },
        state: if raw.enabled == Some(false) {
            TriggerState::Disabled
        } else {
            TriggerState::Enabled
        },
        priority: raw.priority.map_or(0, |rank| rank.0),
        tags: tags(raw, context.registry, faults),
        when: when.when,
        per: when.per,
        conditions,
        // Known once all files are read.
        profiles: Profiles::No,
        action: action.action,
        once_per: once_per(raw, faults),
        suppress,
        experiment: experiment.flatten(),
        captures: used.into_iter().collect(),
        act_within: match &raw.act_within {
            Some(span) => some_time(span, faults)?,
            None => context.act_within,
        },
        ramp: ramp.flatten(),
        breaker: match raw.breaker.as_ref().map(|words| breaker::build(words, faults)) {
            Some(own) => own,
            None => context.breaker,
        },
        handled_by: human_only::handled_by(raw, context.human_only),
    })
}

/// What happens to a model happens to no customer: a message about it would reach nobody.
fn of_nobody(raw: &Raw, faults: &mut Faults<'_>) {
    let event = raw.when.0.as_ref().and_then(|when| when.event.as_ref());
    let event = event.filter(|event| drift::EVENTS.contains(&&*event.text));
    if let (Some(event), Some(send)) = (event, &raw.send) {
        let message = format!("this can never be sent: `{}` concerns no customer", event.text);
        let help = "hand it to the owner of the model: `task:`".to_owned();
        faults.warning("W001", send.extent, message, help);
    }
}

/// Content hash of the file, and of the files that it names.
fn version(text: &Text, files: &[Arc<str>]) -> Arc<str> {
    let own = super::hash(&text.text);
    if files.is_empty() {
        return own;
    }
    super::hash(&std::iter::once(&own).chain(files).map(|hash| &**hash).collect::<String>())
}

fn conditions(
    raw: &Raw,
    sight: Sight,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Box<[Condition]>> {
    let lines = raw.r#if.as_ref().map_or(&[][..], |lines| lines.0.as_slice());
    if let Some(line) = lines.get(LINES_MAX) {
        let message = format!("there are more than {LINES_MAX} conditions");
        faults.error("E070", line.0.extent, message, None);
        return None;
    }
    // All are compiled before any is missed, so that one run shows every fault.
    let compiled: Vec<Option<Condition>> =
        lines.iter().map(|line| condition::condition(line, sight, symbols, faults)).collect();
    compiled.into_iter().collect()
}

/// What the texts of this trigger may name.
fn names(raw: &Raw, sight: Sight, when: Option<&When>) -> Names {
    let arms = raw.experiment.iter().filter_map(|experiment| experiment.arms.as_ref());
    let arms: Vec<_> = arms.flat_map(|arms| &arms.0).map(|(_, arm)| arm).collect();
    let offers = raw.send.as_ref().is_some_and(|send| send.offer.is_some());
    let offers = offers || arms.iter().any(|arm| arm.offer.is_some());
    let mut arm: Vec<Box<str>> = arms
        .iter()
        .filter_map(|arm| arm.set.as_ref())
        .flat_map(|set| set.0.iter().map(|(key, _)| key.text.clone()))
        .collect();
    arm.sort();
    arm.dedup();
    Names {
        sight,
        gaps: gaps(raw, &arm),
        asked: asked(raw),
        offer: if offers { Known::Yes } else { Known::No("`send` names no `offer`") },
        arm,
        unsubscribe: match raw.send {
            Some(_) => Known::Yes,
            None => Known::No("the trigger writes to nobody"),
        },
        days_left: match when {
            Some(When::Date { .. }) | None => Known::Yes,
            Some(_) => Known::No("the trigger is not about a date"),
        },
    }
}

/// What texts may name though it is not always there.
fn gaps(raw: &Raw, variables: &[Box<str>]) -> Vec<(Box<str>, String)> {
    let arms = raw.experiment.iter().filter_map(|experiment| experiment.arms.as_ref());
    let arms: Vec<_> = arms.flat_map(|arms| &arms.0).collect();
    let mut gaps = Vec::new();
    let offers = raw.send.as_ref().and_then(|send| send.offer.as_ref());
    let always = offers.is_some_and(|lines| lines.0.iter().any(|line| line.r#if.is_none()));
    let without = arms.iter().find(|(_, arm)| match &arm.offer {
        Some(offer) => &*offer.text == "none",
        None => !always,
    });
    if let Some((name, _)) = without {
        gaps.push(("offer.code".into(), format!("arm `{}` may offer nothing", name.text)));
    } else if arms.is_empty() && !always {
        gaps.push(("offer.code".into(), "there is a case for which no offer is named".to_owned()));
    }
    for variable in variables {
        let sets = |set: &Entries<Anything>| set.0.iter().any(|(key, _)| key.text == *variable);
        let without = arms.iter().find(|(_, arm)| !arm.set.as_ref().is_some_and(sets));
        if let Some((name, _)) = without {
            let why = format!("arm `{}` sets no `{variable}`", name.text);
            gaps.push((format!("arm.{variable}").into(), why));
        }
    }
    gaps
}

/// The text of everything that must hold of a customer before the trigger fires.
fn asked(raw: &Raw) -> String {
    let lines = raw.r#if.iter().flat_map(|lines| &lines.0);
    let when = raw.when.0.as_ref();
    let any = when.iter().filter_map(|when| when.any.as_ref()).flatten();
    let of_any = any.flat_map(|clause| [&clause.r#where, &clause.affects]);
    let of_when =
        when.into_iter().flat_map(|when| [&when.r#where, &when.affects, &when.changes, &when.date]);
    let of_when = of_any.chain(of_when).flatten();
    lines.chain(of_when).map(|line| format!("{}\n", line.0.text)).collect()
}

fn tags(raw: &Raw, registry: &Registry, faults: &mut Faults<'_>) -> u32 {
    raw.tags.iter().flat_map(|tags| &tags.0).fold(0, |bits, name| {
        let index = registry.tags.iter().position(|tag| **tag == *name.text);
        match index
            .and_then(|index| u32::try_from(index).ok())
            .and_then(|bit| 1_u32.checked_shl(bit))
        {
            Some(bit) => bits | bit,
            None => {
                let most = super::registry::BITS_MAX;
                let message = format!("there are more than {most} tags in all files together");
                faults.error("E070", name.extent, message, None);
                bits
            }
        }
    })
}

fn once_per(raw: &Raw, faults: &mut Faults<'_>) -> Option<Span> {
    let span = raw.limits.as_ref()?.once_per.as_ref()?;
    if span.value == Span::ZERO {
        let help = "leave it out if the trigger may act every time".to_owned();
        faults.error("E005", span.extent, "this must be longer than nothing", help);
    }
    Some(span.value)
}

/// `suppress:` on its own, or below `limits:`.
fn suppress(raw: &Raw, context: &mut Context<'_>, faults: &mut Faults<'_>) -> Option<Suppression> {
    let below = raw.limits.as_ref().and_then(|limits| limits.suppress.as_ref());
    if let (Some(own), Some(_)) = (&raw.suppress, below) {
        let message = "`suppress` stands here and below `limits`";
        faults.error("E007", own.extent, message, "keep one of them".to_owned());
    }
    let words = raw.suppress.as_ref().or(below)?;
    suppression(words, context, faults)
}

fn suppression(
    words: &Suppress,
    context: &mut Context<'_>,
    faults: &mut Faults<'_>,
) -> Option<Suppression> {
    let purposes = words.purposes.0.as_ref();
    let purposes = purposes.map(|words| context.registry.purpose_bits(&words.0, faults));
    let (longest, until, same) = match (&words.r#for, &words.until) {
        (Some(span), None) => (some_time(span, faults), None, None),
        (None, Some(until)) => (
            until.or_after.0.as_ref().and_then(|span| some_time(span, faults)),
            until.event.0.as_ref().map(|word| context.symbols.event(&word.text)),
            until.same.as_ref().map(|word| {
                let path = word.text.strip_prefix("event.").unwrap_or(&word.text);
                context.symbols.property(path)
            }),
        ),
        _ => {
            let help =
                "write `for: 48h`, or `until: {event: Task Closed, or_after: 14d}`".to_owned();
            faults.lacks(words, "E003", "a suppression needs one end", help);
            return None;
        }
    };
    Some(Suppression { purposes: purposes?, longest: longest?, until, same })
}

/// A name shared by all texts of one trigger.
pub(crate) fn text_name(trigger: &str, parts: &[&str]) -> Box<str> {
    std::iter::once(trigger).chain(parts.iter().copied()).collect::<Vec<_>>().join("/").into()
}

/// The id of a trigger as the engine holds it.
pub(crate) fn id_of(raw: &Raw) -> Option<Arc<str>> {
    raw.trigger.0.as_ref().map(|name| Arc::from(&*name.text))
}
