//! The life of a task: what people and time do with it, and what is refused.

use thin_vec::ThinVec;

use super::desk::{Request, Said};
use super::id::DecisionId;
use super::queue::ASK_AGAIN;
use super::slot::{EventSlot, TriggerSlot};
use super::time::{Span, Timestamp};

/// Tasks of one customer that are remembered; past it the one closed longest ago is forgotten, and
/// when all are open the oldest expires.
pub const TASKS_MAX: usize = 32;
/// How long after its end a task can be taken up again.
pub const REOPEN_WITHIN: Span = Span::DAY.times(30);
/// Most people to whom a task goes on, one after the other.
pub const CHAIN_MAX: usize = 8;

/// A task of a customer, as far as its life needs it: what it says stands on record.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskState {
    /// Its decision.
    pub id: DecisionId,
    /// The trigger that asked for it.
    pub trigger: TriggerSlot,
    /// Where it stands.
    pub stage: Stage,
    /// Number of its latest change, from 0: changes are applied once.
    pub turn: u32,
    /// When it was opened, the last time.
    pub opened_at: Timestamp,
    /// When it changed last.
    pub changed_at: Timestamp,
    /// How long each person has to acknowledge it.
    pub ack_within: Option<Span>,
    /// Until when somebody must acknowledge it.
    pub ack_by: Option<Timestamp>,
    /// Until when it must be done.
    pub due_at: Option<Timestamp>,
    /// When it will be told that it is overdue; none once it was.
    pub overdue_at: Option<Timestamp>,
    /// When it is given up.
    pub expires_at: Option<Timestamp>,
    /// Who has it.
    pub assigned_to: Option<Box<str>>,
    /// To whom it goes next if nothing happens.
    pub chain: ThinVec<Box<str>>,
    /// What came of it.
    pub outcome: Option<TaskOutcome>,
    /// How it stands with the desk of its team, if it has one.
    pub desk: Option<Box<AtDesk>>,
}

/// How a task stands with the desk of its team.
#[derive(Clone, Debug, PartialEq)]
pub struct AtDesk {
    /// The team.
    pub team: Box<str>,
    /// What is asked for.
    pub request: Request,
    /// How it stands.
    pub standing: Standing,
    /// When the desk is told again, for want of an answer.
    pub again_at: Option<Timestamp>,
    /// What the desk said last.
    pub why: Option<Box<str>>,
}

/// Declares a closed set of words.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$note])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word used in the API, in events and in state.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Reads the word.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// Where a task stands.
    Stage {
        /// Nobody has said that they are at it.
        Open = "open",
        /// Somebody is.
        Acked = "acked",
        /// It was done, or found not to be needed.
        Done = "done",
        /// Nobody did it in time.
        Expired = "expired",
    }
}

words! {
    /// How a task stands with the desk of its team.
    Standing {
        /// It asks for somebody.
        Asking = "asking",
        /// Somebody has it.
        Placed = "placed",
        /// It is over, and the desk may not know.
        Leaving = "leaving",
        /// It is over, and the desk knows.
        Left = "left",
    }
}

words! {
    /// What came of a task.
    TaskOutcome {
        /// What it was about is settled.
        Resolved = "resolved",
        /// The customer was reached, and it goes on from there.
        Reached = "reached",
        /// The customer was not reached.
        NoAnswer = "no_answer",
        /// The customer did not want it.
        Declined = "declined",
        /// There was nothing to do.
        NotNeeded = "not_needed",
        /// Something else, in the note.
        Other = "other",
    }
}

words! {
    /// Why a task goes on to somebody else.
    Because {
        /// Nobody acknowledged it in time.
        NotAcked = "not_acked",
        /// It was not done in time.
        Overdue = "overdue",
    }
}

impl Stage {
    /// Whether somebody still has to do something.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Acked)
    }
}

/// What a person wants of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Which task.
    pub task: DecisionId,
    /// Its own name: heard twice, it counts once.
    pub id: Box<str>,
    /// Who says so.
    pub by: Box<str>,
    /// In their own words.
    pub note: Option<Box<str>>,
    /// What.
    pub what: Wish,
}

