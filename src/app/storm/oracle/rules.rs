//! The rules of the governor once more, as naively as they can be told.

use super::{Breach, Counts, Made, Must, Person, Said, Trial};
use crate::app::storm::shop::{Asks, Bound, Rules, TRIGGERS};
use crate::engine::decision::{Decision, Effect, Reason, Verdict, VerdictKind};
use crate::engine::experiment;
use crate::engine::input::Answer;
use crate::engine::operation::{Order, Scope};
use crate::engine::policy::{CapLimit, CapScope, OnCap, Period};
use crate::engine::slot::{ChannelSlot, PurposeSlot};
use crate::engine::testing::{EMAIL, IN_APP, MARKETING, SMS, TRANSACTIONAL, span};
use crate::engine::time::{Span, Timestamp, Zone};

impl Person {
    pub(super) fn must(
        &self,
        rules: &Rules,
        trial: &Trial<'_>,
        winners: &mut Vec<PurposeSlot>,
    ) -> Must {
        let Trial { asks, by, now, .. } = *trial;
        if let Some(early) = self.early(rules, trial) {
            return early;
        }
        let held = |(who, since, until): &(usize, Timestamp, Timestamp)| {
            *who != by && *since <= now && now < *until
        };
        if asks.purpose == Some(MARKETING) && self.held_back.iter().any(held) {
            return Must::Suppress(Reason::Suppressed);
        }
        if let (Some(rests), Some(acted)) = (asks.rests, self.acted.get(&by))
            && now < *acted + span(rests)
        {
            return Must::Suppress(Reason::OncePer);
        }
        let ghost = self.ghost(rules, trial);
        let Some(purpose) = asks.purpose else {
            if is_held(rules, trial, now) {
                return Must::Later;
            }
            return ghost.map_or(Must::Task, Must::HoldOut);
        };
        if !trial.via.iter().any(|channel| self.lets(trial, *channel)) {
            let no = trial.via.iter().any(|channel| self.denies(purpose, *channel));
            let asked = purpose != MARKETING
                || trial.via.iter().any(|c| self.granted(purpose, *c) && self.denies(purpose, *c));
            let reason = if no && asked { Reason::OptedOut } else { Reason::NoConsent };
            return Must::Suppress(reason);
        }
        let Some(channel) = self.channel(trial) else {
            return Must::Suppress(Reason::Unreachable);
        };
        if self.is_unanswered(rules, trial, ghost) {
            return Must::Suppress(Reason::Unanswered);
        }
        if purpose == MARKETING && ghost.is_none() {
            if winners.contains(&purpose) {
                return Must::Suppress(Reason::Outranked);
            }
            winners.push(purpose);
        }
        let lost = self.zone.is_none() && purpose == MARKETING;
        if lost && self.needs_zone(rules, trial, channel) {
            return Must::Suppress(Reason::UnknownZone);
        }
        let chosen = self.chosen(rules, trial, ghost);
        if let Some(chosen) = chosen.filter(|chosen| *chosen != channel) {
            return ghost.map_or(Must::Send(chosen), Must::HoldOut);
        }
        // What is dropped at a full cap is dropped only if it need not wait for something else.
        let waits = self.is_paused(trial, now)
            || self.quiet(rules, trial, channel, now)
            || is_held(rules, trial, now);
        for bound in self.concerning(rules, trial, channel) {
            if lost && matches!(bound.limit, CapLimit::Calendar { .. }) {
                return Must::Suppress(Reason::UnknownZone);
            }
            if !waits && drops(bound, asks) && !self.has_room(bound, ghost, now) {
                return Must::Suppress(Reason::Capped);
            }
        }
        if !self.free(rules, trial, channel, ghost, now) {
            return Must::Later;
        }
        ghost.map_or(Must::Send(channel), Must::HoldOut)
    }

    /// What is so whoever the customer is to the trigger.
    fn early(&self, rules: &Rules, trial: &Trial<'_>) -> Option<Must> {
        let Trial { asks, now, .. } = *trial;
        if !asks.is_on {
            return Some(Must::Suppress(Reason::Disabled));
        }
        if is_ordered(rules, trial, Order::Stop, now) {
            return Some(Must::Suppress(Reason::Stopped));
        }
        if expires_at(trial) <= now {
            return Some(Must::Expire(Reason::Expired));
        }
        let is_ahead = asks.name == "a" && !self.is_reached(rules, now);
        is_ahead.then_some(Must::Suppress(Reason::Ramp))
    }

