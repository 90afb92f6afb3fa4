//! A desk at which triggers ask for outreach to one customer, and answers in words.

use std::sync::Arc;

use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::decision::{Content, Detail, Finding, Outreach, Passed, Reason, Rule, Verdict};
use crate::engine::govern::{self, Judgement, Proposal};
use crate::engine::id::DecisionId;
use crate::engine::input::Delivery;
use crate::engine::slot::PurposeSlot;
use crate::engine::testing::{Shop, at, cause, customer, slot_of};
use crate::engine::time::Timestamp;

pub(super) struct Desk {
    pub(super) catalog: Catalog,
    pub(super) state: CustomerState,
    pub(super) last: Option<DecisionId>,
    asked: u32,
}

impl Desk {
    pub(super) fn new(shop: Shop) -> Self {
        Self { catalog: shop.open(), state: customer("ann"), last: None, asked: 0 }
    }

    /// A trigger asks, for a cause that occurs at that instant.
    pub(super) fn ask(&mut self, trigger: &str, when: &str) -> String {
        let judged = self.judge(&[(trigger, None)], at(when));
        self.told(&judged[0])
    }

    /// A trigger asks about an object.
    pub(super) fn ask_about(&mut self, trigger: &str, object: &str, when: &str) -> String {
        let judged = self.judge(&[(trigger, Some(object))], at(when));
        self.told(&judged[0])
    }

    /// Several triggers ask at one instant.
    pub(super) fn ask_together(&mut self, triggers: &[&str], when: &str) -> Vec<String> {
        let asking: Vec<_> = triggers.iter().map(|trigger| (*trigger, None)).collect();
        let judged = self.judge(&asking, at(when));
        judged.iter().map(|judgement| self.told(judgement)).collect()
    }

    /// What a trigger's question finds.
    pub(super) fn findings(&mut self, trigger: &str, when: &str) -> Vec<Finding> {
        self.judge(&[(trigger, None)], at(when)).remove(0).findings
    }

    pub(super) fn judge(
        &mut self,
        triggers: &[(&str, Option<&str>)],
        now: Timestamp,
    ) -> Vec<Judgement> {
        self.judge_again(triggers, now, now)
    }

    /// The same for what was decided earlier and waited.
    pub(super) fn judge_again(
        &mut self,
        triggers: &[(&str, Option<&str>)],
        decided_at: Timestamp,
        now: Timestamp,
    ) -> Vec<Judgement> {
        let causes: Vec<_> = triggers
            .iter()
            .map(|(_, object)| {
                self.asked += 1;
                cause(&format!("event-{}", self.asked), decided_at, *object)
            })
            .collect();
        let proposals: Vec<_> = triggers
            .iter()
            .zip(&causes)
            .map(|((id, _), cause)| {
                let slot = slot_of(&self.catalog, id);
                let trigger = self.catalog.trigger(slot).unwrap();
                let id = DecisionId::derive(&trigger.id, &self.state.id, &cause.occurrence);
                Proposal { id, slot, trigger, cause, decided_at }
            })
            .collect();
        self.last = proposals.last().map(|proposal| proposal.id);
        govern::judge(&self.catalog, &mut self.state, &proposals, now)
    }

    /// Judges a waiting question once more.
    pub(super) fn release(&mut self, trigger: &str, decided_at: &str, now: &str) -> String {
        let judged = self.judge_again(&[(trigger, None)], at(decided_at), at(now));
        self.told(&judged[0])
    }

    /// What would be said about a purpose.
    pub(super) fn propose(&self, purpose: PurposeSlot, when: &str) -> String {
        self.told(&govern::propose(&self.catalog, &self.state, purpose, at(when)))
    }

    /// Checks the last send again just before it leaves.
    pub(super) fn recheck(&self, trigger: &str, decided_at: &str, now: &str) -> Option<Reason> {
        let slot = slot_of(&self.catalog, trigger);
        let declared = self.catalog.trigger(slot).unwrap();
        let crate::engine::catalog::Action::Send(send) = &declared.action else { panic!("a task") };
        let purpose = &self.catalog.policy.purposes[send.purpose.index()];
        let outreach = Outreach {
            decision: self.last.unwrap(),
            trigger: slot,
            customer: self.state.id.clone(),
            channel: send.via[0],
            address: None,
            purpose: send.purpose,
            decided_at: at(decided_at),
            expires_at: at(decided_at) + send.expires_after.unwrap_or(purpose.expires_after),
            offer: None,
            arm: None,
            content: Content::default(),
        };
        govern::recheck(&self.catalog, &self.state, &outreach, at(now))
    }

    /// The last send ended so.
    pub(super) fn settle(&mut self, delivery: &Delivery) {
        govern::settle(&mut self.state, self.last.unwrap(), delivery);
    }

    pub(super) fn told(&self, judgement: &Judgement) -> String {
        let kind = judgement.verdict.kind().as_str();
        match &judgement.verdict {
            Verdict::Send { channel } => {
                format!("{kind} {}", self.catalog.policy.channels[channel.index()].name)
            }
            Verdict::Task => kind.to_owned(),
            Verdict::Defer { until, reason } => {
                format!("{kind} {} until {}", reason.as_str(), short(*until))
            }
            other => format!("{kind} {}", other.reason().unwrap().as_str()),
        }
    }

    /// What the rules that did not let it pass looked at.
    pub(super) fn why(&self, findings: &[Finding]) -> Vec<String> {
        let stopped = findings.iter().filter(|finding| finding.passed == Passed::No);
        stopped.map(|finding| self.detail(finding.rule, &finding.detail)).collect()
    }

    fn detail(&self, rule: Rule, detail: &Detail) -> String {
        let name = |slot| self.catalog.trigger(slot).unwrap().id.as_str();
        let said = match detail {
            Detail::None => String::new(),
            Detail::Text(text) => text.to_string(),
            Detail::Freeze { by, until } => {
                format!("{by} until {}", until.map_or("further notice".into(), short))
            }
            Detail::Consent { known, .. } => format!("{known:?}"),
            Detail::Refused { at, source } => format!("{} {source}", short(*at)),
            Detail::Channel(channel) => format!("{channel:?}"),
            Detail::Arm(arm) => arm.to_string(),
            Detail::Winner(winner) => name(*winner).to_owned(),
            Detail::Quiet { local, until } => format!("{local} until {}", short(*until)),
            Detail::Ramp { share, comes_in } => format!("{} from {}", share.0, short(*comes_in)),
            Detail::Unanswered { messages, after, since, free_at } => {
                let free = free_at.map_or("now".into(), short);
                format!("{messages}/{after} since {}; free {free}", short(*since))
            }
            Detail::Cap { name: cap, used, at_most, holders, free_at } => {
                let holders: Vec<_> = holders
                    .iter()
                    .map(|(at, by)| format!("{} {}", name(*by), short(*at)))
                    .collect();
                let free = free_at.map_or("never".into(), short);
                format!("{cap} {used}/{at_most} held by {}; free {free}", holders.join(", "))
            }
        };
        format!("{}: {said}", rule.as_str())
    }
}

/// An instant without the zeros that tests never use.
pub(super) fn short(instant: Timestamp) -> String {
    let text = instant.to_string();
    text.strip_suffix(":00.000Z").unwrap_or(&text).to_owned()
}

pub(super) fn rejected() -> Delivery {
    Delivery::Rejected { why: "no such mailbox".into() }
}

pub(super) fn unknown() -> Delivery {
    Delivery::Unknown { why: "the connection broke".into() }
}

pub(super) fn arm(name: &str) -> Option<Arc<str>> {
    Some(name.into())
}
