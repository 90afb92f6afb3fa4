//! Reads the `consent` trait: what it answers, about what, and what proves it.

use super::super::catalog::Catalog;
use super::super::customer::bounded_evidence;
use super::super::input::Answer;
use super::super::slot::{ChannelSlot, PurposeSlot};
use super::super::value::{Value, ValueRef};
use super::fold::{find_channel, find_purpose};

/// The member that answers for a whole level: `{marketing: {granted: true, evidence: form-7}}`.
const GRANTED: &str = "granted";
/// The member that says what proves the answers of its level and of those below.
const EVIDENCE: &str = "evidence";
/// The member that says where they were given.
const SOURCE: &str = "source";
/// The member that is no purpose: whether scores may decide.
const PROFILING: &str = "profiling";
/// What no purpose and no channel may be called.
pub const WORDS: [&str; 4] = [GRANTED, EVIDENCE, SOURCE, PROFILING];

/// What an answer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Messages of a purpose, or of all, on a channel, or on all.
    Messages(Option<PurposeSlot>, Option<ChannelSlot>),
    /// Scores that decide.
    Profiling,
}

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answered<'v> {
    pub(super) about: About,
    pub(super) answer: Answer,
    pub(super) source: Option<&'v str>,
    pub(super) evidence: Option<Box<str>>,
}

/// The answers of a `consent` trait that differ from what it said before, or are proven by something
/// else: a copy sent again by another system must not overrule an unsubscription made since.
pub(super) fn changed<'v>(
    catalog: &Catalog,
    before: ValueRef<'_>,
    now: &'v Value,
) -> Vec<Answered<'v>> {
    let mut reading = Reading { changed: Vec::new() };
    let all = About::Messages(None, None);
    let proof = reading.level(all, Proof::default(), (before, Proof::default()), now.as_ref());
    let Value::Map(purposes) = now else { return reading.changed };
    let proof_before = Proof::of(before, Proof::default());
    for (name, said) in purposes {
        let was = before.member(name);
        if &**name == PROFILING {
            reading.level(About::Profiling, proof, (was, proof_before), said.as_ref());
            continue;
        }
        let Some(purpose) = find_purpose(catalog, name) else { continue };
        let about = |channel| About::Messages(Some(purpose), channel);
        let proof = reading.level(about(None), proof, (was, proof_before), said.as_ref());
        let proof_before = Proof::of(was, proof_before);
        let Value::Map(channels) = said else { continue };
        for (name, said) in channels {
            if let Some(channel) = find_channel(catalog, name) {
                let was = (was.member(name), proof_before);
                reading.level(about(Some(channel)), proof, was, said.as_ref());
            }
        }
    }
    reading.changed
}

/// What proves the answers of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Proof<'v> {
    source: Option<&'v str>,
    evidence: Option<&'v str>,
}

impl<'v> Proof<'v> {
    /// That of a level: its own, or that of the level above.
    fn of(level: ValueRef<'v>, above: Self) -> Self {
        let text = |name| match level.member(name) {
            ValueRef::Str(text) => Some(text),
            _ => None,
        };
        Self { source: text(SOURCE).or(above.source), evidence: text(EVIDENCE).or(above.evidence) }
    }
}

struct Reading<'v> {
    changed: Vec<Answered<'v>>,
}

impl<'v> Reading<'v> {
    /// Notes the answer of a level if it is new, and gives what proves those below.
    fn level(
        &mut self,
        about: About,
        above: Proof<'v>,
        (before, above_before): (ValueRef<'_>, Proof<'_>),
        now: ValueRef<'v>,
    ) -> Proof<'v> {
        let proof = Proof::of(now, above);
        if let Some(answer) = answer_of(now) {
            let proven = proof.evidence.is_some()
                && proof.evidence != Proof::of(before, above_before).evidence;
            if proven || answer_of(before) != Some(answer) {
                let evidence = proof.evidence.and_then(bounded_evidence);
                self.changed.push(Answered { about, answer, source: proof.source, evidence });
            }
        }
        proof
    }
}

