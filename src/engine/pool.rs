//! A pool: what many customers share, so that no customer's state can tell what is left of it. It is
//! the cap of an account (one company, many people) or a budget of money.
//!
//! Like the desk of a team it is a subject of its own (`heedful:pool:account:<account>`,
//! `heedful:pool:budget:<budget>`), whose shard hears requests through its log, one after the other.
//! What it grants depends on nothing but their order. What it grants stays granted until the
//! customer says that it was not used: so it never grants more than there is.

use thin_vec::ThinVec;

use super::catalog::Sending;
use super::customer::{ContactKind, Rare};
use super::decision::Reason;
use super::id::{CustomerId, DecisionId};
use super::policy::Budget;
use super::queue::Rank;
use super::slot::ChannelSlot;
use super::time::{Day, Span, Timestamp, Zone};

/// Requests that wait at a pool at most. Of more, those of least worth ask again later.
pub const WAITING_MAX: usize = 2_000;
/// Grants of a budget that can be given back, at most. Of more, the oldest that was used is taken as
/// spent for good.
pub const OPEN_MAX: usize = 2_000;
/// Requests that a customer keeps in mind at most; past it the oldest that was used is forgotten, and
/// is not given back if its send fails.
pub const ASKS_MAX: usize = 128;
/// For so long a grant counts as used now, until it is known when it was used.
pub const UNTOLD_MAX: Span = Span::DAY;
/// How long after the instant at which it may be free something asks again by itself.
pub const GRACE: Span = Span::MINUTE;
/// How long something that waits for a pool keeps what a later one granted.
pub const KEEP: Span = Span::SECOND.times(10);
/// How long something waits without asking again: the word that it may go can be lost, and files
/// change.
pub const REMIND: Span = Span::HOUR.times(12);

/// What a pool is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolOf<'a> {
    /// The caps of an account.
    Account(&'a str),
    /// A budget.
    Budget(&'a str),
}

impl PoolOf<'_> {
    /// Why something waits for it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Account(_) => Reason::AccountCap,
            Self::Budget(_) => Reason::Budget,
        }
    }
}

impl std::fmt::Display for PoolOf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account(account) => write!(f, "the cap of account `{account}`"),
            Self::Budget(budget) => write!(f, "the budget `{budget}`"),
        }
    }
}

/// What an outreach asks of a pool, by names, which outlive a set of files.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolRequest {
    /// The trigger.
    pub trigger: Box<str>,
    /// Its purpose.
    pub purpose: Box<str>,
    /// The channel.
    pub channel: Box<str>,
    /// What it costs, in millionths of the currency.
    pub micros: u64,
    /// How urgent, higher first.
    pub priority: i32,
    /// What it is worth, of those as urgent the highest first.
    pub worth: f64,
    /// When it was decided: of those worth the same the oldest first.
    pub since: Timestamp,
    /// Until when it is of use.
    pub expires_at: Timestamp,
    /// When it was asked: the answer names it, so that an answer to an earlier request is none to a
    /// later one.
    pub asked_at: Timestamp,
}

/// What a customer tells a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolNote {
    /// Of which decision.
    pub decision: DecisionId,
    /// Whose.
    pub customer: CustomerId,
    /// What.
    pub what: PoolSaid,
}

/// What a customer can tell a pool.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolSaid {
    /// May it go?
    Asks(PoolRequest),
    /// It went, at that instant.
    Took(Timestamp),
    /// It does not go: what was granted and not used can be given to others.
    Over,
    /// It went and came to nothing for certain: what was used can be given to others.
    Undone,
}

/// The answer of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolWord {
    /// The pool.
    pub pool: CustomerId,
    /// About which decision.
    pub decision: DecisionId,
    /// When it was asked what this answers.
    pub asked_at: Timestamp,
    /// What.
    pub what: PoolAnswer,
    /// Why, in a sentence.
    pub why: Box<str>,
}

/// What a pool can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolAnswer {
    /// It may go, as far as this pool is concerned.
    Granted,
    /// It has to wait, until then at least where that is known.
    Waits(Option<Timestamp>),
    /// It counts no more.
    Freed,
}

/// What a pool knows. The grants of an account stand in its ledger, as contacts do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pool {
    /// When the period of the budget began that is counted.
    pub from: Timestamp,
    /// What was spent in it for good, in millionths.
    pub spent: u64,
    /// What was spent in it while sending was off.
    pub rehearsed: u64,
    /// What was granted of it and can come back.
    pub open: ThinVec<Grant>,
    /// Requests that wait.
    pub waiting: ThinVec<PoolWaits>,
}

/// What of a grant comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Back {
    /// What was not used. Of what was used, somebody who was forgotten does not know any more.
    Unused,
    /// Whatever became of it.
    All,
}

impl Back {
    /// Whether it takes back a grant of a kind.
    pub const fn takes(self, kind: ContactKind) -> bool {
        match self {
            Self::All => true,
            Self::Unused => matches!(kind, ContactKind::Reserved | ContactKind::DryRun),
        }
    }
}

