//! One outreach on its way through the rules: what they look at, and what they have found so far.

use std::cell::OnceCell;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::arbitration::Winners;
use super::{Judgement, Proposal};
use crate::engine::catalog::{Action, Catalog, Trigger};
use crate::engine::customer::{Cause, Contact, CustomerState};
use crate::engine::decision::{Detail, Finding, Hold, Passed, Reason, Rule, Verdict};
use crate::engine::evaluate::zone_of;
use crate::engine::id::DecisionId;
use crate::engine::operation::{NO_OPERATIONS, Operations};
use crate::engine::policy::{CapRule, OnCap, Purpose, UnknownZone};
use crate::engine::pool::Claim;
use crate::engine::slot::{ChannelSlot, PurposeSlot, TriggerSlot};
use crate::engine::time::{Span, Timestamp, Zone};

/// An outreach as the rules see it.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) catalog: &'a Catalog,
    pub(super) state: &'a CustomerState,
    pub(super) operations: &'a Operations,
    /// The contacts that come before it.
    pub(super) ledger: &'a [Contact],
    pub(super) now: Timestamp,
    /// Who asks; nobody, when it is asked what the rules would say.
    pub(super) asker: Option<Asker<'a>>,
    /// The message; a task for a person has none.
    pub(super) message: Option<Message<'a>>,
    pub(super) decided_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) zone: OnceCell<Option<Zone>>,
}

/// The trigger that asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) id: DecisionId,
    pub(super) slot: TriggerSlot,
    pub(super) trigger: &'a Trigger,
    /// Its cause; not known any more when a send is checked again.
    pub(super) cause: Option<&'a Cause>,
}

/// What would be written to the customer, as far as the rules care.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) slot: PurposeSlot,
    pub(super) purpose: &'a Purpose,
    pub(super) via: &'a [ChannelSlot],
    pub(super) on_cap: Option<OnCap>,
    pub(super) spread_over: Option<Span>,
}

/// The zone that a rule needs.
#[derive(Clone, Copy, Debug)]
pub(super) enum ZoneFor<'a> {
    /// The customer's, or the one that the purpose assumes.
    Known(&'a Zone),
    /// Unknown, and the purpose assumes none.
    Unknown,
}

impl<'a> Case<'a> {
    /// The case of a proposal; `None` when its purpose is not in the policy.
    pub(super) fn of(
        catalog: &'a Catalog,
        state: &'a CustomerState,
        proposal: &Proposal<'a>,
        now: Timestamp,
    ) -> Option<Self> {
        let trigger = proposal.trigger;
        let rung = state.rare.rungs.iter().find(|rung| rung.decision == proposal.id);
        let (message, expires_at) = match &trigger.action {
            // A task waits for a person, however long.
            Action::Task(_) => (None, Timestamp::MAX),
            Action::Send(send) => {
                let purpose = catalog.policy.purposes.get(send.purpose.index())?;
                let message = Message {
                    slot: send.purpose,
                    purpose,
                    via: rung.map_or(&send.via, |rung| &rung.left),
                    on_cap: send.on_cap,
                    // It had its place in the spread on its first channel.
                    spread_over: send.spread_over.filter(|_| rung.is_none()),
                };
                let live = send.expires_after.unwrap_or(purpose.expires_after);
                (Some(message), proposal.decided_at + live)
            }
        };
        let asker =
            Asker { id: proposal.id, slot: proposal.slot, trigger, cause: Some(proposal.cause) };
        Some(Self {
            asker: Some(asker),
            message,
            decided_at: proposal.decided_at,
            expires_at,
            ..Self::bare(catalog, state, now)
        })
    }

    /// A case without asker and message.
    pub(super) fn bare(catalog: &'a Catalog, state: &'a CustomerState, now: Timestamp) -> Self {
        Self {
            catalog,
            state,
            operations: &NO_OPERATIONS,
            ledger: &state.ledger,
            now,
            asker: None,
            message: None,
            decided_at: now,
            expires_at: Timestamp::MAX,
            zone: OnceCell::new(),
        }
    }