/// What a value of the `consent` trait answers. Forms and tables send a yes and a no as a text or a
/// number too, and a no must not be overheard; anything else answers nothing.
fn answer_of(value: ValueRef<'_>) -> Option<Answer> {
    let said =
        |text: &str, words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match value {
        ValueRef::Bool(true) => Some(Answer::Granted),
        ValueRef::Bool(false) => Some(Answer::Denied),
        ValueRef::Num(number) if number.total_cmp(&1.0).is_eq() => Some(Answer::Granted),
        ValueRef::Num(number) if number.abs().total_cmp(&0.0).is_eq() => Some(Answer::Denied),
        ValueRef::Str(text) if said(text.trim(), &YES) => Some(Answer::Granted),
        ValueRef::Str(text) if said(text.trim(), &NO) => Some(Answer::Denied),
        ValueRef::Map(_) => match value.member(GRANTED) {
            ValueRef::Map(_) | ValueRef::Missing => None,
            granted => answer_of(granted),
        },
        ValueRef::Num(_) | ValueRef::Str(_) | ValueRef::List(_) | ValueRef::Missing => None,
    }
}

/// Texts that say yes.
const YES: [&str; 6] = ["true", "yes", "1", "granted", "opted_in", "subscribed"];
/// Texts that say no.
const NO: [&str; 6] = ["false", "no", "0", "denied", "opted_out", "unsubscribed"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{EMAIL, MARKETING, SERVICE, shop};

    fn map(members: &[(&str, Value)]) -> Value {
        let mut members: Vec<(Box<str>, Value)> =
            members.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        members.sort_by(|one, other| one.0.cmp(&other.0));
        Value::Map(members.into())
    }

    fn text(text: &str) -> Value {
        Value::Str(text.into())
    }

    fn told(before: Option<&Value>, now: &Value) -> Vec<String> {
        let catalog = shop().open();
        let before = before.map_or(ValueRef::Missing, Value::as_ref);
        let all = changed(&catalog, before, now);
        let say = |one: &Answered<'_>| {
            let about = match one.about {
                About::Messages(None, None) => "all",
                About::Messages(Some(MARKETING), None) => "marketing",
                About::Messages(Some(MARKETING), Some(EMAIL)) => "marketing by email",
                About::Messages(Some(SERVICE), None) => "service",
                About::Messages(..) => "other",
                About::Profiling => "profiling",
            };
            let yes = if one.answer == Answer::Granted { "yes" } else { "no" };
            let evidence = one.evidence.as_deref().unwrap_or("-");
            format!("{yes} {about} {} {evidence}", one.source.unwrap_or("-"))
        };
        all.iter().map(say).collect()
    }

    #[test]
    fn what_proves_an_answer_is_found_at_its_level_or_above() {
        let yes = || Value::Bool(true);
        let now = map(&[
            ("evidence", text("form-7")),
            ("source", text("shop")),
            ("service", Value::Bool(false)),
            ("profiling", map(&[("granted", Value::Bool(false)), ("evidence", text("page-2"))])),
            (
                "marketing",
                map(&[("granted", yes()), ("evidence", text("doi-9")), ("email", yes())]),
            ),
        ]);
        let wanted = [
            "yes marketing shop doi-9",
            "yes marketing by email shop doi-9",
            "no profiling shop page-2",
            "no service shop form-7",
        ];
        assert_eq!(told(None, &now), wanted);
        assert_eq!(told(Some(&now), &now), Vec::<String>::new());
        assert_eq!(told(None, &map(&[("evidence", text("form-7"))])), Vec::<String>::new());
    }

    #[test]
    fn a_copy_is_no_answer_and_another_proof_is_one() {
        let plain = map(&[("marketing", Value::Bool(true))]);
        let proven = |proof| {
            map(&[("marketing", map(&[("granted", text("yes")), ("evidence", text(proof))]))])
        };
        assert_eq!(told(Some(&plain), &map(&[("marketing", text("1"))])), Vec::<String>::new());
        assert_eq!(told(Some(&plain), &proven("a")), ["yes marketing - a"]);
        assert_eq!(told(Some(&proven("a")), &plain), Vec::<String>::new());
        assert_eq!(told(Some(&proven("a")), &proven("b")), ["yes marketing - b"]);
    }

    #[test]
    fn evidence_is_bounded_at_a_whole_character() {
        let long = "\u{1f980}".repeat(100);
        let kept = bounded_evidence(&long).unwrap();
        assert_eq!(kept.len(), crate::engine::customer::EVIDENCE_BYTES_MAX);
        assert_eq!(bounded_evidence(&format!("x{long}")).unwrap().len(), 253);
        assert_eq!(bounded_evidence("  "), None);
    }
}
