//! One attempt from its check to its recorded end.

use std::sync::Arc;
use std::time::Duration;

use super::attempt::{self, Doubt, Held, Next, Seen};
use super::channel::Channel;
use super::claims::Claims;
use super::fill;
use super::lane::Item;
use super::outcome::{Answer, CallResult};
use super::seam::{Aside, Gate, Known, Ledger, Saved, Trouble};
use crate::clock::{Shared as Clock, Stopwatch};
use crate::config::{Hears, OnUnknown};
use crate::engine::catalog::Sending;
use crate::engine::decision::Reason;
use crate::engine::id::DecisionId;
use crate::engine::input::Delivery;
use crate::engine::time::{Span, Timestamp};
use crate::links::Links;
use crate::store::record::OutboxRow;
use crate::telemetry::{Called, Settled};

/// The wait before the log or the outbox is asked again.
const LEDGER_AGAIN: Duration = Duration::from_millis(200);
/// How often the end of a row is offered to a log that is overloaded, before it is left to the
/// next start.
const FINISH_TRIES_MAX: u32 = 150;

/// Makes the calls of one channel.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) channel: Arc<dyn Channel>,
    pub(super) on_unknown: OnUnknown,
    /// For how long after its decision the other side knows a call again, if not for ever.
    pub(super) retry_life: Option<Span>,
    /// Whether its provider tells later what became of sends.
    pub(super) hears: Hears,
    pub(super) sending: Sending,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) gate: Arc<dyn Gate>,
    pub(super) links: Arc<Links>,
    pub(super) claims: Arc<Claims>,
    pub(super) clock: Clock,
}

/// What an attempt came to.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) customer: String,
    pub(super) health: Health,
    pub(super) end: End,
}

/// What an attempt says about its channel.
#[derive(Debug)]
pub(super) enum Health {
    /// Nothing: no call was made.
    NotCalled,
    /// It works.
    Answered,
    /// It does not.
    Failed { why: String, not_before: Option<Timestamp> },
}

/// Where the row goes.
#[derive(Debug)]
pub(super) enum End {
    /// The log has its outcome.
    Settled(DecisionId),
    /// It was withdrawn.
    Gone(DecisionId),
    /// It is tried again when it is due.
    Wait(Item),
    /// Something on our side failed before the call: it comes again soon.
    Again(Item),
    /// It stays in the outbox as it is.
    Left,
}

/// Where a row goes about which nobody could be asked.
fn in_trouble(trouble: &Trouble, id: DecisionId, item: Item) -> End {
    match trouble {
        Trouble::Later(_) => End::Again(item),
        Trouble::Elsewhere => End::Gone(id),
        Trouble::Over(_) => End::Left,
    }
}

impl Caller {
    /// Takes a row one step on.
    pub(super) async fn attempt(self: Arc<Self>, item: Item) -> Done {
        let customer = item.row.customer.clone();
        let (health, end) = self.drive(item).await;
        Done { customer, health, end }
    }

    async fn drive(&self, item: Item) -> (Health, End) {
        let Item { id, row, seen } = item.clone();
        if row.dry_run || self.sending == Sending::DryRun {
            let (delivery, word) = match self.gate.listed(&row) {
                Ok(None) => (Delivery::Delivered, "dry_run"),
                Ok(detail) => (Delivery::Refused { reason: Reason::Listed, detail }, "refused"),
                Err(trouble) => return (Health::NotCalled, in_trouble(&trouble, id, item)),
            };
            let end = self.finish(id, &row, &delivery, word).await;
            return (Health::NotCalled, end);
        }
        let held = Held { row, doubt: Doubt::None };
        let now = self.clock.now();
        let (held, begun) = match attempt::next(&held, seen, self.on_unknown(&held.row, now), now) {
            Next::Call => (held, Begun::Already),
            Next::Begin(held) => (held, Begun::Now),
            Next::Ask => return self.ask(id, &held, item).await,
            Next::Wait(row) => return (Health::NotCalled, self.wait(id, row).await),
            Next::Finish(delivery) => {
                let end = self.finish(id, &held.row, &delivery, word(&delivery)).await;
                return (Health::NotCalled, end);
            }
        };
        if let Some(end) = self.may_not(id, &held, begun, now, item).await {
            return (Health::NotCalled, end);
        }
        self.call(id, &held).await
    }

