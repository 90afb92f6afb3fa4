//! The words of a trigger file.

use super::cases::Case;
use crate::declare::fault::Located;
use crate::declare::node::{Node, NodeKind};
use crate::declare::read::{Entries, Faults, Need, OneOrMany, Read, choice, record, transparent};
use crate::declare::scalar::{Anything, Clock, Line, LocalTime, Name, PerCent, Rank, Whole, Words};
use crate::engine::policy::{AtMost, Share};
use crate::engine::time::Span;

record! {
    /// A trigger: when it fires, for whom, what is done then, and how often at most.
    Trigger {
        /// Its name: lower-case letters, digits and `-`. Decisions, caps and tests refer to it.
        trigger: Need<Name>,
        /// `behavior` (what the customer does), `status` (what happens to them or to something of
        /// theirs) or `lifecycle` (where they stand in time).
        kind: Need<Located<KindWord>>,
        /// What it is for, in a sentence.
        about: Need<Words>,
        /// Who answers for it.
        owner: Need<Words>,
        /// `false` switches it off: it is still evaluated, and its decisions say `disabled`.
        enabled: Option<bool>,
        /// Of what fires together, the highest goes first. Default 0.
        priority: Option<Rank>,
        /// Tags, for caps that count several triggers together.
        tags: Option<OneOrMany<Name>>,
        /// What makes it fire.
        when: Need<When>,
        /// For whom: every condition must hold when it fires, and again when something that waited
        /// is released.
        r#if: Option<OneOrMany<Line>>,
        /// Write to the customer.
        send: Option<Send>,
        /// Hand it to a person.
        task: Option<Task>,
        /// `true` for what only a person may take up with the customer (money, leaving, health, law):
        /// it may hand over (`task`), and a file in which it would write to them (`send`) is refused.
        human_only: Option<bool>,
        /// How it comes to everybody little by little:
        /// `{from: 2026-03-02T09:00, steps: {1%: 1d, 5%: 1d, 25%: 2d}}`.
        ramp: Option<RampWords>,
        /// How far it may go before it is paused by itself: `{at_most: 500, per: 1h}`. Default: the
        /// policy's.
        breaker: Option<BreakerWords>,
        /// How often at most, and what it holds back.
        limits: Option<Limits>,
        /// What is held back for this customer once it acts.
        suppress: Option<Suppress>,
        /// Whether it does any good: a holdout and arms, assigned for good.
        experiment: Option<Experiment>,
        /// An event older than this updates what is known and never sends. Default: the policy's.
        act_within: Option<Located<Span>>,
        /// Its own tests, run by `heedful test`.
        tests: Option<Vec<Case>>,
    }

