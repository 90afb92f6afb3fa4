//! Orders of an operator: hold everything, a purpose or a trigger back, stop it, or let it go on.
//!
//! An order is a record of the log, and holds from its place in it on. What a shard knows of orders
//! is a cache of the log, as everything else it knows.

use super::input::BlindGap;
use super::policy::Policy;
use super::slot::PurposeSlot;
use super::time::{Span, Timestamp};

/// Orders remembered, those that are over among them; past it the oldest that is over goes.
pub const OPERATIONS_MAX: usize = 64;
/// An order that says nothing else is over after this.
pub const LASTS_DEFAULT: Span = Span::DAY;
/// No order lasts longer: what is to be off for good belongs into the files.
pub const LASTS_MAX: Span = Span::DAY.times(30);

/// An order, as its giver wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its id: given twice, it is one order.
    pub id: Box<str>,
    /// What to do.
    pub order: Order,
    /// With what.
    pub scope: Scope,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who gave it.
    pub by: Box<str>,
    /// Why.
    pub why: Box<str>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Hold what fires and what waits until this ends, or until it is of no use any more.
    Pause,
    /// Suppress what fires, cancel what waits.
    Stop,
    /// End what holds or stops the same scope; what was held is decided again at once.
    Resume,
}

/// With what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// With all messages and tasks.
    Everything,
    /// With all messages of a purpose, by its name.
    Purpose(Box<str>),
    /// With a trigger, by its id.
    Trigger(Box<str>),
}

/// An order that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The order.
    pub operation: Operation,
    /// When it was taken in.
    pub since: Timestamp,
    /// How many decisions it ended the wait of: cancelled by a stop, let go by a resume.
    pub moved: u64,
    /// When a resume ended it.
    pub ended: Option<Timestamp>,
}

/// The orders that a shard knows, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operations(Vec<Standing>);

/// What a step has to know of the shard around its customer.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Times in which the shard heard nothing (disjoint); absence timers do not count them.
    pub blind: &'a [BlindGap],
    /// The orders in force.
    pub operations: &'a Operations,
}

/// Nobody has given an order.
pub static NO_OPERATIONS: Operations = Operations(Vec::new());

impl Order {
    /// The word used in the log and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Stop => "stop",
            Self::Resume => "resume",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Pause, Self::Stop, Self::Resume].into_iter().find(|order| order.as_str() == text)
    }
}

impl Scope {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None => (text == "everything").then_some(Self::Everything),
            Some(("purpose", name)) => Some(Self::Purpose(name.into())),
            Some(("trigger", name)) => Some(Self::Trigger(name.into())),
            Some(_) => None,
        }
    }

    fn is_about(&self, trigger: Option<&str>, purpose: Option<&str>) -> bool {
        match self {
            Self::Everything => true,
            Self::Purpose(name) => purpose == Some(&**name),
            Self::Trigger(name) => trigger == Some(&**name),
        }
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Purpose(name) => write!(f, "purpose:{name}"),
            Self::Trigger(name) => write!(f, "trigger:{name}"),
        }
    }
}

impl Standing {
    /// Whether it holds or stops something at an instant.
    pub fn is_in_force(&self, at: Timestamp) -> bool {
        self.operation.order != Order::Resume && self.ended.is_none() && at < self.operation.until
    }
}

impl Operations {
    /// As they were written down.
    pub fn restored(all: Vec<Standing>) -> Self {
        Self(all)
    }

    /// All that are remembered, oldest first.
    pub fn all(&self) -> &[Standing] {
        &self.0
    }

    /// Takes an order in. False for one that is known already.
    pub fn take(&mut self, operation: &Operation, at: Timestamp) -> bool {
        if self.0.iter().any(|standing| standing.operation.id == operation.id) {
            return false;
        }
        if operation.order == Order::Resume {
            let same = |standing: &&mut Standing| {
                standing.is_in_force(at) && standing.operation.scope == operation.scope
            };
            self.0.iter_mut().filter(same).for_each(|standing| standing.ended = Some(at));
        }
        while OPERATIONS_MAX <= self.0.len() {
            // One in force goes only when nothing else is there.
            let over = self.0.iter().position(|standing| !standing.is_in_force(at));
            self.0.remove(over.unwrap_or_default());
        }
        let operation = operation.clone();
        self.0.push(Standing { operation, since: at, moved: 0, ended: None });
        true
    }