    fn on_unknown(&self, row: &OutboxRow, now: Timestamp) -> OnUnknown {
        attempt::while_known(self.on_unknown, self.retry_life, row, now)
    }

    /// Asks the governor and commits the attempt: what stops the call, if anything does.
    async fn may_not(
        &self,
        id: DecisionId,
        held: &Held,
        begun: Begun,
        now: Timestamp,
        item: Item,
    ) -> Option<End> {
        match self.gate.listed(&held.row) {
            Ok(None) => {}
            Ok(detail) => {
                let delivery = attempt::refuse(held, Reason::Listed, detail);
                return Some(self.finish(id, &held.row, &delivery, word(&delivery)).await);
            }
            Err(trouble) => return Some(in_trouble(&trouble, id, item)),
        }
        if attempt::needs_recheck(&held.row, now) {
            match self.gate.recheck(&held.row, now).await {
                Ok(None) => {}
                Ok(Some(reason)) => {
                    let delivery = attempt::refuse(held, reason, None);
                    return Some(self.finish(id, &held.row, &delivery, word(&delivery)).await);
                }
                Err(trouble) => return Some(in_trouble(&trouble, id, item)),
            }
        }
        if begun == Begun::Now {
            match self.ledger.save(&held.row).await {
                Ok(Saved::Kept) => {}
                Ok(Saved::Gone) | Err(Trouble::Elsewhere) => return Some(End::Gone(id)),
                Err(Trouble::Later(_)) => return Some(End::Again(item)),
                Err(Trouble::Over(_)) => return Some(End::Left),
            }
        }
        self.claims.is_withdrawn(id).then_some(End::Gone(id))
    }

    async fn call(&self, id: DecisionId, held: &Held) -> (Health, End) {
        let row = &held.row;
        let watch = Stopwatch::start();
        let result = match fill::fill(row, &self.links) {
            Ok(filled) => self.channel.call(&filled, self.clock.now()).await,
            Err(why) => CallResult::Rejected { why },
        };
        Called {
            channel: &row.channel,
            decision: &row.decision,
            attempt: row.attempt,
            result: result.word(),
            why: result.why(),
            took: watch.elapsed(),
        }
        .emit();
        let health = health(&result);
        let aside = match (&result, self.hears) {
            (CallResult::Gone { .. }, _) => Aside::Gone,
            (_, Hears::Nothing) | (CallResult::Rejected { .. }, _) => Aside::Nothing,
            (CallResult::DeliveredAs { name }, _) => Aside::Known(Known { id: Some(name.clone()) }),
            // It may have left: what is told of its address is about it.
            _ => Aside::Known(Known::default()),
        };
        let seen = Seen::Called(result);
        let now = self.clock.now();
        let end = match attempt::next(held, seen, self.on_unknown(row, now), now) {
            Next::Finish(delivery) => {
                self.finish_known(id, row, (&delivery, &aside), word(&delivery)).await
            }
            Next::Wait(row) => self.wait(id, row).await,
            // A call has an end or a wait after it; anything else would be called again at once.
            Next::Call | Next::Begin(_) | Next::Ask => End::Left,
        };
        (health, end)
    }