/// Money that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To which decision.
    pub decision: DecisionId,
    /// How much, in millionths.
    pub micros: u64,
    /// When; once it was used, when that was.
    pub at: Timestamp,
    /// `Reserved` until it is known that it was used, `Sent` then; `DryRun` while sending is off.
    pub kind: ContactKind,
}

/// A request that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolWaits {
    /// Of which decision.
    pub decision: DecisionId,
    /// Whose.
    pub customer: CustomerId,
    /// For what.
    pub request: PoolRequest,
}

impl PoolWaits {
    /// Its place among those that wait.
    pub fn rank(&self) -> Rank {
        let PoolRequest { priority, worth, since, .. } = self.request;
        Rank { priority, worth, since, id: self.decision }
    }
}

/// What is kept of pools: how a customer's requests stand with them, or what a pool knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pools {
    /// How requests of the customer stand.
    pub asks: ThinVec<Ask>,
    /// What a pool knows, which is no customer.
    pub pool: Option<Box<Pool>>,
}

impl Rare {
    /// How requests stand with what the customer shares with others.
    pub fn asks(&self) -> &[Ask] {
        self.pools.as_deref().map_or(&[], |pools| &pools.asks)
    }

    /// A request of a decision to a pool.
    pub fn ask_mut(&mut self, decision: DecisionId, pool: &CustomerId) -> Option<&mut Ask> {
        let asks = &mut self.pools.as_deref_mut()?.asks;
        asks.iter_mut().find(|ask| ask.decision == decision && ask.pool == *pool)
    }

    /// Keeps a request in mind, in the place of what was asked before of the same. Gives the one that
    /// is forgotten for it when there are too many.
    pub fn keep_ask(&mut self, ask: Ask) -> Option<Ask> {
        let asks = &mut self.pools.get_or_insert_default().asks;
        if let Some(known) =
            asks.iter_mut().find(|known| known.decision == ask.decision && known.pool == ask.pool)
        {
            *known = ask;
            return None;
        }
        let forgotten = (ASKS_MAX <= asks.len()).then(|| {
            let used = asks.iter().position(|ask| ask.standing == Standing::Taken);
            asks.remove(used.unwrap_or_default())
        });
        asks.push(ask);
        forgotten
    }

    /// Keeps only the requests that a test picks.
    pub fn retain_asks(&mut self, picks: impl FnMut(&Ask) -> bool) {
        let Some(pools) = self.pools.as_deref_mut() else { return };
        let mut picks = picks;
        pools.asks.retain(|ask| picks(ask));
        // Nobody pays for what is empty, and it is read back as nothing.
        if pools.asks.is_empty() && pools.pool.is_none() {
            self.pools = None;
        }
    }

    /// What a pool knows.
    pub fn pool(&self) -> Option<&Pool> {
        self.pools.as_deref()?.pool.as_deref()
    }
}

/// How a request of a customer stands with one pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// Of which decision.
    pub decision: DecisionId,
    /// The pool.
    pub pool: CustomerId,
    /// For which channel.
    pub channel: ChannelSlot,
    /// How it stands.
    pub standing: Standing,
    /// When the pool was told last.
    pub at: Timestamp,
    /// When there may be room, as the pool said.
    pub free_at: Option<Timestamp>,
    /// What the pool said last.
    pub why: Option<Box<str>>,
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It asks.
    Asking,
    /// It has to wait.
    Waiting,
    /// It may go.
    Granted,
    /// It went.
    Taken,
    /// It goes no more, and the pool may not know.
    Leaving,
    /// It went and came to nothing, and the pool may not know.
    Undoing,
}

impl Standing {
    /// What a pool must be told until it answers, where that is so.
    pub const fn last_word(self) -> Option<PoolSaid> {
        match self {
            Self::Leaving => Some(PoolSaid::Over),
            Self::Undoing => Some(PoolSaid::Undone),
            Self::Asking | Self::Waiting | Self::Granted | Self::Taken => None,
        }
    }

    /// The number under which it is kept. Never give one to another.
    pub const fn code(self) -> u8 {
        match self {
            Self::Asking => 0,
            Self::Waiting => 1,
            Self::Granted => 2,
            Self::Taken => 3,
            Self::Leaving => 4,
            Self::Undoing => 5,
        }
    }

    /// Reads the number.
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Asking,
            1 => Self::Waiting,
            2 => Self::Granted,
            3 => Self::Taken,
            4 => Self::Leaving,
            5 => Self::Undoing,
            _ => return None,
        })
    }
}

/// What an outreach needs of pools, and which of them it asks now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claim {
    /// All that it needs, in the order in which they are asked.
    pub needs: Vec<Need>,
    /// The one that is asked now.
    pub asks: Option<usize>,
    /// The channel that it is for.
    pub channel: Option<ChannelSlot>,
}

