//! Catalogs and customers for the engine's own tests, without files: a small shop to start from.

use std::sync::Arc;

use jiff::civil;

use super::catalog::{
    Absence, AbsenceScope, Action, Catalog, EventClause, Kind, KnownTraits, Message, Profiles,
    SendAction, Sending, TaskAction, TaskPriority, Trigger, TriggerState, When,
};
use super::condition::{Condition, Expr, Place};
use super::customer::{Cause, Consent, CustomerState};
use super::id::{CustomerId, TriggerId};
use super::index::TriggerIndex;
use super::input::Answer;
use super::message::Texts;
use super::policy::{
    Blackout, Cap, CapLimit, CapRule, CapScope, Channel, ConsentRule, FreezeRule, HandledBy,
    HoldoutRule, OnCap, Period, Policy, ProfilingRule, Purpose, QuietHours, QuietRule, Share,
    Shared, Together, UnknownZone,
};
use super::slot::{
    ChannelSlot, EventSlot, PropertySlot, PurposeSlot, TagSlot, TraitSlot, TriggerSlot,
};
use super::time::{Span, Timestamp, Zone};
use super::value::Value;

/// Opt-in, quiet at night, capped, one at a time, refused when the zone is unknown.
pub(crate) const MARKETING: PurposeSlot = PurposeSlot(0);
/// Opt-out, quiet at night, capped, several at a time, takes UTC when the zone is unknown.
pub(crate) const SERVICE: PurposeSlot = PurposeSlot(1);
/// Opt-out, at any time, exempt from caps and from the global holdout.
pub(crate) const TRANSACTIONAL: PurposeSlot = PurposeSlot(2);

/// Reaches everyone and disturbs nobody.
pub(crate) const IN_APP: ChannelSlot = ChannelSlot(0);
/// Needs the trait `email`.
pub(crate) const EMAIL: ChannelSlot = ChannelSlot(1);
/// Needs the trait `phone`.
pub(crate) const SMS: ChannelSlot = ChannelSlot(2);
/// The list of tasks.
pub(crate) const TASKS: ChannelSlot = ChannelSlot(3);

/// The trait `timezone`.
pub(crate) const TIMEZONE: TraitSlot = TraitSlot(0);
/// The trait `account`.
pub(crate) const ACCOUNT: TraitSlot = TraitSlot(4);
/// The trait `email`.
pub(crate) const EMAIL_ADDRESS: TraitSlot = TraitSlot(7);
/// The trait `phone`.
pub(crate) const PHONE: TraitSlot = TraitSlot(8);

/// The tag `weekly`.
pub(crate) const WEEKLY: TagSlot = TagSlot(0);

/// The event on which triggers match unless told otherwise.
pub(crate) const PING: EventSlot = EventSlot(0);
/// The event that ends an incident.
pub(crate) const RESOLVED: EventSlot = EventSlot(1);

/// The property `id`.
pub(crate) const OBJECT: PropertySlot = PropertySlot(0);

/// Reads an instant; without `Z` or an offset it is UTC.
pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text)
        .or_else(|| Timestamp::parse(&format!("{text}Z")))
        .or_else(|| Timestamp::parse(&format!("{text}:00Z")))
        .unwrap_or_else(|| panic!("`{text}` is no instant"))
}

/// Reads a span.
pub(crate) fn span(text: &str) -> Span {
    Span::parse(text).unwrap_or_else(|| panic!("`{text}` is no span"))
}

/// A catalog in the making. All its parts are open: start from [`shop`] and change what matters.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) events: Vec<Arc<str>>,
    pub(crate) traits: Vec<Arc<str>>,
    pub(crate) properties: Vec<Arc<str>>,
    pub(crate) policy: Policy,
    pub(crate) triggers: Vec<Trigger>,
    pub(crate) sending: Sending,
}

/// A shop with the purposes and channels above, no rules beyond them, and no triggers.
pub(crate) fn shop() -> Shop {
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    Shop {
        events: names(&["Ping", "Incident Resolved"]),
        traits: names(&[
            "timezone",
            "locale",
            "consent",
            "preferred_channel",
            "account",
            "owner",
            "name",
            "email",
            "phone",
        ]),
        properties: names(&["id"]),
        policy: Policy {
            version: "policy-1".into(),
            zone: Zone::utc(),
            locale: "en".into(),
            act_within: Span::DAY,
            blind_after: None,
            purposes: Box::new([
                purpose("marketing", ConsentRule::OptIn, UnknownZone::Refuse, Together::FirstOnly),
                purpose("service", ConsentRule::OptOut, UnknownZone::Assume, Together::All),
                Purpose {
                    profiling: ProfilingRule::Ignored,
                    quiet: QuietRule::Broken,
                    capped: CapRule::Exempt,
                    holdout: HoldoutRule::Exempt,
                    ..purpose(
                        "transactional",
                        ConsentRule::OptOut,
                        UnknownZone::Assume,
                        Together::All,
                    )
                },
            ]),
            channels: Box::new([
                channel("in_app", None, QuietRule::Broken),
                channel("email", Some((EMAIL_ADDRESS, "email")), QuietRule::Kept),
                channel("sms", Some((PHONE, "phone")), QuietRule::Kept),
                channel("tasks", None, QuietRule::Broken),
            ]),
            tags: Box::new(["weekly".into()]),
            quiet_hours: Box::default(),
            blackouts: Box::default(),
            caps: Box::default(),
            freezes: Box::default(),
            holdout: Share(0),
            loop_guard: None,
            shared: Shared::default(),
        },
        triggers: Vec::new(),
        sending: Sending::On,
    }
}