    /// Asks the other side what became of an attempt, and goes on by what it says.
    async fn ask(&self, id: DecisionId, held: &Held, item: Item) -> (Health, End) {
        let row = &held.row;
        let watch = Stopwatch::start();
        let answer = self.channel.ask(row, self.clock.now()).await;
        let (result, why) = match &answer {
            Answer::Taken { .. } => ("asked_taken", ""),
            Answer::Absent => ("asked_absent", ""),
            Answer::Unclear { why } => ("asked_unclear", &**why),
        };
        let (channel, decision) = (&*row.channel, &*row.decision);
        let (attempt, took) = (row.attempt, watch.elapsed());
        Called { channel, decision, attempt, result, why, took }.emit();
        let aside = match (&answer, self.hears) {
            (Answer::Taken { name }, Hears::Receipts) => {
                let accepted = row.confirming.as_ref().map(|known| known.name.clone());
                Aside::Known(Known { id: name.clone().or(accepted) })
            }
            _ => Aside::Nothing,
        };
        let health = match &answer {
            Answer::Taken { .. } | Answer::Absent => Health::Answered,
            // That a person takes their time says nothing of the channel.
            Answer::Unclear { .. } if row.confirming.is_some() => Health::NotCalled,
            Answer::Unclear { why } => Health::Failed { why: why.clone(), not_before: None },
        };
        let now = self.clock.now();
        let seen = Seen::Asked(answer);
        let end = match attempt::next(held, seen, self.on_unknown(row, now), now) {
            Next::Finish(delivery) => {
                self.finish_known(id, row, (&delivery, &aside), word(&delivery)).await
            }
            Next::Wait(row) => self.wait(id, row).await,
            Next::Begin(held) => match self.may_not(id, &held, Begun::Now, now, item).await {
                Some(end) => end,
                None => return self.call(id, &held).await,
            },
            Next::Call | Next::Ask => End::Left,
        };
        (health, end)
    }

    /// Commits when a row is tried again. Should that fail, the row as it stands says less, but
    /// nothing wrong: an attempt was begun whose result is not known.
    async fn wait(&self, id: DecisionId, row: OutboxRow) -> End {
        match self.ledger.save(&row).await {
            Ok(Saved::Gone) | Err(Trouble::Elsewhere) => End::Gone(id),
            Ok(Saved::Kept) | Err(Trouble::Later(_)) => {
                End::Wait(Item { id, row, seen: Seen::Found })
            }
            Err(Trouble::Over(_)) => End::Left,
        }
    }

    async fn finish(
        &self,
        id: DecisionId,
        row: &OutboxRow,
        delivery: &Delivery,
        result: &'static str,
    ) -> End {
        self.finish_known(id, row, (delivery, &Aside::Nothing), result).await
    }

    async fn finish_known(
        &self,
        id: DecisionId,
        row: &OutboxRow,
        (delivery, aside): (&Delivery, &Aside),
        result: &'static str,
    ) -> End {
        for _ in 0..FINISH_TRIES_MAX {
            match self.ledger.finish(row, delivery, aside).await {
                Ok(()) => {
                    Settled { channel: &row.channel, result }.emit();
                    return End::Settled(id);
                }
                Err(Trouble::Later(_)) => tokio::time::sleep(LEDGER_AGAIN).await,
                Err(Trouble::Elsewhere | Trouble::Over(_)) => break,
            }
        }
        End::Left
    }
}

/// Whether the attempt is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begun {
    /// With the decision.
    Already,
    /// It is to be committed now.
    Now,
}

fn health(result: &CallResult) -> Health {
    match result {
        CallResult::Delivered
        | CallResult::DeliveredAs { .. }
        | CallResult::Accepted { .. }
        | CallResult::PutOff { .. }
        | CallResult::Rejected { .. }
        | CallResult::Gone { .. } => Health::Answered,
        CallResult::NotSent { why, not_before } => {
            Health::Failed { why: why.clone(), not_before: *not_before }
        }
        CallResult::Unknown { why } => Health::Failed { why: why.clone(), not_before: None },
    }
}

fn word(delivery: &Delivery) -> &'static str {
    match delivery {
        Delivery::Delivered => "delivered",
        Delivery::Rejected { .. } => "rejected",
        Delivery::Unknown { .. } => "unknown",
        Delivery::Expired => "expired",
        Delivery::Refused { .. } => "refused",
    }
}