    /// What makes a trigger fire. Exactly one of `event`, `any`, `sequence`, `page`, `screen`,
    /// `session`, `changes`, `score`, `date`, `schedule` and `cron`; the other words narrow it.
    When {
        /// An event of this name: `{event: Order Completed}`.
        event: Option<Words>,
        /// Which of them: a condition about the event: `where: event.total >= 100`.
        r#where: Option<Line>,
        /// Only if none of these follows within `for`.
        not_followed_by: Option<OneOrMany<Words>>,
        /// How long the events of `not_followed_by` must fail to come.
        r#for: Option<Located<Span>>,
        /// Any of several events, each with words of its own.
        any: Option<Vec<Clause>>,
        /// The object it is about, a property of the event: everything is kept apart by its value.
        /// `per: event.shipment_id` means one conversation per parcel.
        per: Option<Line>,
        /// The event carries no customer; it concerns those for whom this condition holds.
        affects: Option<Line>,
        /// Only the n-th such event within `within`; firing starts the count anew.
        times: Option<Located<Whole>>,
        /// The time for `times`, or from the first to the last event of `sequence`.
        within: Option<Located<Span>>,
        /// These events in this order, the last at most `within` after the first:
        /// `{sequence: [{event: Cart Viewed}, {event: Help Opened}], within: 10m}`.
        sequence: Option<Vec<Step>>,
        /// A page view, by the page's name: `page: Checkout` is the event `Page: Checkout`.
        page: Option<Words>,
        /// A screen view, by the screen's name: `screen: Home` is the event `Screen: Home`.
        screen: Option<Words>,
        /// Stayed on the page so long: no other page or screen is viewed in this time.
        dwell: Option<Located<Span>>,
        /// `started` (its first event) or `ended` (nothing happened for `idle` after its last).
        /// Conditions may use `session.events` and `session.minutes`.
        session: Option<Located<SessionWord>>,
        /// The silence that ends a session. Default 30m; the longest of all triggers counts.
        idle: Option<Located<Span>>,
        /// A trait changes its value: `{changes: customer.plan, from: trial, to: [team, pro]}`.
        changes: Option<Line>,
        /// From one of these values. Default: from anything.
        from: Option<OneOrMany<Anything>>,
        /// To one of these values. Default: to anything.
        to: Option<OneOrMany<Anything>>,
        /// A score crosses a line, by the name of its model:
        /// `{score: churn, rises_above: 0.7, rearm_below: 0.6}`.
        score: Option<Words>,
        /// Fires when the score reaches or passes this line from below.
        rises_above: Option<Located<f64>>,
        /// Fires when the score reaches or passes this line from above.
        falls_below: Option<Located<f64>>,
        /// After `rises_above` fired it fires again only once the score was below this.
        /// Default: the line itself.
        rearm_below: Option<Located<f64>>,
        /// After `falls_below` fired it fires again only once the score was above this.
        /// Default: the line itself.
        rearm_above: Option<Located<f64>>,
        /// A date of the customer: `{date: customer.trial_ends_at, before: [7d, 1d], at: "09:30"}`.
        date: Option<Line>,
        /// So many days before the date; without `before` and `after`: on the day.
        before: Option<OneOrMany<Located<Span>>>,
        /// So many days after the date.
        after: Option<OneOrMany<Located<Span>>>,
        /// The time of day on the customer's wall clock, for `date` and `schedule`. Default 10:00.
        at: Option<Located<Clock>>,
        /// Days on which it fires for everyone, at `at`: `daily`, `weekdays`, `monthly` (the
        /// first), or names of weekdays: `{schedule: [tuesday, friday], at: "09:30"}`.
        schedule: Option<OneOrMany<Located<DayWord>>>,
        /// A cron expression, five fields, weekdays by name: `{cron: "30 9 * * MON"}`.
        cron: Option<Words>,
        /// The time zone of `schedule` and `cron`: an IANA name, or `customer` for the customer's
        /// own. Default `customer`.
        zone: Option<Words>,
    }

    /// One of the events of `any`.
    Clause {
        /// An event of this name.
        event: Need<Words>,
        /// Which of them: a condition about the event.
        r#where: Option<Line>,
        /// Only if none of these follows within `for`.
        not_followed_by: Option<OneOrMany<Words>>,
        /// How long the events of `not_followed_by` must fail to come.
        r#for: Option<Located<Span>>,
        /// Only the n-th such event within `within`; firing starts the count anew.
        times: Option<Located<Whole>>,
        /// The time for `times`.
        within: Option<Located<Span>>,
        /// The event carries no customer; it concerns those for whom this condition holds.
        affects: Option<Line>,
    }

    /// One step of a sequence.
    Step {
        /// An event of this name.
        event: Need<Words>,
        /// Which of them: a condition about the event.
        r#where: Option<Line>,
    }

    /// Write to the customer.
    Send {
        /// `marketing`, `service`, `transactional`, or another purpose of the policy: consent,
        /// quiet hours and caps follow from it.
        purpose: Need<Words>,
        /// Channels: the first on which the customer can be reached is used.
        via: Need<OneOrMany<Words>>,
        /// Too late after this: it expires. Default: the purpose's.
        expires_after: Option<Located<Span>>,
        /// Spread what fans out to many customers evenly over this time.
        spread_over: Option<Located<Span>>,
        /// What to offer: the first line whose condition holds. Templates see it as `offer.code`.
        offer: Option<OneOrMany<OfferLine>>,
        /// The text by language (`en`, `zh-CN`), each with fields such as `title`, `subject` and
        /// `body`, or `template:` with a file beside the trigger. Texts are MiniJinja templates.
        message: Need<Entries<Variant>>,
        /// What happens when a cap is reached: `defer` (wait for room), `drop`, `next_channel` (take
        /// the next of `via` that has room, or wait) or `replace_lower` (wait, and what waits for
        /// the same cap with a lower priority is dropped). Default: the cap's own.
        on_cap: Option<OnCapWord>,
        /// Whether it goes to the next of `via` when a channel did not deliver it: `refused` (only
        /// when that is certain: refused for good, no consent any more, came back). Every channel is
        /// a decision of its own that passes all rules. Default: it does not.
        fall_back: Option<FallBackWord>,
        /// It also goes to the next of `via` when no sign came in this time that it arrived. What was
        /// sent goes on counting against caps. It takes channels whose providers tell of it.
        fall_back_after: Option<Located<Span>>,
        /// Who puts the way out into mail that needs a yes: `in_text`, where the text prints
        /// `unsubscribe_url` (default), or `provider`, where whoever sends it adds one.
        unsubscribe: Option<UnsubscribeWord>,
        /// What it is worth, where messages wait for a budget or the cap of an account: of those of
        /// equal priority the highest goes first. An expression giving a number, such as
        /// `customer.mrr`. Default 0.
        worth: Option<Line>,
    }

