//! From channel to channel: an outreach that did not reach the customer on one of its channels goes
//! to the next, as a decision of its own that passes every rule anew.

use super::super::catalog::{Action, FallBack, Sending};
use super::super::customer::{Cause, ContactKind, RUNGS_MAX, Rung};
use super::super::decision::{Detail, Finding, Passed, Reason, Rule, Ruling, Verdict, VerdictKind};
use super::super::govern;
use super::super::id::DecisionId;
use super::super::input::{Delivery, Told};
use super::super::slot::ChannelSlot;
use super::super::time::Timestamp;
use super::super::timer::TimerKind;
use super::fire::{Firing, Stage, properties_of};
use super::{Step, timers};

/// Whether what became of a send says that this channel did not deliver it, and another may: not
/// that it was too late, nor that nothing at all should go out.
pub(super) const fn lets_go_on(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Rejected { .. } => true,
        Delivery::Refused { reason, .. } => matches!(
            reason,
            Reason::OptedOut | Reason::NoConsent | Reason::Unreachable | Reason::Listed
        ),
        Delivery::Delivered | Delivery::Unknown { .. } | Delivery::Expired => false,
    }
}

impl<'a> Step<'a> {
    /// Notes for a send where it may go from its channel.
    pub(super) fn set_rung(
        &mut self,
        firing: &Firing<'_>,
        channel: ChannelSlot,
        expires_at: Timestamp,
        now: Timestamp,
    ) {
        let Action::Send(send) = &firing.trigger.action else { return };
        let Some(fall_back) = send.fall_back else { return };
        let known = self.take_rung(firing.id);
        // In a rehearsal nothing ever fails.
        if self.catalog.sending == Sending::DryRun {
            return;
        }
        let mut rung = known.unwrap_or_else(|| Rung {
            decision: firing.id,
            first: firing.id,
            number: 0,
            trigger: firing.slot,
            cause: firing.cause.clone(),
            decided_at: firing.decided_at,
            expires_at,
            on: channel,
            stands: None,
            left: send.via.iter().copied().collect(),
        });
        (rung.on, rung.stands) = (channel, None);
        rung.left.retain(|left| *left != channel);
        if rung.left.is_empty() {
            return;
        }
        let due = match fall_back {
            FallBack::Silent(after) => expires_at.min(now + after),
            FallBack::Refused => expires_at,
        };
        self.keep_rung(rung);
        timers::arm(self.state, due, TimerKind::Rung { decision: firing.id });
    }

    /// Nothing was heard of a send for long enough, or it may go on no more.
    pub(super) fn rung_due(&mut self, id: DecisionId, now: Timestamp) {
        let Some(rung) = self.state.rare.rungs.iter().find(|rung| rung.decision == id) else {
            return;
        };
        let expires_at = rung.expires_at;
        let action = self.catalog.trigger(rung.trigger).map(|trigger| &trigger.action);
        let after = match action {
            Some(Action::Send(send)) => match send.fall_back {
                Some(FallBack::Silent(after)) if now < expires_at => after,
                Some(FallBack::Silent(_) | FallBack::Refused) | None => {
                    return self.climb_no_more(id);
                }
            },
            Some(Action::Task(_)) | None => return self.climb_no_more(id),
        };
        let head = id.head();
        let contact = self.state.ledger.iter().find(|contact| contact.decision == head).copied();
        match contact.map(|contact| (contact.kind, contact.told, contact.at)) {
            // It is still on its way to the channel: two would be under way at once.
            Some((ContactKind::Reserved, Told::Nothing | Told::SoftBounced, _)) => {
                let due = expires_at.min(now + after);
                timers::arm(self.state, due, TimerKind::Rung { decision: id });
            }
            Some((
                ContactKind::Sent | ContactKind::Unknown,
                Told::Nothing | Told::SoftBounced,
                at,
            )) => self.go_on(id, Some(at), now),
            // It arrived, and may come back until it is too late.
            Some((ContactKind::Reserved | ContactKind::Sent | ContactKind::Unknown, ..)) => {
                timers::arm(self.state, expires_at, TimerKind::Rung { decision: id });
            }
            Some((ContactKind::Ghost | ContactKind::DryRun, ..)) | None => self.climb_no_more(id),
        }
    }