impl Shop {
    /// Adds a trigger that writes marketing e-mail on `Ping`, changed by `change`.
    pub(crate) fn trigger(mut self, id: &str, change: impl FnOnce(&mut Trigger)) -> Self {
        let mut trigger = Trigger {
            id: TriggerId::new(id),
            kind: Kind::Behavior,
            about: "A test.".into(),
            owner: "tests".into(),
            version: "v1".into(),
            place: Place::default(),
            state: TriggerState::Enabled,
            priority: 0,
            tags: 0,
            when: When::Event(Box::new([clause(PING)])),
            per: None,
            conditions: Box::default(),
            profiles: Profiles::No,
            action: send(MARKETING, &[EMAIL]),
            once_per: None,
            suppress: None,
            experiment: None,
            captures: Box::default(),
            act_within: Span::DAY,
            handled_by: HandledBy::Anyone,
            ramp: None,
            breaker: None,
        };
        change(&mut trigger);
        self.triggers.push(trigger);
        self
    }

    /// Adds a cap that defers.
    pub(crate) fn cap(self, name: &str, scope: CapScope, limit: CapLimit) -> Self {
        self.cap_that(OnCap::Defer, name, scope, limit)
    }

    /// Adds a cap.
    pub(crate) fn cap_that(
        mut self,
        on_cap: OnCap,
        name: &str,
        scope: CapScope,
        limit: CapLimit,
    ) -> Self {
        let mut caps = self.policy.caps.into_vec();
        caps.push(Cap { name: name.into(), scope, limit, on_cap });
        self.policy.caps = caps.into();
        self
    }

    /// Adds quiet hours on every day: `22:00-08:00`.
    pub(crate) fn quiet(self, hours: &str) -> Self {
        self.quiet_on(0b111_1111, hours)
    }

    /// Adds quiet hours that begin on some weekdays; bit 0 is Monday.
    pub(crate) fn quiet_on(mut self, weekdays: u8, hours: &str) -> Self {
        let (from, to) = hours.split_once('-').unwrap();
        let clock = |text: &str| -> civil::Time { text.parse().unwrap() };
        let mut all = self.policy.quiet_hours.into_vec();
        all.push(QuietHours { weekdays, from: clock(from), to: clock(to) });
        self.policy.quiet_hours = all.into();
        self
    }

