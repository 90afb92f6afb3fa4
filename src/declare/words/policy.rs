//! The words of the policy file.

use super::team::TeamWords;
use super::trigger::{BreakerWords, OnCapWord, UnitWord};
use crate::declare::fault::Located;
use crate::declare::pools::Money;
use crate::declare::read::{Entries, Need, NoneOrMany, OneOrMany, choice, record};
use crate::declare::scalar::{Clock, Line, LocalTime, Name, Whole, Words};
use crate::engine::policy::Share;
use crate::engine::time::{Span, Zone};

record! {
    /// The policy: what holds for every trigger. Every word has a default.
    Policy {
        /// The time zone assumed where a purpose allows that and the customer's is unknown.
        timezone: Option<Zone>,
        /// The language used when a message has no variant for the customer's. Default `en`.
        locale: Option<Words>,
        /// An event older than this updates what is known and never sends. Default 1h.
        act_within: Option<Located<Span>>,
        /// When a whole shard hears no event for longer than this, its source is down and its
        /// customers are not silent: absences do not count that time. Choose it well above the
        /// longest usual silence, at night too, or let the source send an event about everyone from
        /// time to time. Default: silence is always the customers'.
        blind_after: Option<Located<Span>>,
        /// Why one writes to customers. Given here, these replace the built-in ones.
        purposes: Option<Entries<PurposeWords>>,
        /// On which ways. Given here, these add to the built-in ones and change them.
        channels: Option<Entries<ChannelWords>>,
        /// When customers are left in peace, on their own wall clock; `[]` means never.
        /// Default 21:00 to 08:00.
        quiet_hours: Option<NoneOrMany<QuietWords>>,
        /// Dates and times without outreach.
        blackouts: Option<Vec<BlackoutWords>>,
        /// How often at most.
        caps: Option<Vec<CapWords>>,
        /// What a message costs on each channel: `{sms: 0.05 EUR, email: 0 EUR}`. One currency for
        /// the whole file.
        prices: Option<Entries<Located<Money>>>,
        /// How much messages may cost, by purpose: `{marketing: {at_most: 500 EUR, per: month}}`.
        budgets: Option<Entries<BudgetWords>>,
        /// What holds purposes back for a customer while a condition about them holds.
        freezes: Option<Vec<FreezeWords>>,
        /// Tags of triggers whose matters are for people alone, such as `[legal, medical]`: they may
        /// hand over (`task`), and a file in which they would write (`send`) is refused.
        human_only: Option<OneOrMany<Name>>,
        /// How far each trigger may go before it is paused by itself, where it says nothing itself.
        breaker: Option<BreakerWords>,
        /// When a person takes over from messages that nobody answers.
        loop_guard: Option<LoopGuardWords>,
        /// Teams of people who get tasks.
        teams: Option<Entries<TeamWords>>,
        /// The part of all customers that hears nothing but exempt purposes: `5%`.
        holdout: Option<Share>,
    }

    /// A purpose of outreach.
    PurposeWords {
        /// `opt_in` (a recorded yes is needed) or `opt_out` (only a recorded no stops it).
        consent: Need<ConsentWord>,
        /// Whether the wish of a customer not to be profiled holds what a score decides: `heed` or
        /// `ignore`. Default `heed`, and `ignore` where `caps` says `exempt`.
        profiling: Option<ProfilingWord>,
        /// Whether quiet hours and blackouts hold it: `keep` or `break`. Default `keep`.
        quiet_hours: Option<QuietWord>,
        /// Whether it counts against caps and is held by them: `count` or `exempt`.
        /// Default `count`.
        caps: Option<CountWord>,
        /// Whether the global holdout withholds it: `withhold` or `exempt`. Default `withhold`.
        holdout: Option<WithholdWord>,
        /// When a rule needs the customer's time zone and it is unknown: `refuse` or `assume` the
        /// policy's. Default `refuse`.
        unknown_zone: Option<ZoneWord>,
        /// How long it is of use, where the trigger says nothing. Default 24h.
        expires_after: Option<Located<Span>>,
        /// When several fire at once: `first_only` (by priority) or `all`. Default `first_only`.
        together: Option<TogetherWord>,
        /// `true`: only people speak of it. A trigger that would send a message of this purpose is
        /// refused.
        human_only: Option<bool>,
    }

    /// A channel.
    ChannelWords {
        /// The trait that must be known to reach a customer on it: `email`.
        needs: Option<Words>,
        /// Whether quiet hours hold it: `keep`, or `break` if it wakes no one. Default `keep`.
        quiet_hours: Option<QuietWord>,
    }

    /// One stretch of the day.
    QuietWords {
        /// First minute of peace.
        from: Need<Located<Clock>>,
        /// First minute after it; earlier than `from` runs over midnight.
        to: Need<Located<Clock>>,
        /// The weekdays on which it begins. Default: all.
        days: Option<OneOrMany<WeekdayWord>>,
    }

    /// A stretch of time without outreach, on the customer's wall clock.
    BlackoutWords {
        /// What it is called in reasons.
        name: Need<Words>,
        /// First instant of it.
        from: Need<Located<LocalTime>>,
        /// First instant after it.
        to: Need<Located<LocalTime>>,
        /// Which purposes. Default: every purpose that keeps quiet hours.
        purposes: Option<OneOrMany<Words>>,
    }