/// What an outreach needs of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The pool.
    pub pool: CustomerId,
    /// What it costs there, in millionths.
    pub micros: u64,
}

impl Pool {
    /// Lets a request wait, in the place of one of less worth if there are too many.
    pub fn wait(&mut self, waits: PoolWaits) {
        self.forget(waits.decision);
        if WAITING_MAX <= self.waiting.len() {
            let all = self.waiting.iter().enumerate();
            let last = all.max_by(|(_, one), (_, other)| one.rank().order(&other.rank()));
            match last.map(|(index, last)| (index, last.rank())) {
                Some((index, last)) if waits.rank().order(&last).is_lt() => {
                    self.waiting.remove(index);
                }
                _ => return,
            }
        }
        self.waiting.push(waits);
    }

    /// Lets a request wait no more.
    pub fn forget(&mut self, decision: DecisionId) {
        self.waiting.retain(|waits| waits.decision != decision);
    }

    /// How many that wait go before a request.
    pub fn before(&self, decision: DecisionId) -> usize {
        let rank = self.waiting.iter().find(|waits| waits.decision == decision);
        let Some(rank) = rank.map(PoolWaits::rank) else { return self.waiting.len() };
        self.waiting.iter().filter(|other| other.rank().order(&rank).is_lt()).count()
    }

    /// What is spent and granted in the period, in millionths; while sending is off, with what was only
    /// rehearsed.
    pub fn used(&self, sending: Sending) -> u64 {
        let rehearsed = sending == Sending::DryRun;
        let counts = |grant: &&Grant| rehearsed || grant.kind != ContactKind::DryRun;
        let open = self.open.iter().filter(counts).map(|grant| grant.micros);
        let rest = if rehearsed { self.rehearsed } else { 0 };
        open.fold(self.spent.saturating_add(rest), u64::saturating_add)
    }

    /// Begins another period. What was granted and may be used yet is counted in it, too.
    pub fn turn_page(&mut self, (from, _): (Timestamp, Timestamp), now: Timestamp) {
        if from <= self.from {
            // Nobody has said for long when it was used: in an earlier period, if ever.
            let begins = self.from;
            self.open.retain(|grant| {
                begins <= grant.at
                    || grant.kind != ContactKind::Reserved
                    || now - grant.at < UNTOLD_MAX
            });
            return;
        }
        (self.from, self.spent, self.rehearsed) = (from, 0, 0);
        self.open.retain(|grant| {
            from <= grant.at || (grant.kind == ContactKind::Reserved && now - grant.at < UNTOLD_MAX)
        });
    }

    /// Enters money that was granted; `false` when too much is under way to know of more.
    pub fn grant(&mut self, grant: Grant) -> bool {
        if OPEN_MAX <= self.open.len() {
            let used = self.open.iter().position(|open| open.kind != ContactKind::Reserved);
            let Some(used) = used.map(|index| self.open.remove(index)) else { return false };
            let sum = match used.kind {
                ContactKind::DryRun => &mut self.rehearsed,
                _ => &mut self.spent,
            };
            *sum = sum.saturating_add(used.micros);
        }
        self.open.push(grant);
        true
    }

    /// Notes when money was used: not before it was granted, also where a shard is behind. What was
    /// used in an earlier period counts in none that is to come.
    pub fn took(&mut self, decision: DecisionId, at: Timestamp) {
        let from = self.from;
        for grant in self.open.iter_mut().filter(|grant| grant.decision == decision) {
            if grant.kind == ContactKind::Reserved {
                (grant.kind, grant.at) = (ContactKind::Sent, at.max(grant.at));
            }
        }
        self.open.retain(|grant| grant.decision != decision || from <= grant.at);
    }

    /// Takes back what was granted, if it may.
    pub fn give_back(&mut self, decision: DecisionId, back: Back) {
        self.open.retain(|grant| grant.decision != decision || !back.takes(grant.kind));
    }
}

impl Budget {
    /// The period around an instant: its first, and the first behind it.
    pub fn period(&self, zone: &Zone, at: Timestamp) -> (Timestamp, Timestamp) {
        let days = self.period.around(Day::of(at.in_zone(zone).date()));
        let start = |day: Day| {
            let date = day.date().map(|date| date.to_datetime(jiff::civil::Time::MIN));
            date.map(|local| Timestamp::from_local(local, zone))
        };
        (start(days.from).unwrap_or(Timestamp::MIN), start(days.to).unwrap_or(Timestamp::MAX))
    }
}

/// Money as people write it: whole, or with two decimals and as many more as it has.
pub fn say_money(micros: u64) -> String {
    let (whole, part) = (micros / MICROS, micros % MICROS);
    if part == 0 {
        return whole.to_string();
    }
    let digits = format!("{part:06}");
    let kept = digits.trim_end_matches('0').len().max(2);
    format!("{whole}.{}", digits.get(..kept).unwrap_or_default())
}

/// Millionths in one.
pub const MICROS: u64 = 1_000_000;

#[cfg(test)]
mod tests;
