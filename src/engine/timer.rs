//! All timers of the engine: what they wait for and what is kept with them.

use super::customer::Cause;
use super::id::DecisionId;
use super::slot::{ScoreSlot, TriggerSlot};
use super::time::Timestamp;

/// An armed timer.
#[derive(Clone, Debug, PartialEq)]
pub struct Timer {
    /// When it fires.
    pub due: Timestamp,
    /// What it does then.
    pub kind: TimerKind,
}

/// What a timer waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum TimerKind {
    /// When the events of `not_followed_by` have failed to come for the whole time.
    Absence {
        /// The trigger.
        trigger: TriggerSlot,
        /// Hash of the object; 0 without `per`.
        object: u64,
        /// The event that armed it.
        cause: Box<Cause>,
        /// Blind time already added to the deadline, in milliseconds.
        extended_ms: u32,
    },
    /// When a waiting outreach is decided again.
    Release {
        /// The decision.
        decision: DecisionId,
    },
    /// When a date's offset is reached at its local time.
    Date {
        /// The trigger.
        trigger: TriggerSlot,
        /// Index into its offsets.
        offset: u8,
    },
    /// When the calendar says so.
    Schedule {
        /// The trigger.
        trigger: TriggerSlot,
    },
    /// When the session has been idle for long enough.
    SessionEnd,
    /// When a task goes on, or is given up.
    Task {
        /// Its decision.
        decision: DecisionId,
    },
    /// When the desk of a team or a pool may give out what had to wait; of a customer, when pools
    /// are told again what they did not answer.
    Desk,
    /// When an outreach goes to the next channel, or will do so no more.
    Rung {
        /// Its decision.
        decision: DecisionId,
    },
    /// When a scorecard is computed again.
    Rescore {
        /// Which.
        score: ScoreSlot,
    },
}
