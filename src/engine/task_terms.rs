//! What a trigger that hands its matches to people says of the task.

use std::sync::Arc;

use super::condition::Expr;
use super::slot::ChannelSlot;
use super::time::Span;

/// `task:`.
#[derive(Debug)]
pub struct TaskAction {
    /// The list or system it goes to.
    pub channel: ChannelSlot,
    /// Who gets it: an expression giving a text.
    pub assign_to: Option<Expr>,
    /// How long each person has to acknowledge it.
    pub ack_within: Option<Span>,
    /// When it is due.
    pub due: Option<Due>,
    /// Given up after this time.
    pub expires_after: Option<Span>,
    /// To whom it goes on, one after the other: expressions giving texts.
    pub escalate_to: Box<[Expr]>,
    /// The team whose desk decides who gets it.
    pub team: Option<Arc<str>>,
    /// What whoever gets it must know to do.
    pub skills: Box<[Arc<str>]>,
    /// What it is worth, for the order in which tasks wait: an expression giving a number.
    pub worth: Option<Expr>,
    /// How urgent.
    pub priority: TaskPriority,
    /// Name of the title's template in `Texts`.
    pub title: Box<str>,
    /// Name of the suggestion's template in `Texts`.
    pub suggest: Option<Box<str>>,
    /// How many reasons of the score to show.
    pub reasons: u8,
    /// How many of the last events to show.
    pub timeline: u8,
    /// What else to show, by name.
    pub include: Box<[Box<str>]>,
}

/// When a task is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// After an exact time.
    After(Span),
    /// At the end of the n-th business day (Monday to Friday) in the policy's zone.
    BusinessDays(u16),
}

/// How urgent a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskPriority {
    /// When there is time.
    Low,
    /// In turn.
    Normal,
    /// Before others.
    High,
    /// Now.
    Urgent,
}

impl TaskPriority {
    /// Higher goes first.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Low => 0,
            Self::Normal => 1,
            Self::High => 2,
            Self::Urgent => 3,
        }
    }
}