    /// One line of `offer`.
    OfferLine {
        /// When this line applies. Without it: always.
        r#if: Option<Line>,
        /// The code.
        r#use: Need<Words>,
    }

    /// Hand it to a person.
    Task {
        /// The list or system it goes to: a channel of the policy.
        r#in: Need<Words>,
        /// Who gets it: an e-mail address, or an expression such as `customer.owner`.
        assign_to: Option<Line>,
        /// The team of the policy whose desk decides who gets it, by skills, language, hours and load;
        /// `assign_to` is then who is asked first.
        team: Option<Words>,
        /// What whoever gets it must know to do; only with `team`.
        skills: Option<OneOrMany<Name>>,
        /// What it is worth: of what waits for a team and is as urgent, the highest goes first. An
        /// expression giving a number; only with `team`. Default 0.
        worth: Option<Line>,
        /// How long each person has to acknowledge it, before it goes on to the next.
        ack_within: Option<Located<Span>>,
        /// When it is due: `4h`, `1 business day`. Not done by then, it goes on to the next person.
        due: Option<Words>,
        /// Given up when it is not done after this time. Default: never.
        expires_after: Option<Located<Span>>,
        /// Who gets it next, one after the other, when nobody acknowledges it or it is overdue, and
        /// at once when `assign_to` is not known: addresses or expressions.
        escalate_to: Option<OneOrMany<Line>>,
        /// How urgent: `low`, `normal`, `high` or `urgent`. Default `normal`.
        priority: Option<UrgencyWord>,
        /// What to do, in a line. A template.
        title: Need<Words>,
        /// What the person sees, so that the customer need not repeat themself.
        context: Option<Context>,
        /// How to begin. A template.
        suggest: Option<Words>,
    }

    /// What a task shows.
    Context {
        /// How many reasons of the score.
        reasons: Option<Located<Whole>>,
        /// How many of the last events.
        timeline: Option<Located<Whole>>,
        /// What else, by name: traits of the customer, `last_outreach`.
        include: Option<OneOrMany<Words>>,
    }

    /// How often at most, and what it holds back.
    Limits {
        /// At most once in this time, per customer (and per object, with `per`).
        once_per: Option<Located<Span>>,
        /// What is held back for this customer once it acts.
        suppress: Option<Suppress>,
    }

    /// A trigger that reaches out to too many at once, or does too much harm, is paused by itself for a
    /// day: an order as of an operator, with why, that `heedful operations` lists and resumes.
    BreakerWords {
        /// So many new decisions to reach out at most, over all customers: `500`, or a part of the
        /// customers who are known: `2%`.
        at_most: Need<Located<AtMost>>,
        /// In any stretch of so long, up to 7d.
        per: Need<Located<Span>>,
        /// The part of its sends of a day that customers may complain about: `0.5%`.
        complaints: Option<Share>,
        /// The part of its sends of a day upon which customers may unsubscribe.
        unsubscribes: Option<Share>,
        /// The part of its sends of a day that may fail.
        failed: Option<Share>,
        /// Fewer sends of a day say nothing of these parts, and so many decisions are no part too many.
        /// Default 100.
        of_at_least: Option<Located<Whole>>,
    }

    /// A trigger comes to everybody little by little. Whom it has come to follows from a hash of their
    /// id, and nobody goes out again.
    RampWords {
        /// When it begins, on the policy's clock. Before, it comes to nobody.
        from: Need<Located<LocalTime>>,
        /// Each part of all, and for how long: `{1%: 1d, 5%: 1d, 25%: 2d}`. Then it comes to everybody.
        steps: Need<Entries<Located<Span>>>,
    }

    /// What is held back for a customer once the trigger acts.
    Suppress {
        /// Which purposes.
        purposes: Need<OneOrMany<Words>>,
        /// For how long.
        r#for: Option<Located<Span>>,
        /// Until an event comes.
        until: Option<Until>,
    }