/// What can be wished of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// I saw it and am at it.
    Ack,
    /// It is mine, and I am at it.
    Claim,
    /// It is done.
    Done(TaskOutcome),
    /// It is not over.
    Reopen,
    /// It goes to somebody else.
    Reassign(Box<str>),
    /// Only the note.
    Note,
    /// The desk of its team gives it to somebody.
    Goes(Box<str>),
    /// The desk has nobody for it yet.
    Waits,
    /// The desk knows that it is over.
    Freed,
}

impl Wish {
    /// Whether only the desk of a team can say so.
    pub const fn is_of_desk(&self) -> bool {
        matches!(self, Self::Goes(_) | Self::Waits | Self::Freed)
    }

    /// The word of the API.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Ack => "ack",
            Self::Claim => "claim",
            Self::Done(_) => "done",
            Self::Reopen => "reopen",
            Self::Reassign(_) => "reassign",
            Self::Note => "note",
            Self::Goes(_) => "goes",
            Self::Waits => "waits",
            Self::Freed => "freed",
        }
    }
}

/// What happened to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody is at it.
    Acked,
    /// Somebody took it.
    Claimed,
    /// It is done.
    Done(TaskOutcome),
    /// It is open again.
    Reopened,
    /// It went to somebody else.
    Reassigned,
    /// Somebody wrote something about it.
    Noted,
    /// Time passed, and it went on, if there was somebody left.
    Escalated(Because),
    /// It was given up.
    Expired,
    /// Its desk gave it to somebody.
    Given,
    /// Its desk has nobody for it yet.
    Waits,
    /// What its desk says comes too late, or is known: it is nothing to speak of.
    Passed,
    /// What was wished for cannot be.
    Refused(Refusal),
}

impl What {
    /// The word on record.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Acked => "acked",
            Self::Claimed => "claimed",
            Self::Done(_) => "done",
            Self::Reopened => "reopened",
            Self::Reassigned => "reassigned",
            Self::Noted => "noted",
            Self::Escalated(_) => "escalated",
            Self::Expired => "expired",
            Self::Given => "given",
            Self::Waits => "waits",
            Self::Passed => "passed",
            Self::Refused(_) => "refused",
        }
    }

    /// The event that triggers can match; none for what only people care about.
    pub const fn event(&self) -> Option<&'static str> {
        match self {
            Self::Done(_) => Some(TaskEvents::CLOSED),
            Self::Escalated(_) => Some(TaskEvents::ESCALATED),
            Self::Expired => Some(TaskEvents::EXPIRED),
            Self::Acked
            | Self::Claimed
            | Self::Reopened
            | Self::Reassigned
            | Self::Noted
            | Self::Given
            | Self::Waits
            | Self::Passed
            | Self::Refused(_) => None,
        }
    }
}

/// Why a wish cannot be fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Somebody is at it.
    Acked,
    /// It is done.
    Done,
    /// It was given up.
    Expired,
    /// It is not over.
    NotOver,
    /// It was over too long ago.
    TooLate,
    /// Nobody knows it any more.
    Forgotten,
}

impl Refusal {
    /// The sentence shown to people.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Acked => "somebody is at the task already: reassign it, or say `done`",
            Self::Done => "the task is done already: reopen it first",
            Self::Expired => "the task has expired: reopen it first",
            Self::NotOver => "the task is not over: there is nothing to reopen",
            Self::TooLate => "the task was over more than 30 days ago: it stays as it is",
            Self::Forgotten => "the task is too old to be changed",
        }
    }
}

/// A change of a task, or the attempt at one.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskTurn {
    /// Which task.
    pub task: DecisionId,
    /// When.
    pub at: Timestamp,
    /// The instruction's own name; empty for what time does.
    pub id: Box<str>,
    /// Who; nobody, when time did it.
    pub by: Option<Box<str>>,
    /// In their own words.
    pub note: Option<Box<str>>,
    /// What.
    pub what: What,
    /// How it stands from now on; nothing, when it is not known any more.
    pub after: Option<Box<TaskState>>,
}

