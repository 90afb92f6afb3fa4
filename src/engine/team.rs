//! Teams of people: what each can do, when they work, and how much they can take.

use std::sync::Arc;

use jiff::civil;

use super::time::{Timestamp, Zone};

/// Most teams, and most people of one.
pub const TEAMS_MAX: usize = 64;
/// Most people of a team.
pub const MEMBERS_MAX: usize = 100;
/// Days looked ahead for the next working day.
const DAYS_AHEAD: u32 = 15;

/// A team.
#[derive(Clone, Debug, PartialEq)]
pub struct Team {
    /// Its name.
    pub name: Arc<str>,
    /// In whose time its days are counted.
    pub zone: Zone,
    /// When it works; always, when nothing is said.
    pub hours: Option<Hours>,
    /// Tasks that it can take in a day.
    pub tasks_per_day: Option<u32>,
    /// Its people, in the order of the file.
    pub members: Box<[Member]>,
}

/// Somebody of a team.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Under which name tasks are assigned to them.
    pub name: Arc<str>,
    /// What they know to do.
    pub skills: Box<[Arc<str>]>,
    /// The languages they speak: `de`, `zh`; any, when nothing is said.
    pub languages: Box<[Arc<str>]>,
    /// Their own hours, where they differ from the team's.
    pub hours: Option<Hours>,
    /// Tasks that they can take in a day.
    pub tasks_per_day: Option<u32>,
    /// Tasks that they can have open at a time.
    pub open_at_most: Option<u32>,
}

/// Working hours on the team's wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Days on which they begin; bit 0 is Monday.
    pub weekdays: u8,
    /// From.
    pub from: civil::Time,
    /// To; earlier than `from` runs over midnight.
    pub to: civil::Time,
}

impl Hours {
    fn begins_on(self, date: civil::Date) -> bool {
        self.weekdays & (1 << date.weekday().to_monday_zero_offset()) != 0
    }

    /// Whether a local time lies within them.
    pub fn hold(self, local: civil::DateTime) -> bool {
        let (date, time) = (local.date(), local.time());
        if self.from <= self.to {
            return self.begins_on(date) && self.from <= time && time < self.to;
        }
        let yesterday = date.yesterday().is_ok_and(|date| self.begins_on(date));
        (self.begins_on(date) && self.from <= time) || (yesterday && time < self.to)
    }
}

impl Team {
    /// The day that counts at an instant.
    pub fn day(&self, now: Timestamp) -> i32 {
        let epoch = civil::Date::constant(1970, 1, 1);
        let since = now.in_zone(&self.zone).date().since((jiff::Unit::Day, epoch));
        since.map(|span| span.get_days()).unwrap_or_default()
    }

    /// Whether somebody works at an instant.
    pub fn works(&self, member: &Member, now: Timestamp) -> bool {
        let hours = member.hours.or(self.hours);
        hours.is_none_or(|hours| hours.hold(now.in_zone(&self.zone)))
    }

    /// The next instant at which somebody begins to work, or another day counts.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.in_zone(&self.zone).date();
        let own = self.members.iter().filter_map(|member| member.hours);
        let all: Vec<Hours> = self.hours.into_iter().chain(own).collect();
        let midnight = civil::Time::midnight();
        (0..DAYS_AHEAD)
            .filter_map(|days| today.checked_add(jiff::Span::new().days(i64::from(days))).ok())
            .flat_map(|date| {
                let begins = all.iter().filter(move |hours| hours.begins_on(date));
                begins
                    .map(|hours| hours.from)
                    .chain([midnight])
                    .map(move |time| date.to_datetime(time))
            })
            .map(|local| Timestamp::from_local(local, &self.zone))
            .filter(|at| now < *at)
            .min()
    }
}