    /// The zone of the customer's wall clock, looked up once and only if a rule asks.
    pub(super) fn zone(&self) -> ZoneFor<'_> {
        let known = self.zone.get_or_init(|| zone_of(self.catalog, self.state));
        match (known, self.message.map(|message| message.purpose.unknown_zone)) {
            (Some(zone), _) => ZoneFor::Known(zone),
            (None, Some(UnknownZone::Refuse)) => ZoneFor::Unknown,
            (None, Some(UnknownZone::Assume) | None) => ZoneFor::Known(&self.catalog.policy.zone),
        }
    }

    /// The message, if caps and pauses concern it.
    pub(super) fn counted_message(&self) -> Option<Message<'a>> {
        self.message.filter(|message| message.purpose.capped == CapRule::Counted)
    }
}

/// What the rules have found so far.
#[derive(Debug)]
pub(super) struct Course<'a> {
    pub(super) findings: Vec<Finding>,
    pub(super) channel: Option<ChannelSlot>,
    /// The holdout that withholds it; it goes on as a ghost.
    pub(super) ghost: Option<Reason>,
    pub(super) arm: Option<Arc<str>>,
    /// The longest wait so far, and why.
    pub(super) hold: Option<(Hold, Reason)>,
    /// What waits with a lower priority, and gives way if this waits.
    pub(super) replaces: Vec<DecisionId>,
    /// What it needs of what customers share.
    pub(super) claim: Claim,
    pub(super) winners: &'a mut Winners,
}

/// How a rule lets the next one have its say, or has the last word.
pub(super) type Passage = ControlFlow<Verdict>;

impl<'a> Course<'a> {
    pub(super) fn new(winners: &'a mut Winners) -> Self {
        Self {
            findings: Vec::with_capacity(super::ORDER.len()),
            channel: None,
            ghost: None,
            arm: None,
            hold: None,
            replaces: Vec::new(),
            claim: Claim::default(),
            winners,
        }
    }

    /// A rule lets it pass.
    pub(super) fn pass(&mut self, rule: Rule, detail: Detail) -> Passage {
        self.findings.push(Finding { rule, passed: Passed::Yes, detail });
        ControlFlow::Continue(())
    }

    /// A rule ends it.
    pub(super) fn stop(&mut self, rule: Rule, verdict: Verdict, detail: Detail) -> Passage {
        self.findings.push(Finding { rule, passed: Passed::No, detail });
        ControlFlow::Break(verdict)
    }

    /// A rule suppresses it.
    pub(super) fn suppress(&mut self, rule: Rule, reason: Reason, detail: Detail) -> Passage {
        self.stop(rule, Verdict::Suppress { reason }, detail)
    }

    /// A rule makes it wait. The rules after it have their say all the same.
    pub(super) fn wait(&mut self, rule: Rule, hold: Hold, reason: Reason, detail: Detail) {
        self.findings.push(Finding { rule, passed: Passed::No, detail });
        self.hold(hold, reason);
    }

    /// Keeps the longest wait; of two equal ones, the earlier rule's.
    pub(super) fn hold(&mut self, hold: Hold, reason: Reason) {
        let longer = match (hold, self.hold) {
            (Hold::Free, _) | (_, Some((Hold::Never, _))) => false,
            (_, None | Some((Hold::Free, _))) | (Hold::Never, _) => true,
            (Hold::Until(new), Some((Hold::Until(old), _))) => old < new,
        };
        if longer {
            self.hold = Some((hold, reason));
        }
    }

    pub(super) fn judgement(self, verdict: Verdict, expires_at: Timestamp) -> Judgement {
        let waits = matches!(verdict, Verdict::Defer { .. });
        let replaces = if waits { self.replaces } else { Vec::new() };
        let (findings, arm, claim) = (self.findings, self.arm, self.claim);
        Judgement { verdict, findings, arm, expires_at, replaces, claim, hands_over: None }
    }
}
