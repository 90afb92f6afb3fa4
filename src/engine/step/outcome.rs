//! What became of a send or a task, entered into the ledger and on record.

use super::super::customer::{Contact, ContactKind};
use super::super::decision::{Detail, Finding, Passed, Reason, Rule, Ruling, Verdict, VerdictKind};
use super::super::govern;
use super::super::id::DecisionId;
use super::super::input::{Delivery, Outcome};
use super::super::time::Timestamp;
use super::{Step, ladder};

impl Step<'_> {
    /// An outcome of a contact that is still open replaces its verdict, unless it confirms it.
    /// Whatever is not in the ledger, or was settled before, changes nothing.
    pub(super) fn outcome(&mut self, outcome: &Outcome, now: Timestamp) {
        let head = outcome.decision.head();
        let found = self.state.ledger.iter().rev().find(|contact| contact.decision == head);
        let Some(contact) = found.copied() else { return };
        let Some(replaced) = open_kind(&contact) else { return };
        // A send that may have been made stays counted, whatever a later attempt came to.
        if contact.kind == ContactKind::Unknown && outcome.result != Delivery::Delivered {
            return;
        }
        // Its provider told of it already: it was taken, whatever became of the call.
        let proven = matches!(outcome.result, Delivery::Unknown { .. } | Delivery::Rejected { .. })
            && contact.told.proves_taken();
        let result = if proven { &Delivery::Delivered } else { &outcome.result };
        govern::settle(self.state, outcome.decision, result);
        self.settle_grants(outcome.decision, result, now);
        let verdict = match result {
            Delivery::Delivered if replaced == VerdictKind::Unknown => {
                Verdict::Send { channel: contact.channel }
            }
            Delivery::Delivered => return,
            Delivery::Rejected { .. } => Verdict::Suppress { reason: Reason::Rejected },
            Delivery::Refused { reason, .. } => refused(*reason),
            Delivery::Expired => Verdict::Expire { reason: Reason::Expired },
            Delivery::Unknown { .. } => Verdict::Unknown { reason: Reason::OutcomeUnknown },
        };
        self.replace((outcome.decision, &contact), replaced, verdict, now);
        if let Delivery::Refused { detail: Some(detail), .. } = result
            && let Some(ruling) = self.decision.rulings.last_mut()
        {
            let detail = Detail::Text(detail.clone());
            ruling.findings.push(Finding { rule: Rule::Channel, passed: Passed::No, detail });
        }
        if ladder::lets_go_on(result) {
            self.go_on(outcome.decision, None, now);
        }
    }

    /// Another verdict stands for a decision whose contact is in the ledger.
    pub(super) fn replace(
        &mut self,
        (id, contact): (DecisionId, &Contact),
        replaced: VerdictKind,
        verdict: Verdict,
        now: Timestamp,
    ) {
        self.decision.rulings.push(Ruling {
            id,
            trigger: contact.trigger,
            // The ledger keeps contacts, not causes: the first ruling of the decision names it.
            occurrence: "".into(),
            at: now,
            caused_at: contact.at,
            verdict,
            replaces: Some(replaced),
            arm: None,
            offer: None,
            conditions: Vec::new(),
            findings: Vec::new(),
        });
    }
}

/// The verdict on a send that was refused just before its call: overtaken, or held back by a rule.
const fn refused(reason: Reason) -> Verdict {
    match reason {
        Reason::Contradicted | Reason::ConditionFailed | Reason::TriggerRemoved => {
            Verdict::Cancel { reason }
        }
        _ => Verdict::Suppress { reason },
    }
}

/// The verdict that stands for a contact whose outcome is still open.
fn open_kind(contact: &Contact) -> Option<VerdictKind> {
    match contact.kind {
        ContactKind::Reserved | ContactKind::DryRun if contact.purpose.is_none() => {
            Some(VerdictKind::Task)
        }
        ContactKind::Reserved | ContactKind::DryRun => Some(VerdictKind::Send),
        ContactKind::Unknown => Some(VerdictKind::Unknown),
        ContactKind::Sent | ContactKind::Ghost => None,
    }
}