    /// The event that ends a suppression.
    Until {
        /// Its name.
        event: Need<Words>,
        /// It must carry the same value of this property as the event that began it.
        same: Option<Words>,
        /// At the latest after this.
        or_after: Need<Located<Span>>,
    }

    /// A holdout and arms, assigned for good by a hash of the unit's id.
    Experiment {
        /// Who is assigned: each `customer`, or each `account` as a whole. Default `customer`.
        unit: Option<UnitWord>,
        /// The part that hears nothing and is counted.
        holdout: Option<Located<Share>>,
        /// The arms. Their shares and the holdout make 100%.
        arms: Option<Entries<ArmWords>>,
        /// What success is.
        goal: Option<GoalWords>,
        /// What must not get worse.
        guardrails: Option<Vec<GuardrailWords>>,
        /// How many per arm before results are shown: `400 per arm`.
        read_at: Option<Words>,
    }

    /// One arm.
    ArmWords {
        /// Its part of all.
        share: Need<Located<Share>>,
        /// The offer in this arm: a code, or `none`. Default: as the trigger says.
        offer: Option<Words>,
        /// Variables for the texts, under `arm`: `set: {tip: Try folders}` gives `{{ arm.tip }}`.
        set: Option<Entries<Anything>>,
    }

    /// What success is.
    GoalWords {
        /// An event of this name.
        event: Need<Words>,
        /// At most so long after the exposure.
        within: Need<Located<Span>>,
        /// What it is worth, a property of the event: `event.total`.
        value: Option<Line>,
    }

    /// What must not get worse.
    GuardrailWords {
        /// An event of this name.
        event: Need<Words>,
        /// At most so long after the exposure.
        within: Need<Located<Span>>,
        /// How much worse than the holdout is tolerated: `0.5pp`.
        no_worse_by: Need<PerCent>,
    }
}

/// The text in one language.
#[derive(Clone, Debug)]
pub(crate) struct Variant(pub(crate) Entries<Words>);

impl Read for Variant {
    fn read(node: &Node, faults: &mut Faults<'_>) -> Option<Self> {
        if matches!(node.kind, NodeKind::Map(_)) {
            return Entries::read(node, faults).map(Self);
        }
        let help = "write the fields below a language: `message: {en: {title: ..., body: ...}}`";
        faults.error("E004", node.extent, "a text stands below its language", help.to_owned());
        None
    }
}

transparent!(Variant => Entries<Words>);

choice! {
    /// The kind of a trigger.
    KindWord {
        /// What the customer does.
        Behavior = "behavior" | "behaviour",
        /// What happens to them.
        Status = "status",
        /// Where they stand in time.
        Lifecycle = "lifecycle",
    }

    /// Which end of a session.
    SessionWord {
        /// Its first event.
        Started = "started",
        /// The silence after its last.
        Ended = "ended",
    }

    /// On which days.
    DayWord {
        /// Every day.
        Daily = "daily",
        /// Monday to Friday.
        Weekdays = "weekdays",
        /// The first of the month.
        Monthly = "monthly",
        /// Each Monday.
        Monday = "monday" | "mon",
        /// Each Tuesday.
        Tuesday = "tuesday" | "tue",
        /// Each Wednesday.
        Wednesday = "wednesday" | "wed",
        /// Each Thursday.
        Thursday = "thursday" | "thu",
        /// Each Friday.
        Friday = "friday" | "fri",
        /// Each Saturday.
        Saturday = "saturday" | "sat",
        /// Each Sunday.
        Sunday = "sunday" | "sun",
    }

    /// Who puts the way out into mail.
    UnsubscribeWord {
        /// The text.
        InText = "in_text",
        /// Whoever sends it.
        Provider = "provider",
    }

    /// What a cap does.
    OnCapWord {
        /// Wait.
        Defer = "defer",
        /// Drop.
        Drop = "drop",
        /// Take the next channel.
        NextChannel = "next_channel",
        /// Wait in place of what has a lower priority.
        ReplaceLower = "replace_lower",
    }

    /// What takes an outreach to its next channel.
    FallBackWord {
        /// A channel certainly did not deliver it.
        Refused = "refused",
    }

    /// How urgent.
    UrgencyWord {
        /// When there is time.
        Low = "low",
        /// In turn.
        Normal = "normal",
        /// Before others.
        High = "high",
        /// Now.
        Urgent = "urgent",
    }

    /// Who is taken together.
    UnitWord {
        /// Each customer.
        Customer = "customer",
        /// Each account.
        Account = "account",
    }
}
