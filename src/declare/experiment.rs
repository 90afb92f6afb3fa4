//! From `experiment:` to holdout, arms, goal and guardrails.

use std::sync::Arc;

use super::condition::{self, Sight};
use super::fault::Located;
use super::node::Key;
use super::read::Faults;
use super::scalar::{Line, Words, is_name, some_time};
use super::trigger::Context;
use super::words::trigger::{ArmWords, Experiment as Raw, GoalWords, GuardrailWords, UnitWord};
use crate::engine::catalog::{Arm, ArmOffer, Experiment, Goal, Guardrail, Unit};
use crate::engine::condition::Expr;
use crate::engine::policy::Share;
use crate::engine::slot::PropertySlot;

/// Most arms of one experiment.
const ARMS_MAX: usize = 16;
/// All, in hundredths of a per cent.
const ALL: u32 = 10_000;

/// Checks an experiment.
pub(crate) fn build(
    trigger: &str,
    raw: &Raw,
    context: &mut Context<'_>,
    faults: &mut Faults<'_>,
) -> Option<Experiment> {
    let holdout = raw.holdout.as_ref().map_or(Share(0), |share| share.value);
    let arms: Vec<_> = raw
        .arms
        .iter()
        .flat_map(|arms| &arms.0)
        .map(|(key, arm)| build_arm(key, arm, faults))
        .collect();
    shares(raw, holdout, faults);
    let goal = raw.goal.as_ref().map(|goal| build_goal(goal, context, faults));
    let guardrails: Vec<_> = raw
        .guardrails
        .iter()
        .flatten()
        .map(|words| build_guardrail(words, context, faults))
        .collect();
    let read_at = raw.read_at.as_ref().map(|word| read_at(word, faults));
    Some(Experiment {
        key: Arc::from(trigger),
        unit: match raw.unit {
            Some(UnitWord::Account) => Unit::Account,
            Some(UnitWord::Customer) | None => Unit::Customer,
        },
        holdout,
        arms: arms.into_iter().collect::<Option<_>>()?,
        goal: goal.map_or(Some(None), |goal| goal.map(Some))?,
        guardrails: guardrails.into_iter().collect::<Option<_>>()?,
        read_at: read_at.flatten(),
    })
}

fn build_arm(key: &Key, words: &ArmWords, faults: &mut Faults<'_>) -> Option<Arm> {
    if !is_name(&key.text) || matches!(&*key.text, "holdout" | "treated") {
        let help = "use lower-case letters, digits and `_`; `holdout` and `treated` are taken";
        let message = format!("`{}` cannot be the name of an arm", key.text);
        faults.error("E005", key.extent, message, help.to_owned());
        return None;
    }
    let set = words.set.iter().flat_map(|set| &set.0);
    Some(Arm {
        name: Arc::from(&*key.text),
        share: words.share.0.as_ref()?.value,
        offer: match &words.offer {
            None => ArmOffer::Keep,
            Some(word) if &*word.text == "none" => ArmOffer::Withhold,
            Some(word) => ArmOffer::Use(word.text.clone()),
        },
        set: set.filter_map(|(key, value)| Some((key.text.clone(), value.0.clone()?))).collect(),
    })
}

/// With arms, the holdout and the arms are everyone; without, the holdout is a part.
fn shares(raw: &Raw, holdout: Share, faults: &mut Faults<'_>) {
    let Some(arms) = raw.arms.as_ref().filter(|arms| !arms.0.is_empty()) else {
        if holdout == Share(0) {
            let help = "add `holdout: 10%`, or `arms:`".to_owned();
            faults.lacks(raw, "E050", "this experiment compares nothing", help);
        }
        return;
    };
    if ARMS_MAX < arms.0.len() {
        faults.error("E070", raw.extent, format!("there are more than {ARMS_MAX} arms"), None);
    }
    let shares: Vec<&Located<Share>> =
        arms.0.iter().filter_map(|(_, arm)| arm.share.0.as_ref()).collect();
    if shares.len() < arms.0.len() {
        return;
    }
    let total: u32 = shares.iter().map(|share| u32::from(share.value.0)).sum();
    let total = total + u32::from(holdout.0);
    if total != ALL {
        let last = shares.last().map_or(raw.extent, |share| share.extent);
        let message = format!("the holdout and the arms make {}, not 100%", percent(total));
        let help = if total < ALL {
            format!("{} are left to give to an arm or the holdout", percent(ALL - total))
        } else {
            format!("take {} away", percent(total - ALL))
        };
        faults.follows(raw.sound, "E050", last, message, help);
    }
}

fn percent(hundredths: u32) -> String {
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole}%"),
        (whole, part) if part % 10 == 0 => format!("{whole}.{}%", part / 10),
        (whole, part) => format!("{whole}.{part:02}%"),
    }
}

fn build_goal(
    words: &GoalWords,
    context: &mut Context<'_>,
    faults: &mut Faults<'_>,
) -> Option<Goal> {
    let value = words.value.as_ref().map(|line| property(line, context, faults));
    let event = words.event.0.as_ref();
    Some(Goal {
        event: context.symbols.event(&event?.text),
        within: some_time(words.within.0.as_ref()?, faults)?,
        value: value.map_or(Some(None), |value| value.map(Some))?,
    })
}

fn property(
    line: &Line,
    context: &mut Context<'_>,
    faults: &mut Faults<'_>,
) -> Option<PropertySlot> {
    let sight = Sight::CustomerAndEvent;
    if let (Expr::Property(slot), _) = condition::anything(line, sight, context.symbols, faults)? {
        return Some(slot);
    }
    let help = "write `event.total`".to_owned();
    faults.error("E012", line.0.extent, "a property of the event is wanted here", help);
    None
}

fn build_guardrail(
    words: &GuardrailWords,
    context: &mut Context<'_>,
    faults: &mut Faults<'_>,
) -> Option<Guardrail> {
    Some(Guardrail {
        event: context.symbols.event(&words.event.0.as_ref()?.text),
        within: some_time(words.within.0.as_ref()?, faults)?,
        no_worse_by: words.no_worse_by.0?.0,
    })
}

/// `400 per arm`, or `400`.
fn read_at(word: &Words, faults: &mut Faults<'_>) -> Option<u32> {
    let number = word.text.trim().trim_end_matches("per arm").trim();
    let found = number.parse().ok().filter(|count| *count <= 100_000_000);
    if found.is_none() {
        let help = "write `400 per arm`".to_owned();
        faults.error("E005", word.extent, format!("`{}` is not a number per arm", word.text), help);
    }
    found
}