    /// Notes how many waits an order ended.
    pub fn note_moved(&mut self, id: &str, moved: u64) {
        if let Some(standing) = self.0.iter_mut().find(|standing| *standing.operation.id == *id) {
            standing.moved = standing.moved.saturating_add(moved);
        }
    }

    /// What holds a trigger, or a purpose, at an instant: a stop before a pause, and of pauses the
    /// one that ends last.
    pub fn holding(
        &self,
        trigger: Option<&str>,
        purpose: Option<&str>,
        at: Timestamp,
    ) -> Option<&Standing> {
        let about = |standing: &&Standing| {
            standing.is_in_force(at) && standing.operation.scope.is_about(trigger, purpose)
        };
        self.0.iter().filter(about).max_by_key(|standing| {
            (standing.operation.order == Order::Stop, standing.operation.until)
        })
    }
}

impl Operation {
    /// Whether it concerns an outreach of a trigger, or of a purpose.
    pub fn concerns(&self, policy: &Policy, trigger: &str, purpose: Option<PurposeSlot>) -> bool {
        let purpose = purpose.and_then(|slot| policy.purposes.get(slot.index()));
        self.scope.is_about(Some(trigger), purpose.map(|purpose| &*purpose.name))
    }
}

impl<'a> From<&'a [BlindGap]> for Around<'a> {
    fn from(blind: &'a [BlindGap]) -> Self {
        Self { blind, operations: &NO_OPERATIONS }
    }
}

impl<'a> From<&'a Vec<BlindGap>> for Around<'a> {
    fn from(blind: &'a Vec<BlindGap>) -> Self {
        Self::from(blind.as_slice())
    }
}

impl<'a> From<&'a [BlindGap; 0]> for Around<'a> {
    fn from(blind: &'a [BlindGap; 0]) -> Self {
        Self::from(blind.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::at;

    fn order(id: &str, order: Order, scope: Scope, until: &str) -> Operation {
        let (by, why) = ("ann".into(), "a test".into());
        Operation { id: id.into(), order, scope, until: at(until), by, why }
    }

    #[test]
    fn a_stop_goes_before_a_pause_and_a_resume_ends_its_own_scope_alone() {
        let (cart, mail) = (Scope::Trigger("cart".into()), Scope::Purpose("marketing".into()));
        let mut known = Operations::default();
        let now = at("2026-03-02T10:00");
        assert!(known.take(&order("1", Order::Pause, cart.clone(), "2026-03-03T00:00"), now));
        assert!(!known.take(&order("1", Order::Stop, cart.clone(), "2026-03-03T00:00"), now));
        known.take(&order("2", Order::Stop, mail.clone(), "2026-03-02T12:00"), now);
        let holds = |known: &Operations, purpose, when: &str| {
            let standing = known.holding(Some("cart"), purpose, at(when));
            standing.map(|standing| standing.operation.id.to_string())
        };
        assert_eq!(holds(&known, None, "2026-03-02T11:00").as_deref(), Some("1"));
        assert_eq!(holds(&known, Some("marketing"), "2026-03-02T11:00").as_deref(), Some("2"));
        assert_eq!(holds(&known, Some("marketing"), "2026-03-02T12:00").as_deref(), Some("1"));
        assert_eq!(holds(&known, None, "2026-03-03T00:00"), None, "it is over by itself");
        known.take(&order("3", Order::Resume, mail, "2026-03-03T00:00"), now);
        assert_eq!(holds(&known, Some("marketing"), "2026-03-02T11:00").as_deref(), Some("1"));
        known.take(&order("4", Order::Resume, cart, "2026-03-03T00:00"), now);
        assert_eq!(holds(&known, Some("marketing"), "2026-03-02T11:00"), None);
    }

    #[test]
    fn what_is_over_is_forgotten_before_what_is_in_force() {
        let mut known = Operations::default();
        let now = at("2026-03-02T10:00");
        known.take(&order("kept", Order::Pause, Scope::Everything, "2026-03-09T00:00"), now);
        for number in 0..200 {
            let scope = Scope::Trigger(format!("t{number}").into());
            known.take(&order(&format!("{number}"), Order::Pause, scope, "2026-03-02T10:00"), now);
        }
        assert_eq!(known.all().len(), OPERATIONS_MAX);
        assert!(known.holding(None, None, now).is_some());
    }

    #[test]
    fn scopes_read_what_they_write() {
        for scope in [Scope::Everything, Scope::Purpose("a:b".into()), Scope::Trigger("c".into())] {
            assert_eq!(Scope::parse(&scope.to_string()), Some(scope));
        }
        for text in ["", "all", "person:ann"] {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
    }
}
