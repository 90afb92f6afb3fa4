//! The why of a verdict as a sentence: the reason, made concrete by what the rule looked at.

use super::catalog::Catalog;
use super::decision::{Detail, Finding, Passed, Verdict};
use super::input::Answer;
use super::slot::TriggerSlot;
use super::time::Timestamp;

/// Holders of a cap named in a sentence; the record lists them all.
const HOLDERS_SHOWN: usize = 3;

/// Why a verdict is what it is; empty for a send or a task, which nothing held.
pub fn why(catalog: &Catalog, verdict: &Verdict, findings: &[Finding]) -> String {
    let Some(reason) = verdict.reason() else { return String::new() };
    let decided = findings.iter().rev().find(|finding| finding.passed == Passed::No);
    match decided.and_then(|finding| detail(catalog, &finding.detail)) {
        Some(detail) => format!("{}: {detail}", reason.sentence()),
        None => reason.sentence().to_owned(),
    }
}

/// What a rule looked at, as a clause; `None` when there is nothing worth saying.
pub fn detail(catalog: &Catalog, detail: &Detail) -> Option<String> {
    Some(match detail {
        Detail::None => return None,
        Detail::Text(text) => text.to_string(),
        Detail::Freeze { by, until: Some(until) } => {
            format!("`{by}` holds it back until {}", instant(*until))
        }
        Detail::Freeze { by, until: None } => format!("`{by}` holds it back"),
        Detail::Consent { purpose, known } => {
            let purposes = &catalog.policy.purposes;
            let purpose = purposes.get(purpose.index()).map_or("?", |purpose| &purpose.name);
            match known {
                Some(Answer::Granted) => format!("yes to `{purpose}`"),
                Some(Answer::Denied) => format!("no to `{purpose}`"),
                None => format!("no answer for `{purpose}` is recorded"),
            }
        }
        Detail::Channel(Some(channel)) => {
            let channels = &catalog.policy.channels;
            let name = channels.get(channel.index()).map_or("?", |channel| &channel.name);
            format!("reachable on `{name}`")
        }
        Detail::Channel(None) => "none of its channels has an address".to_owned(),
        Detail::Arm(arm) => format!("arm `{arm}`"),
        Detail::Winner(trigger) => format!("`{}` goes first", name_of(catalog, *trigger)),
        Detail::Quiet { local, until } => {
            format!("it is {} there, quiet until {}", local.strftime("%H:%M"), instant(*until))
        }
        Detail::Cap { name, used, at_most, holders, free_at } => {
            cap(catalog, (name, *used, *at_most), holders, *free_at)
        }
    })
}

fn cap(
    catalog: &Catalog,
    (name, used, at_most): (&str, u32, u32),
    holders: &[(Timestamp, TriggerSlot)],
    free_at: Option<Timestamp>,
) -> String {
    let mut text = format!("cap `{name}` has {used} of {at_most}");
    let shown: Vec<String> = holders
        .iter()
        .take(HOLDERS_SHOWN)
        .map(|(at, trigger)| format!("`{}` at {}", name_of(catalog, *trigger), instant(*at)))
        .collect();
    if !shown.is_empty() {
        text.push_str(", held by ");
        text.push_str(&shown.join(", "));
    }
    let more = holders.len().saturating_sub(HOLDERS_SHOWN);
    if more != 0 {
        text.push_str(&format!(" and {more} more"));
    }
    match free_at {
        Some(free_at) => text.push_str(&format!("; free at {}", instant(free_at))),
        None if used < at_most => {}
        None => text.push_str("; never free"),
    }
    text
}

fn name_of(catalog: &Catalog, trigger: TriggerSlot) -> &str {
    catalog.trigger(trigger).map_or("a trigger since removed", |trigger| trigger.id.as_str())
}

/// An instant for people: without the milliseconds where there are none.
pub fn instant(at: Timestamp) -> String {
    at.to_string().replace(".000Z", "Z")
}