/// Whether a wish can be fulfilled, and by whom it may be.
///
/// # Errors
/// Why not.
pub fn allows(
    (stage, changed_at): (Stage, Timestamp),
    wish: &Wish,
    now: Timestamp,
) -> Result<(), Refusal> {
    match (wish, stage) {
        (Wish::Note | Wish::Goes(_) | Wish::Waits | Wish::Freed, _)
        | (Wish::Ack | Wish::Claim, Stage::Open)
        | (Wish::Done(_) | Wish::Reassign(_), Stage::Open | Stage::Acked) => Ok(()),
        (Wish::Ack | Wish::Claim, Stage::Acked) => Err(Refusal::Acked),
        (Wish::Reopen, Stage::Open | Stage::Acked) => Err(Refusal::NotOver),
        (Wish::Reopen, Stage::Done | Stage::Expired) => match now - changed_at <= REOPEN_WITHIN {
            true => Ok(()),
            false => Err(Refusal::TooLate),
        },
        (_, Stage::Done) => Err(Refusal::Done),
        (_, Stage::Expired) => Err(Refusal::Expired),
    }
}

impl TaskState {
    /// Does what is wished, if it can be.
    pub fn follow(&mut self, instruction: &Instruction, now: Timestamp) -> What {
        if let Err(refusal) = allows((self.stage, self.changed_at), &instruction.what, now) {
            return What::Refused(refusal);
        }
        if let Some(what) = self.hear_desk(instruction, now) {
            return what;
        }
        self.turn = self.turn.saturating_add(1);
        let what = match &instruction.what {
            Wish::Note | Wish::Goes(_) | Wish::Waits | Wish::Freed => return What::Noted,
            Wish::Ack => {
                self.take(&instruction.by);
                What::Acked
            }
            Wish::Claim => {
                self.assigned_to = Some(instruction.by.clone());
                self.take(&instruction.by);
                What::Claimed
            }
            Wish::Done(outcome) => {
                self.stage = Stage::Done;
                self.outcome = Some(*outcome);
                What::Done(*outcome)
            }
            Wish::Reopen => {
                self.reopen(now);
                What::Reopened
            }
            Wish::Reassign(to) => {
                self.assigned_to = Some(to.clone());
                self.stage = Stage::Open;
                self.ack_by = self.ack_within.map(|within| now + within);
                What::Reassigned
            }
        };
        self.changed_at = now;
        what
    }

    /// What the desk of its team says; nothing, when it is not the desk that speaks.
    fn hear_desk(&mut self, instruction: &Instruction, now: Timestamp) -> Option<What> {
        let said = &instruction.what;
        if !said.is_of_desk() {
            return None;
        }
        let Some(desk) = self.desk.as_deref_mut() else { return Some(What::Passed) };
        let why = instruction.note.as_deref();
        match (said, desk.standing) {
            (Wish::Freed, Standing::Leaving) => {
                desk.standing = Standing::Left;
                desk.again_at = None;
                return Some(What::Passed);
            }
            (Wish::Goes(person), Standing::Asking) if self.stage == Stage::Open => {
                desk.standing = Standing::Placed;
                desk.again_at = None;
                self.assigned_to = Some(person.clone());
                self.ack_by = self.ack_within.map(|within| now + within);
            }
            (Wish::Waits, Standing::Asking) if desk.why.as_deref() != why => {}
            _ => return Some(What::Passed),
        }
        desk.why = why.map(Into::into);
        self.turn = self.turn.saturating_add(1);
        self.changed_at = now;
        Some(if matches!(said, Wish::Waits) { What::Waits } else { What::Given })
    }

    /// What its desk must hear after a change; nothing, when it knows.
    pub fn tell_desk(&mut self, what: &What, now: Timestamp) -> Option<Said> {
        let desk = self.desk.as_deref_mut()?;
        let said = match (self.stage.is_open(), &self.assigned_to, what) {
            (false, ..) if matches!(desk.standing, Standing::Leaving | Standing::Left) => None,
            (false, ..) => {
                desk.standing = Standing::Leaving;
                Some(Said::Over)
            }
            (true, Some(person), What::Passed) if matches!(desk.standing, Standing::Placed) => {
                Some(Said::Has(person.clone()))
            }
            (
                true,
                Some(person),
                What::Acked
                | What::Claimed
                | What::Reassigned
                | What::Reopened
                | What::Escalated(_),
            ) => {
                desk.standing = Standing::Placed;
                desk.why = None;
                Some(Said::Has(person.clone()))
            }
            (true, None, What::Reopened) => {
                desk.standing = Standing::Asking;
                Some(Said::Asks(desk.request.clone()))
            }
            _ => None,
        };
        let waits = matches!(desk.standing, Standing::Asking | Standing::Leaving);
        match (&said, waits) {
            (_, false) => desk.again_at = None,
            (Some(_), true) => desk.again_at = Some(now + ASK_AGAIN),
            (None, true) => {}
        }
        said
    }