    /// Money for messages. What it has nothing left for waits for the next period, or until somebody
    /// gives back; of what waits the best goes first: by priority, then by `worth`.
    BudgetWords {
        /// How much: `500 EUR`.
        at_most: Need<Located<Money>>,
        /// In each `day`, `week` or `month` of the policy's calendar.
        per: Need<PeriodWord>,
        /// Which purposes it pays for. Default: the purpose of its name.
        purposes: Option<OneOrMany<Words>>,
    }

    /// How often at most: `{purpose: marketing, at_most: 3, per: rolling 7d}`, or how far apart at
    /// least: `{purpose: marketing, gap: 4h}`.
    CapWords {
        /// Counts outreach of this purpose.
        purpose: Option<Words>,
        /// Counts outreach on this channel.
        channel: Option<Words>,
        /// Counts outreach of this trigger.
        trigger: Option<Words>,
        /// Counts outreach of triggers with this tag.
        tag: Option<Words>,
        /// Counts all outreach that is counted at all.
        all: Option<bool>,
        /// How many at most; 0 means none.
        at_most: Option<Located<Whole>>,
        /// In any stretch of so long (`rolling 7d`), or in each `day`, `week` or `month` of the
        /// customer's calendar.
        per: Option<Words>,
        /// The least time between two.
        gap: Option<Located<Span>>,
        /// Whose contacts it counts: those of each `customer`, or of all customers of an `account`
        /// together. Caps of accounts only `defer`, whatever a trigger says; a customer without an
        /// account is not under them. Default `customer`.
        each: Option<UnitWord>,
        /// What happens to what it stops: `defer` (wait for room), `drop`, `next_channel` (take the
        /// next channel of the trigger that has room, or wait) or `replace_lower` (wait, and what
        /// waits for the same cap with a lower priority is dropped). Default `defer`.
        on_cap: Option<OnCapWord>,
    }

    /// So many messages that a customer does not answer are followed by no more of them, and the
    /// event `Outreach Unanswered` happens, once, for a trigger that hands the customer over:
    /// `{after: 3, within: 30d}`.
    LoopGuardWords {
        /// How many messages may stay without an answer.
        after: Need<Located<Whole>>,
        /// Older messages do not count.
        within: Need<Located<Span>>,
        /// Which purposes count and are held back. Default: all that are not exempt from caps.
        purposes: Option<OneOrMany<Words>>,
        /// Events that are an answer, such as `[Order Completed, Message Clicked]`. Always are: a
        /// reply (`Message Replied`), and a task done as `reached`, `resolved` or `declined`.
        answered_by: Option<OneOrMany<Words>>,
        /// `task` (some trigger hands the customer over when `Outreach Unanswered` happens; without
        /// one the files are refused) or `stop` (nobody need be told). Default `task`.
        then: Option<ThenWord>,
    }

    /// Holds purposes back while a condition about the customer holds.
    FreezeWords {
        /// What it is called in reasons.
        name: Need<Words>,
        /// The condition: `customer.open_complaint`.
        r#while: Need<Line>,
        /// Which purposes. Default: all that are not exempt from caps.
        purposes: Option<OneOrMany<Words>>,
    }
}

choice! {
    /// A calendar period.
    PeriodWord {
        /// Midnight to midnight.
        Day = "day",
        /// Monday to Sunday.
        Week = "week",
        /// First to last of the month.
        Month = "month",
    }

    /// Whether a yes is needed.
    ConsentWord {
        /// A yes is needed.
        OptIn = "opt_in",
        /// A no stops it.
        OptOut = "opt_out",
    }

    /// Whether the wish not to be profiled holds.
    ProfilingWord {
        /// It does.
        Heed = "heed",
        /// It does not.
        Ignore = "ignore",
    }

    /// Whether quiet hours hold.
    QuietWord {
        /// They do.
        Keep = "keep",
        /// They do not.
        Break = "break",
    }

    /// Whether caps hold.
    CountWord {
        /// They do.
        Count = "count",
        /// They do not.
        Exempt = "exempt",
    }

    /// Whether the global holdout holds.
    WithholdWord {
        /// It does.
        Withhold = "withhold",
        /// It does not.
        Exempt = "exempt",
    }

    /// What an unknown time zone means.
    ZoneWord {
        /// Not sent.
        Refuse = "refuse",
        /// The policy's is taken.
        Assume = "assume",
    }

    /// What happens to several at once.
    TogetherWord {
        /// The first by priority.
        FirstOnly = "first_only",
        /// All.
        All = "all",
    }

    /// What follows messages without an answer.
    ThenWord {
        /// A person.
        Task = "task",
        /// Nothing.
        Stop = "stop",
    }

    /// A weekday.
    WeekdayWord {
        /// Monday.
        Monday = "mon" | "monday",
        /// Tuesday.
        Tuesday = "tue" | "tuesday",
        /// Wednesday.
        Wednesday = "wed" | "wednesday",
        /// Thursday.
        Thursday = "thu" | "thursday",
        /// Friday.
        Friday = "fri" | "friday",
        /// Saturday.
        Saturday = "sat" | "saturday",
        /// Sunday.
        Sunday = "sun" | "sunday",
    }
}