    /// Whether all rules about time let it go at an instant.
    pub(super) fn free(
        &self,
        rules: &Rules,
        trial: &Trial<'_>,
        channel: ChannelSlot,
        ghost: Option<Reason>,
        at: Timestamp,
    ) -> bool {
        let room = |channel: ChannelSlot, counts: &dyn Fn(&Bound) -> bool| {
            self.concerning(rules, trial, channel)
                .filter(|bound| counts(bound))
                .all(|bound| self.has_room(bound, ghost, at))
        };
        let mut others = self.others(rules, trial, channel);
        !is_held(rules, trial, at)
            && !self.is_paused(trial, at)
            && !self.quiet(rules, trial, channel, at)
            && (room(channel, &|bound| !drops(bound, trial.asks))
                || others.any(|c| !self.quiet(rules, trial, c, at) && room(c, &|_| true)))
    }

    /// The channels that a message takes instead, where a cap of its first one says so.
    fn others(
        &self,
        rules: &Rules,
        trial: &Trial<'_>,
        first: ChannelSlot,
    ) -> impl Iterator<Item = ChannelSlot> {
        let asks = trial.asks;
        let lost = self.zone.is_none() && asks.purpose == Some(MARKETING);
        let moves = |bound: &Bound| bound.on_cap == OnCap::NextChannel;
        let moves = !lost && !asks.drops && self.concerning(rules, trial, first).any(moves);
        let others = self.open(trial).into_iter().filter(move |c| moves && *c != first);
        others.collect::<Vec<_>>().into_iter()
    }

    /// The channel that a message takes now.
    pub(super) fn chosen(
        &self,
        rules: &Rules,
        trial: &Trial<'_>,
        ghost: Option<Reason>,
    ) -> Option<ChannelSlot> {
        let (first, now) = (self.channel(trial)?, trial.now);
        let waits = self.is_paused(trial, now)
            || self.quiet(rules, trial, first, now)
            || is_held(rules, trial, now);
        let has_room = |channel| {
            let mut bounds = self.concerning(rules, trial, channel);
            bounds.all(|bound| self.has_room(bound, ghost, now))
        };
        if waits || has_room(first) {
            return Some(first);
        }
        let free = |c: &ChannelSlot| !self.quiet(rules, trial, *c, now) && has_room(*c);
        self.others(rules, trial, first).find(free).or(Some(first))
    }

    pub(super) fn is_paused(&self, trial: &Trial<'_>, at: Timestamp) -> bool {
        trial.asks.purpose != Some(TRANSACTIONAL) && self.paused_until.is_some_and(|end| at < end)
    }

    /// Whether the wall clock of the customer shows a time that is quiet or a holiday.
    pub(super) fn quiet(
        &self,
        rules: &Rules,
        trial: &Trial<'_>,
        channel: ChannelSlot,
        at: Timestamp,
    ) -> bool {
        if trial.asks.purpose == Some(TRANSACTIONAL) {
            return false;
        }
        let local = at.in_zone(&self.clock_zone());
        let holiday = rules.blackout.is_some_and(|(from, to)| from <= local && local < to);
        let night = channel != IN_APP
            && rules.quiet.iter().any(|hours| {
                // Each day on which it begins paints an interval; one may reach into the next day.
                [0, 1].into_iter().any(|back| {
                    let Ok(date) = local.date().checked_sub(jiff::Span::new().days(back)) else {
                        return false;
                    };
                    let begins = hours.weekdays >> date.weekday().to_monday_zero_offset() & 1 == 1;
                    let ends =
                        if hours.to <= hours.from { date.tomorrow().unwrap_or(date) } else { date };
                    begins
                        && date.to_datetime(hours.from) <= local
                        && local < ends.to_datetime(hours.to)
                })
            });
        holiday || night
    }

    pub(super) fn needs_zone(
        &self,
        rules: &Rules,
        trial: &Trial<'_>,
        channel: ChannelSlot,
    ) -> bool {
        let day = Span::HOUR.times(26);
        let near = rules.blackout.is_some_and(|(from, to)| {
            let utc = Zone::utc();
            Timestamp::from_local(from, &utc) <= trial.now + day
                && trial.now < Timestamp::from_local(to, &utc) + day
        });
        (channel != IN_APP && !rules.quiet.is_empty()) || near
    }

    pub(super) fn clock_zone(&self) -> Zone {
        self.zone.clone().unwrap_or_else(Zone::utc)
    }