    /// What its desk is told again, because no answer came in time.
    pub fn remind_desk(&mut self, now: Timestamp) -> Option<Said> {
        let desk = self.desk.as_deref_mut()?;
        desk.again_at.filter(|at| *at <= now)?;
        desk.again_at = Some(now + ASK_AGAIN);
        match desk.standing {
            Standing::Asking => Some(Said::Asks(desk.request.clone())),
            Standing::Leaving => Some(Said::Over),
            Standing::Placed | Standing::Left => {
                desk.again_at = None;
                None
            }
        }
    }

    fn take(&mut self, by: &str) {
        self.stage = Stage::Acked;
        self.ack_by = None;
        if self.assigned_to.is_none() {
            self.assigned_to = Some(by.into());
        }
    }

    /// Everybody has as long again as at first.
    fn reopen(&mut self, now: Timestamp) {
        let as_long = |then: Timestamp| now + (then - self.opened_at);
        (self.due_at, self.expires_at) = (self.due_at.map(as_long), self.expires_at.map(as_long));
        self.overdue_at = self.due_at;
        self.ack_by = self.ack_within.map(|within| now + within);
        self.stage = Stage::Open;
        self.outcome = None;
        self.opened_at = now;
    }

    /// When time will do something with it.
    pub fn next_due(&self) -> Option<Timestamp> {
        let ack_by = self.ack_by.filter(|_| self.stage == Stage::Open);
        let all = [ack_by, self.overdue_at, self.expires_at];
        let open = all.into_iter().flatten().min().filter(|_| self.stage.is_open());
        let again = self.desk.as_ref().and_then(|desk| desk.again_at);
        open.into_iter().chain(again).min()
    }

    /// Does one thing that time has brought; ask again until there is none.
    pub fn elapse(&mut self, now: Timestamp) -> Option<What> {
        let is_over = |end: Option<Timestamp>| end.is_some_and(|end| end <= now);
        if !self.stage.is_open() {
            return None;
        }
        let what = if is_over(self.expires_at) {
            self.stage = Stage::Expired;
            What::Expired
        } else if is_over(self.overdue_at) {
            self.overdue_at = None;
            self.go_on(now);
            What::Escalated(Because::Overdue)
        } else if self.stage == Stage::Open && is_over(self.ack_by) {
            self.go_on(now);
            What::Escalated(Because::NotAcked)
        } else {
            return None;
        };
        self.turn = self.turn.saturating_add(1);
        self.changed_at = now;
        Some(what)
    }

    /// Gives it to the next person. Whoever is at it keeps it: the next one is told all the same.
    fn go_on(&mut self, now: Timestamp) {
        self.ack_by = None;
        if self.chain.is_empty() {
            return;
        }
        let next = self.chain.remove(0);
        if self.stage == Stage::Open {
            self.assigned_to = Some(next);
            self.ack_by = self.ack_within.map(|within| now + within);
        }
    }
}

/// The slots of what tasks make happen; none for what no file can know of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskEvents {
    /// A task was done.
    pub closed: Option<EventSlot>,
    /// A task went on to somebody else, or nobody was left.
    pub escalated: Option<EventSlot>,
    /// A task was given up.
    pub expired: Option<EventSlot>,
}

impl TaskEvents {
    /// A task was done.
    pub const CLOSED: &'static str = "Task Closed";
    /// A task went on to somebody else, or nobody was left.
    pub const ESCALATED: &'static str = "Task Escalated";
    /// A task was given up.
    pub const EXPIRED: &'static str = "Task Expired";

    /// The slots among the names of events.
    pub fn among<T: AsRef<str>>(events: &[T]) -> Self {
        let find = |name: &str| {
            let index = events.iter().position(|event| event.as_ref() == name)?;
            u16::try_from(index).ok().map(EventSlot)
        };
        Self {
            closed: find(Self::CLOSED),
            escalated: find(Self::ESCALATED),
            expired: find(Self::EXPIRED),
        }
    }

    /// The slot of one.
    pub fn slot(self, name: &str) -> Option<EventSlot> {
        match name {
            Self::CLOSED => self.closed,
            Self::ESCALATED => self.escalated,
            Self::EXPIRED => self.expired,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
