//! From `loop_guard:` to when a person takes over, and whether any trigger hands the customer over.

use super::fault::Fault;
use super::policy::File;
use super::read::Faults;
use super::registry::Registry;
use super::scalar::life_time;
use super::symbols::Symbols;
use super::words::policy::{LoopGuardWords, ThenWord};
use crate::engine::catalog::{Action, Trigger, When};
use crate::engine::policy::{CapRule, LoopGuard, Policy, Purpose};

/// Builds the guard. Names must have been registered.
pub(crate) fn build(
    words: &LoopGuardWords,
    known: &[Purpose],
    registry: &Registry,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<LoopGuard> {
    let purposes = match &words.purposes {
        Some(purposes) => registry.purpose_bits(&purposes.0, faults),
        None => (0..).zip(known).fold(0, |bits, (place, purpose)| {
            let counts = purpose.capped == CapRule::Counted;
            bits | if counts { 1_u32.checked_shl(place).unwrap_or(0) } else { 0 }
        }),
    };
    let events = words.answered_by.iter().flat_map(|events| &events.0).map(|event| &*event.text);
    let answered_by = events.chain([LoopGuard::REPLY]).map(|name| symbols.event(name)).collect();
    let event = symbols.event(LoopGuard::EVENT);
    let within = words.within.0.as_ref().and_then(|span| life_time(span, faults));
    let after = words.after.0.as_ref()?;
    if after.value.0 == 0 || LoopGuard::AFTER_MAX < after.value.0 {
        let message = format!("a person takes over after 1 to {} messages", LoopGuard::AFTER_MAX);
        let help = "to write none at all, use a cap: `at_most: 0`".to_owned();
        faults.error("E005", after.extent, message, help);
        return None;
    }
    Some(LoopGuard { after: after.value.0, within: within?, purposes, answered_by, event })
}

/// Refuses a guard of which nobody would hear. Looked at once nothing else is wrong.
pub(crate) fn check(
    policy: &Policy,
    given: Option<&File<'_>>,
    triggers: &[Trigger],
    list: &mut Vec<Fault>,
) {
    let Some((guard, file)) = policy.loop_guard.as_ref().zip(given) else { return };
    let Some(words) = &file.raw.loop_guard else { return };
    if words.then == Some(ThenWord::Stop) {
        return;
    }
    let hears = |trigger: &&Trigger| match (&trigger.when, &trigger.action) {
        (When::Event(clauses), Action::Task(_)) => {
            clauses.iter().any(|clause| clause.event == guard.event)
        }
        _ => false,
    };
    if triggers.iter().find(hears).is_none() {
        let message = "nobody hears of it when messages stay without an answer";
        let help = format!(
            "add a trigger with `when: {{event: {}}}` and a `task:`, or say `then: stop`",
            LoopGuard::EVENT
        );
        Faults { text: file.text, list }.error("E082", words.extent, message, help);
    }
}

#[cfg(test)]
mod tests {
    use crate::declare::{Loaded, Source, SourceKind, load};
    use crate::engine::catalog::Sending;

    /// What becomes of a policy beside a trigger.
    fn loaded(policy: &str, trigger: &str) -> Result<Loaded, String> {
        let head = "trigger: t\nkind: status\nabout: a\nowner: a@b.example\n";
        let source =
            |kind, path: &str, text: String| Source { path: path.into(), text: text.into(), kind };
        let sources = [
            source(SourceKind::Policy, "policy.yaml", policy.to_owned()),
            source(SourceKind::Trigger, "t.yaml", format!("{head}{trigger}")),
        ];
        load(&sources, Sending::DryRun).map_err(|faults| {
            let told = faults.iter().map(|fault| {
                format!(
                    "{} {}:{}: {}",
                    fault.code, fault.place.line, fault.place.column, fault.message
                )
            });
            told.collect::<Vec<_>>().join("\n")
        })
    }

    const HEARS: &str = "when: {event: Outreach Unanswered}\ntask: {in: tasks, title: x}\n";
    const OTHER: &str = "when: {event: Order}\ntask: {in: tasks, title: x}\n";
    const SENDS: &str = "when: {event: Outreach Unanswered}\n\
                         send: {purpose: service, via: sms, message: {en: {body: x}}}\n";

    #[test]
    fn somebody_must_hear_of_it_unless_the_policy_says_otherwise() {
        let guard = "loop_guard: {after: 3, within: 30d}\n";
        assert!(loaded(guard, HEARS).is_ok());
        let told = "E082 1:1: nobody hears of it when messages stay without an answer";
        for trigger in [OTHER, SENDS] {
            assert_eq!(loaded(guard, trigger).unwrap_err(), told);
        }
        assert!(loaded("loop_guard: {after: 3, within: 30d, then: stop}\n", OTHER).is_ok());
        // Whoever must mend another file first is not told of this one.
        let broken = loaded(guard, "when: {evnt: Order}\ntask: {in: tasks, title: x}\n");
        assert!(!broken.unwrap_err().contains("E082"));
    }

    #[test]
    fn a_guard_counts_what_caps_count_unless_it_names_purposes() {
        let purposes = |policy: &str| {
            let guard = loaded(policy, HEARS).unwrap().catalog.policy.loop_guard.unwrap();
            let answers = guard.answered_by.len();
            (guard.purposes, answers)
        };
        assert_eq!(purposes("loop_guard: {after: 3, within: 30d}\n"), (0b001, 1));
        let named = "loop_guard: {after: 3, within: 30d, purposes: [service, marketing], answered_by: \
                     [Order, Message Clicked]}\n";
        assert_eq!(purposes(named), (0b011, 3));
    }
}