    /// Adds a blackout, from and to a local time: `2026-12-24T18:00`.
    pub(crate) fn blackout(mut self, name: &str, from: &str, to: &str) -> Self {
        let mut all = self.policy.blackouts.into_vec();
        all.push(Blackout {
            name: name.into(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            purposes: Box::default(),
        });
        self.policy.blackouts = all.into();
        self
    }

    /// Freezes a purpose while an expression holds.
    pub(crate) fn freeze(mut self, name: &str, purpose: PurposeSlot, expr: Expr) -> Self {
        let mut all = self.policy.freezes.into_vec();
        all.push(FreezeRule {
            name: name.into(),
            purposes: Box::new([purpose]),
            condition: condition(expr),
        });
        self.policy.freezes = all.into();
        self
    }

    /// Changes a purpose.
    pub(crate) fn purpose(mut self, slot: PurposeSlot, change: impl FnOnce(&mut Purpose)) -> Self {
        change(&mut self.policy.purposes[slot.index()]);
        self
    }

    /// Sets the global holdout, in hundredths of a per cent.
    pub(crate) fn holdout(mut self, share: u16) -> Self {
        self.policy.holdout = Share(share);
        self
    }

    /// Sends nothing.
    pub(crate) fn dry_run(mut self) -> Self {
        self.sending = Sending::DryRun;
        self
    }

    /// The catalog. Triggers get their slots in order of their names.
    pub(crate) fn open(mut self) -> Catalog {
        self.triggers.sort_by(|a, b| a.id.cmp(&b.id));
        let index = TriggerIndex::build(&self.triggers, self.events.len());
        let task_events = super::task::TaskEvents::among(&self.events);
        Catalog {
            revision: "test".into(),
            series: Box::default(),
            series_of_event: self.events.iter().map(|_| Box::default()).collect(),
            events: self.events.into(),
            traits: self.traits.into(),
            properties: self.properties.into(),
            triggers: self.triggers.into(),
            index,
            scores: Box::default(),
            policy: self.policy,
            texts: Texts::new(),
            known: KnownTraits {
                timezone: TIMEZONE,
                locale: TraitSlot(1),
                consent: TraitSlot(2),
                preferred_channel: TraitSlot(3),
                account: ACCOUNT,
                owner: TraitSlot(5),
                name: TraitSlot(6),
            },
            task_events,
            teams: Box::default(),
            readers: super::reading::Readers::default(),
            session_idle: Some(span("30m")),
            sending: self.sending,
        }
    }
}

fn purpose(
    name: &str,
    consent: ConsentRule,
    unknown_zone: UnknownZone,
    together: Together,
) -> Purpose {
    Purpose {
        name: name.into(),
        consent,
        profiling: ProfilingRule::Heeded,
        quiet: QuietRule::Kept,
        capped: CapRule::Counted,
        holdout: HoldoutRule::Withheld,
        unknown_zone,
        expires_after: span("7d"),
        together,
        handled_by: HandledBy::Anyone,
    }
}

fn channel(name: &str, needs: Option<(TraitSlot, &str)>, quiet: QuietRule) -> Channel {
    Channel { name: name.into(), needs: needs.map(|(slot, name)| (slot, name.into())), quiet }
}

/// `send:` of a purpose, without texts.
pub(crate) fn send(purpose: PurposeSlot, via: &[ChannelSlot]) -> Action {
    Action::Send(SendAction {
        purpose,
        via: via.into(),
        expires_after: None,
        spread_over: None,
        offers: Box::default(),
        message: Message::default(),
        on_cap: None,
        fall_back: None,
        worth: None,
    })
}

/// The same, changed.
pub(crate) fn send_with(
    purpose: PurposeSlot,
    via: &[ChannelSlot],
    change: impl FnOnce(&mut SendAction),
) -> Action {
    let mut action = send(purpose, via);
    if let Action::Send(send) = &mut action {
        change(send);
    }
    action
}

/// `task:` on the list of tasks.
pub(crate) fn task() -> Action {
    Action::Task(TaskAction {
        channel: TASKS,
        assign_to: None,
        ack_within: None,
        due: None,
        expires_after: None,
        escalate_to: Box::default(),
        team: None,
        skills: Box::default(),
        worth: None,
        priority: TaskPriority::Normal,
        title: "title".into(),
        suggest: None,
        reasons: 0,
        timeline: 0,
        include: Box::default(),
    })
}

/// `event:` alone.
pub(crate) fn clause(event: EventSlot) -> EventClause {
    EventClause { event, filter: None, times: None, absence: None, affects: None }
}

/// `not_followed_by: .., for: ..`.
pub(crate) fn absence(events: &[EventSlot], hold: &str) -> Absence {
    Absence { events: events.into(), scope: AbsenceScope::Named, hold: span(hold) }
}

/// A condition around an expression.
pub(crate) fn condition(expr: Expr) -> Condition {
    Condition { expr, text: "test".into(), place: Place::default() }
}

/// At most so many in a rolling window.
pub(crate) fn rolling(at_most: u32, window: &str) -> CapLimit {
    CapLimit::Rolling { at_most, window: span(window) }
}

/// At most so many in a calendar period.
pub(crate) fn calendar(at_most: u32, period: Period) -> CapLimit {
    CapLimit::Calendar { at_most, period }
}

/// At least so far apart.
pub(crate) fn gap(gap: &str) -> CapLimit {
    CapLimit::Gap { gap: span(gap) }
}

/// A customer in Amsterdam with an e-mail address, a phone and a yes to marketing.
pub(crate) fn customer(id: &str) -> CustomerState {
    let mut state = CustomerState::new(CustomerId::new(id), at("2026-01-01T00:00"));
    set(&mut state, TIMEZONE, "Europe/Amsterdam");
    set(&mut state, EMAIL_ADDRESS, "ann@shop.example");
    set(&mut state, PHONE, "+31612345678");
    state.rare.consents.push(answer(Some(MARKETING), None, Answer::Granted, "2026-01-01T00:00"));
    state
}

/// Sets a trait to a text; an empty one clears it.
pub(crate) fn set(state: &mut CustomerState, slot: TraitSlot, text: &str) {
    state.traits.retain(|(other, _)| *other != slot);
    if !text.is_empty() {
        state.traits.push((slot, Value::Str(text.into())));
        state.traits.sort_by_key(|(slot, _)| *slot);
    }
}

/// A recorded answer.
pub(crate) fn answer(
    purpose: Option<PurposeSlot>,
    channel: Option<ChannelSlot>,
    answer: Answer,
    when: &str,
) -> Consent {
    Consent { purpose, channel, answer, at: at(when), source: "test".into(), evidence: None }
}

/// A cause that occurred at an instant, about an object or none.
pub(crate) fn cause(occurrence: &str, when: Timestamp, object: Option<&str>) -> Cause {
    Cause {
        occurrence: occurrence.into(),
        at: when,
        clause: 0,
        object: object.map(Into::into),
        properties: object.map(|object| (OBJECT, Value::Str(object.into()))).into_iter().collect(),
    }
}

/// The slot of a trigger.
pub(crate) fn slot_of(catalog: &Catalog, id: &str) -> TriggerSlot {
    catalog.find_trigger(id).unwrap_or_else(|| panic!("no trigger `{id}`"))
}