    /// A message came back: it reached nobody, so that it is no contact.
    pub(super) fn came_back(&mut self, id: DecisionId, now: Timestamp) {
        if !self.state.rare.rungs.iter().any(|rung| rung.decision == id) {
            return;
        }
        let head = id.head();
        let found = self.state.ledger.iter().find(|contact| contact.decision == head).copied();
        let Some(contact) = found else { return };
        let replaced = match contact.kind {
            ContactKind::Reserved | ContactKind::Sent => VerdictKind::Send,
            ContactKind::Unknown => VerdictKind::Unknown,
            ContactKind::Ghost | ContactKind::DryRun => return,
        };
        govern::withdraw(self.state, id);
        let verdict = Verdict::Suppress { reason: Reason::Rejected };
        self.replace((id, &contact), replaced, verdict, now);
        self.go_on(id, None, now);
    }

    /// Takes an outreach to the channels that are left. `stands`: when its last contact was made,
    /// if that one goes on counting.
    pub(super) fn go_on(&mut self, id: DecisionId, stands: Option<Timestamp>, now: Timestamp) {
        let Some(rung) = self.take_rung(id) else { return };
        let Some(trigger) = self.catalog.trigger(rung.trigger) else { return };
        let Action::Send(send) = &trigger.action else { return };
        if send.fall_back.is_none() {
            return;
        }
        let number = rung.number.saturating_add(1);
        let occurrence = format!("fallback:{number}:{}", rung.first);
        let next = DecisionId::derive(&trigger.id, &self.state.id, &occurrence);
        let cause = Box::new(Cause { occurrence: occurrence.into(), ..(*rung.cause).clone() });
        let properties = properties_of(&cause);
        let holds = self.conditions_hold(trigger, &properties, now);
        let conditions = self.trace(trigger, &properties, now);
        drop(properties);
        if !holds {
            self.decision.rulings.push(Ruling {
                id: next,
                trigger: rung.trigger,
                occurrence: cause.occurrence,
                at: now,
                caused_at: cause.at,
                verdict: Verdict::Cancel { reason: Reason::ConditionFailed },
                replaces: None,
                arm: None,
                offer: None,
                conditions,
                findings: Vec::new(),
            });
            return;
        }
        let (slot, decided_at, stage) = (rung.trigger, rung.decided_at, Stage::FellBack);
        self.keep_rung(Rung { decision: next, number, stands, ..rung });
        self.firings.push(Firing { slot, trigger, id: next, cause, decided_at, stage, conditions });
    }

    /// Tells in the findings of a decision from where it comes.
    pub(super) fn tell_where_it_was(&self, id: DecisionId, findings: &mut Vec<Finding>) {
        let Some(rung) = self.state.rare.rungs.iter().find(|rung| rung.decision == id) else {
            return;
        };
        let channel = self.catalog.policy.channels.get(rung.on.index());
        let channel = channel.map_or("another channel", |channel| &*channel.name);
        let why = match rung.stands {
            Some(_) => "nothing was heard of it there",
            None => "it was not delivered there",
        };
        let text = format!("it goes on from `{channel}`: {why} (first decided as {})", rung.first);
        let told =
            Finding { rule: Rule::Channel, passed: Passed::Yes, detail: Detail::Text(text.into()) };
        let place = findings.iter().position(|finding| Rule::Channel <= finding.rule);
        findings.insert(place.unwrap_or(findings.len()), told);
    }

    /// What an event contradicts goes nowhere any more. What waits was cancelled on record.
    pub(super) fn contradict_rungs(&mut self, contradicted: impl Fn(&Rung) -> bool) {
        let rungs = self.state.rare.rungs.iter().filter(|rung| contradicted(rung));
        let ids: Vec<DecisionId> = rungs.map(|rung| rung.decision).collect();
        for id in ids {
            self.climb_no_more(id);
        }
    }

    /// A decision that has come to its end goes to no other channel.
    pub(super) fn climb_no_more(&mut self, id: DecisionId) {
        self.take_rung(id);
    }

    fn keep_rung(&mut self, rung: Rung) {
        if RUNGS_MAX <= self.state.rare.rungs.len() {
            let rungs = self.state.rare.rungs.iter();
            let first = rungs.min_by_key(|rung| rung.expires_at).map(|rung| rung.decision);
            first.map(|id| self.take_rung(id));
        }
        self.state.rare.rungs.push(rung);
    }

    fn take_rung(&mut self, id: DecisionId) -> Option<Rung> {
        let index = self.state.rare.rungs.iter().position(|rung| rung.decision == id)?;
        timers::disarm(self.state, |kind| *kind == TimerKind::Rung { decision: id });
        Some(self.state.rare.rungs.remove(index))
    }
}