    /// The caps that have a say about a message.
    pub(super) fn concerning<'r>(
        &self,
        rules: &'r Rules,
        trial: &Trial<'_>,
        channel: ChannelSlot,
    ) -> impl Iterator<Item = &'r Bound> {
        let (by, asks) = (trial.by, *trial.asks);
        rules.bounds.iter().filter(move |bound| {
            asks.purpose != Some(TRANSACTIONAL)
                && falls_under(bound.scope, by, &asks, Some(channel))
        })
    }

    /// Whether one more contact at an instant is within a cap: all are counted anew.
    pub(super) fn has_room(&self, bound: &Bound, ghost: Option<Reason>, at: Timestamp) -> bool {
        let zone = self.clock_zone();
        let counted: Vec<Timestamp> = self
            .made
            .iter()
            .filter(|made| {
                let asks = &TRIGGERS[made.by];
                let real = match made.counts {
                    Counts::Reserved | Counts::Sent | Counts::Unknown => true,
                    Counts::Ghost => ghost == Some(Reason::GlobalHoldout),
                    Counts::Task => false,
                };
                real && asks.purpose.is_some_and(|purpose| purpose != TRANSACTIONAL)
                    && falls_under(bound.scope, made.by, asks, made.channel)
            })
            .map(|made| made.at)
            .collect();
        let (used, at_most) = match bound.limit {
            CapLimit::Rolling { at_most, window } => {
                (counted.iter().filter(|made| at < **made + window).count(), at_most)
            }
            CapLimit::Gap { gap } => (counted.iter().filter(|made| at < **made + gap).count(), 1),
            CapLimit::Calendar { at_most, period } => {
                let label = |at: Timestamp| {
                    let local = at.in_zone(&zone);
                    let form = match period {
                        Period::Day => "%Y-%m-%d",
                        Period::Week => "%G-W%V",
                        Period::Month => "%Y-%m",
                    };
                    local.strftime(form).to_string()
                };
                let today = label(at);
                (counted.iter().filter(|made| label(**made) == today).count(), at_most)
            }
        };
        used < usize::try_from(at_most).unwrap_or(usize::MAX)
    }

    /// Whether any part of the ramp that has begun is large enough for this customer.
    fn is_reached(&self, rules: &Rules, at: Timestamp) -> bool {
        let place = experiment::bucket("heedful:ramp:a", self.name);
        let mut begun = rules.ramp.iter().filter(|(from, _)| *from <= at);
        rules.ramp.is_empty() || begun.any(|(_, share)| place < *share)
    }

    /// Messages made until then are answered, if there are any.
    pub(super) fn answer(&mut self, rules: &Rules, at: Timestamp) {
        let Some((.., purpose)) = rules.guard else { return };
        let of_purpose = |made: &&Made| TRIGGERS[made.by].purpose == Some(purpose);
        if self.made.iter().filter(of_purpose).any(|made| made.at <= at) {
            self.answered_at = at;
        }
    }

    /// Whether so many messages stayed without an answer that no more may follow.
    fn is_unanswered(&self, rules: &Rules, trial: &Trial<'_>, ghost: Option<Reason>) -> bool {
        let Some((after, within, purpose)) = rules.guard else { return false };
        let open = self.made.iter().filter(|made| {
            let real = match made.counts {
                Counts::Reserved | Counts::Sent | Counts::Unknown => true,
                Counts::Ghost => ghost == Some(Reason::GlobalHoldout),
                Counts::Task => false,
            };
            real && TRIGGERS[made.by].purpose == Some(purpose)
                && self.answered_at < made.at
                && trial.now < made.at + within
        });
        trial.asks.purpose == Some(purpose) && after <= open.count()
    }

    /// The first channel of the list, the preferred one before all, that has an address and no no.
    pub(super) fn channel(&self, trial: &Trial<'_>) -> Option<ChannelSlot> {
        self.open(trial).first().copied()
    }

    fn open(&self, trial: &Trial<'_>) -> Vec<ChannelSlot> {
        let open = |channel: &ChannelSlot| {
            let addressed = match *channel {
                EMAIL => self.addressed.email,
                SMS => self.addressed.phone,
                _ => true,
            };
            addressed && self.lets(trial, *channel)
        };
        let via = trial.via.iter().copied();
        let preferred = via.clone().filter(|channel| Some(*channel) == self.prefers);
        preferred.chain(via).filter(open).collect()
    }

    pub(super) fn lets(&self, trial: &Trial<'_>, channel: ChannelSlot) -> bool {
        let Some(purpose) = trial.asks.purpose else { return true };
        (purpose != MARKETING || self.granted(purpose, channel)) && !self.denies(purpose, channel)
    }

    pub(super) fn granted(&self, purpose: PurposeSlot, channel: ChannelSlot) -> bool {
        self.said
            .iter()
            .any(|said| said.answer == Answer::Granted && said.is_about(purpose, channel))
    }

    /// Whether some no stands: no later yes that is as narrow lifts it.
    pub(super) fn denies(&self, purpose: PurposeSlot, channel: ChannelSlot) -> bool {
        let about = || self.said.iter().filter(|said| said.is_about(purpose, channel));
        about().filter(|said| said.answer == Answer::Denied).any(|no| {
            let later = about().filter(|said| said.answer == Answer::Granted && no.at < said.at);
            let mut lifts = later.filter(|yes| {
                (no.purpose.is_none() || no.purpose == yes.purpose)
                    && (no.channel.is_none() || no.channel == yes.channel)
            });
            lifts.next().is_none()
        })
    }

    pub(super) fn ghost(&self, rules: &Rules, trial: &Trial<'_>) -> Option<Reason> {
        let exempt = trial.asks.purpose == Some(TRANSACTIONAL);
        if !exempt && experiment::globally_held_out(rules.holdout, self.name) {
            return Some(Reason::GlobalHoldout);
        }
        let place = experiment::bucket(trial.asks.name, self.name);
        (place < trial.asks.holdout).then_some(Reason::Holdout)
    }
}

