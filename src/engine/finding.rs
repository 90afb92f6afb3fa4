//! What each rule of the governor found: whether it let an outreach pass, and what it looked at.

use std::sync::Arc;

use super::slot::{ChannelSlot, PurposeSlot, TriggerSlot};
use super::time::Timestamp;

/// One rule of the governor and what it found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// Whether it let the outreach pass.
    pub passed: Passed,
    /// What it looked at.
    pub detail: Detail,
}

/// Whether a rule let an outreach pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It did.
    Yes,
    /// It did not.
    No,
}

/// The rules of the governor, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The trigger is switched on.
    Enabled,
    /// No operator holds or stops it.
    Operations,
    /// Not too old, not too late.
    Expiry,
    /// It may be written without a person.
    HumanOnly,
    /// The trigger has come to this customer.
    Ramp,
    /// No suppression or freeze.
    Suppression,
    /// The trigger's own rest.
    OncePer,
    /// Consent and preference.
    Consent,
    /// The channel on which the customer can be reached.
    Channel,
    /// Holdout and arm.
    Holdout,
    /// Messages before it were answered.
    LoopGuard,
    /// What fires together.
    Arbitration,
    /// Quiet hours and blackouts.
    QuietHours,
    /// Frequency caps and gaps.
    Caps,
    /// What the customer shares with others: caps of the account, budgets.
    Pools,
}

impl Rule {
    /// The word used in files and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Operations => "operations",
            Self::Expiry => "expiry",
            Self::HumanOnly => "human_only",
            Self::Ramp => "ramp",
            Self::Suppression => "suppression",
            Self::OncePer => "once_per",
            Self::Consent => "consent",
            Self::Channel => "channel",
            Self::Holdout => "holdout",
            Self::LoopGuard => "loop_guard",
            Self::Arbitration => "arbitration",
            Self::QuietHours => "quiet_hours",
            Self::Caps => "caps",
            Self::Pools => "pools",
        }
    }
}

/// What a rule looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    /// Nothing worth saying.
    None,
    /// A sentence.
    Text(Box<str>),
    /// Who holds it back, and until when.
    Freeze {
        /// Name of the trigger or freeze rule.
        by: Arc<str>,
        /// Its end, where one is known.
        until: Option<Timestamp>,
    },
    /// The consent looked up.
    Consent {
        /// The purpose.
        purpose: PurposeSlot,
        /// What is known.
        known: Option<super::input::Answer>,
    },
    /// The customer said no to being profiled.
    Refused {
        /// When.
        at: Timestamp,
        /// Where.
        source: Box<str>,
    },
    /// The channel chosen, or none.
    Channel(Option<ChannelSlot>),
    /// The arm.
    Arm(Arc<str>),
    /// The winner of the arbitration.
    Winner(TriggerSlot),
    /// The local time and the end of the quiet time it fell into.
    Quiet {
        /// Wall clock of the customer.
        local: jiff::civil::DateTime,
        /// First instant outside.
        until: Timestamp,
    },
    /// How far a trigger has come.
    Ramp {
        /// To which part of all.
        share: super::policy::Share,
        /// When it comes to this customer.
        comes_in: Timestamp,
    },
    /// Messages that nobody answered.
    Unanswered {
        /// How many.
        messages: u32,
        /// How many may stay without an answer.
        after: u32,
        /// When the oldest of them went out.
        since: Timestamp,
        /// When so many are too old to count that one more may go; `None` while it may.
        free_at: Option<Timestamp>,
    },
    /// A cap, who holds it, and when it is free again.
    Cap {
        /// The cap's name.
        name: Arc<str>,
        /// Contacts counted.
        used: u32,
        /// How many are allowed.
        at_most: u32,
        /// The contacts that hold it: when, and by which trigger.
        holders: Vec<(Timestamp, TriggerSlot)>,
        /// The first instant at which this cap allows one more; `None` if it never will.
        free_at: Option<Timestamp>,
    },
}