impl Said {
    fn is_about(&self, purpose: PurposeSlot, channel: ChannelSlot) -> bool {
        self.purpose.is_none_or(|only| only == purpose)
            && self.channel.is_none_or(|only| only == channel)
    }
}

/// Whether an order concerns a trigger.
pub(super) trait IsOf {
    fn is_of(&self, asks: &Asks) -> bool;
}

impl IsOf for Scope {
    fn is_of(&self, asks: &Asks) -> bool {
        match self {
            Self::Everything => true,
            Self::Trigger(name) => **name == *asks.name,
            Self::Purpose(name) => {
                let names = ["marketing", "service", "transactional"];
                asks.purpose.is_some_and(|purpose| names[purpose.index()] == &**name)
            }
        }
    }
}

pub(super) fn is_ordered(rules: &Rules, trial: &Trial<'_>, order: Order, at: Timestamp) -> bool {
    rules.orders.iter().any(|(operation, since)| {
        operation.order == order
            && operation.scope.is_of(trial.asks)
            && *since <= at
            && at < operation.until
    })
}

/// Whether an operator holds it: what is stopped as well is not held, but stopped.
pub(super) fn is_held(rules: &Rules, trial: &Trial<'_>, at: Timestamp) -> bool {
    is_ordered(rules, trial, Order::Pause, at) || is_ordered(rules, trial, Order::Stop, at)
}

pub(super) fn drops(bound: &Bound, asks: &Asks) -> bool {
    asks.drops || bound.on_cap == OnCap::Drop
}

pub(super) fn falls_under(
    scope: CapScope,
    by: usize,
    asks: &Asks,
    channel: Option<ChannelSlot>,
) -> bool {
    match scope {
        CapScope::All => true,
        CapScope::Purpose(purpose) => asks.purpose == Some(purpose),
        CapScope::Channel(only) => channel == Some(only),
        CapScope::Trigger(trigger) => trigger.index() == by,
        CapScope::Tag(_) => asks.weekly,
    }
}

pub(super) fn expires_at(trial: &Trial<'_>) -> Timestamp {
    match trial.asks.purpose {
        Some(_) => trial.decided_at + span(trial.asks.lives),
        None => Timestamp::MAX,
    }
}

/// What is sent or handed to a person leaves once, and nothing else does.
pub(super) fn one_effect_each(customer: &str, decision: &Decision) -> Result<(), Breach> {
    let leaving = decision.effects.iter().filter_map(|effect| match effect {
        Effect::Deliver(outreach) => Some(outreach.decision),
        Effect::Assign(task) => Some(task.decision),
        Effect::Turn(_)
        | Effect::Errand(_)
        | Effect::Unwanted(..)
        | Effect::Expose(_)
        | Effect::Erase => None,
    });
    let mut leaving: Vec<_> = leaving.collect();
    let acting = decision.rulings.iter().filter(|ruling| {
        matches!(ruling.verdict, Verdict::Send { .. } | Verdict::Task)
            && ruling.replaces != Some(VerdictKind::Unknown)
    });
    let mut acting: Vec<_> = acting.map(|ruling| ruling.id).collect();
    leaving.sort_unstable();
    acting.sort_unstable();
    if leaving == acting {
        return Ok(());
    }
    Err(("I4", format!("{customer}: {leaving:?} leave, and {acting:?} were decided")))
}
