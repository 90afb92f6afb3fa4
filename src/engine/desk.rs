//! The desk of a team: which task goes to whom, what has to wait, and why.
//!
//! It is state beyond one customer, so it has an owner of its own: the subject `heedful:desk:<team>`,
//! whose shard hears requests of customers' tasks through its log, one after the other. What it gives
//! depends on nothing but their order.

use std::sync::Arc;

use thin_vec::ThinVec;

use super::id::{CustomerId, DecisionId, stable_hash};
use super::queue::Rank;
use super::team::{Member, Team};
use super::time::{Span, Timestamp};

/// Tasks that wait at a desk at most; further ones wait with their customers, and ask again.
pub const WAITING_MAX: usize = 2_000;
/// Tasks that a desk knows somebody to have, at most.
pub const HELD_MAX: usize = 10_000;
/// A task of which nothing was heard for so long counts against nobody any more.
const HELD_KEEP: Span = Span::DAY.times(90);
/// What a task needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// How urgent, higher first.
    pub priority: u8,
    /// What it is worth, of those as urgent the highest first.
    pub worth: f64,
    /// When it was opened: of those worth the same the oldest first.
    pub opened_at: Timestamp,
    /// What whoever gets it must know to do.
    pub skills: ThinVec<Box<str>>,
    /// The customer's language, without its region.
    pub language: Option<Box<str>>,
    /// The person in charge of the customer.
    pub owner: Option<Box<str>>,
}

/// What a task tells its desk.
#[derive(Clone, Debug, PartialEq)]
pub struct DeskNote {
    /// Which task.
    pub task: DecisionId,
    /// Whose.
    pub customer: CustomerId,
    /// What.
    pub what: Said,
}

/// What a task can tell its desk.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Somebody is needed.
    Asks(Request),
    /// A person has it, whoever decided that.
    Has(Box<str>),
    /// It is over.
    Over,
}

/// The answer of a desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// About which task.
    pub task: DecisionId,
    /// Whose.
    pub customer: CustomerId,
    /// What.
    pub what: Answered,
    /// Why, in a sentence.
    pub why: Box<str>,
}

/// What a desk can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// It goes to this person.
    Goes(Box<str>),
    /// It has to wait.
    Waits,
    /// It counts no more.
    Freed,
}

/// What a desk knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desk {
    /// The day that is counted, in days since the epoch.
    pub day: i32,
    /// Tasks taken that day, by all.
    pub taken: u32,
    /// And by each.
    pub by_person: ThinVec<(Box<str>, u32)>,
    /// Tasks that wait.
    pub waiting: ThinVec<Waits>,
    /// Tasks that somebody has.
    pub held: ThinVec<Held>,
}

/// A task that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Waits {
    /// Which.
    pub task: DecisionId,
    /// Whose.
    pub customer: CustomerId,
    /// What it needs.
    pub request: Request,
}

impl Waits {
    fn rank(&self) -> Rank {
        let Request { priority, worth, opened_at, .. } = self.request;
        Rank { priority: priority.into(), worth, since: opened_at, id: self.task }
    }
}

/// A task that somebody has.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Which.
    pub task: DecisionId,
    /// Who.
    pub person: Box<str>,
    /// Since when.
    pub since: Timestamp,
}

impl Desk {
    /// Hears a note, and gives out what can be given.
    pub fn hear(&mut self, team: &Team, note: &DeskNote, now: Timestamp) -> Vec<Word> {
        self.turn_page(team, now);
        let word = |what, why: Box<str>| Word {
            task: note.task,
            customer: note.customer.clone(),
            what,
            why,
        };
        let held = self.held.iter().position(|held| held.task == note.task);
        let mut words = Vec::new();
        match &note.what {
            Said::Asks(request) => {
                if let Some(held) = held.and_then(|index| self.held.get(index)) {
                    words.push(word(
                        Answered::Goes(held.person.clone()),
                        "as it was decided".into(),
                    ));
                } else if self.waiting.iter().all(|waits| waits.task != note.task) {
                    if WAITING_MAX <= self.waiting.len() || HELD_MAX <= self.held.len() {
                        words.push(word(Answered::Waits, "the desk is full".into()));
                        return words;
                    }
                    let (customer, request) = (note.customer.clone(), request.clone());
                    self.waiting.push(Waits { task: note.task, customer, request });
                }
            }
            Said::Has(person) => {
                self.waiting.retain(|waits| waits.task != note.task);
                match held.and_then(|index| self.held.get_mut(index)) {
                    Some(held) if held.person == *person => {}
                    Some(held) => {
                        held.person.clone_from(person);
                        self.count(person);
                    }
                    None => self.hold(note.task, person, now),
                }
            }
            Said::Over => {
                self.waiting.retain(|waits| waits.task != note.task);
                self.held.retain(|held| held.task != note.task);
                words.push(word(Answered::Freed, "".into()));
            }
        }
        words.extend(self.give(team, now));
        if let Said::Asks(_) = note.what
            && let Some(waits) = self.waiting.iter().find(|waits| waits.task == note.task)
        {
            words.push(word(Answered::Waits, self.why_waits(team, waits, now)));
        }
        words
    }

    /// Gives out what can be given now, in order of value.
    pub fn give(&mut self, team: &Team, now: Timestamp) -> Vec<Word> {
        self.turn_page(team, now);
        let mut words = Vec::new();
        if self.is_team_full(team) {
            return words;
        }
        let mut loads = self.loads(team, now);
        self.waiting.sort_by(order);
        let mut index = 0;
        while let Some(waits) = self.waiting.get(index)
            && !self.is_team_full(team)
            && loads.iter().any(|load| load.free == Free::Yes)
        {
            let Some((chosen, why)) = choose(&loads, waits) else {
                index += 1;
                continue;
            };
            let Waits { task, customer, .. } = self.waiting.remove(index);
            let person: Box<str> = (*chosen.name).into();
            self.hold(task, &person, now);
            words.push(Word { task, customer, what: Answered::Goes(person), why });
            if let Some(load) = loads.iter_mut().find(|load| load.member.name == chosen.name) {
                (load.open, load.today) = (load.open + 1, load.today + 1);
                load.free = room(load.member, load.open, load.today);
            }
        }
        words
    }

    /// When something may be given that cannot be now; none while nothing waits.
    pub fn next_due(&self, team: &Team, now: Timestamp) -> Option<Timestamp> {
        if self.waiting.is_empty() { None } else { team.next_change(now) }
    }

    /// Tasks that somebody has now.
    pub fn open_of(&self, person: &str) -> u32 {
        let count = self.held.iter().filter(|held| *held.person == *person).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Tasks that somebody took today.
    pub fn today_of(&self, person: &str) -> u32 {
        self.by_person.iter().find(|(name, _)| **name == *person).map_or(0, |(_, count)| *count)
    }

    fn turn_page(&mut self, team: &Team, now: Timestamp) {
        let day = team.day(now);
        if self.day < day {
            self.day = day;
            self.taken = 0;
            self.by_person.clear();
            self.held.retain(|held| now - held.since < HELD_KEEP);
        }
    }

    fn hold(&mut self, task: DecisionId, person: &str, now: Timestamp) {
        if self.held.len() < HELD_MAX {
            self.held.push(Held { task, person: person.into(), since: now });
        }
        self.count(person);
    }

    fn count(&mut self, person: &str) {
        self.taken = self.taken.saturating_add(1);
        match self.by_person.iter_mut().find(|(name, _)| **name == *person) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.by_person.push((person.into(), 1)),
        }
    }

    fn is_team_full(&self, team: &Team) -> bool {
        team.tasks_per_day.is_some_and(|most| most <= self.taken)
    }

    fn loads<'t>(&self, team: &'t Team, now: Timestamp) -> Vec<Load<'t>> {
        let load = |member: &'t Member| {
            let (open, today) = (self.open_of(&member.name), self.today_of(&member.name));
            let free = match team.works(member, now) {
                true => room(member, open, today),
                false => Free::No,
            };
            Load { member, open, today, free }
        };
        team.members.iter().map(load).collect()
    }

    /// Why a task waits, and how many go before it.
    fn why_waits(&self, team: &Team, waits: &Waits, now: Timestamp) -> Box<str> {
        let before = self.waiting.iter().filter(|other| order(other, waits).is_lt()).count();
        let able = able(team.members.iter(), &waits.request);
        let works = able.iter().filter(|member| team.works(member, now)).count();
        let why = if able.is_empty() {
            format!("nobody in {} knows {}", team.name, waits.request.skills.join(" and "))
        } else if let Some(most) = team.tasks_per_day.filter(|most| *most <= self.taken) {
            format!("{} has taken all {most} tasks of today", team.name)
        } else if works == 0 {
            format!("nobody in {} who can works now", team.name)
        } else {
            format!(
                "all {works} in {} who can and work now have as much as they can take",
                team.name
            )
        };
        format!("{why}; {before} of more worth before it").into()
    }
}

fn order(left: &Waits, right: &Waits) -> std::cmp::Ordering {
    left.rank().order(&right.rank())
}

/// How much somebody has, and whether they can take more now.
#[derive(Clone, Copy, Debug)]
struct Load<'t> {
    member: &'t Member,
    open: u32,
    today: u32,
    free: Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Free {
    Yes,
    No,
}

fn room(member: &Member, open: u32, today: u32) -> Free {
    let below = |most: Option<u32>, has: u32| most.is_none_or(|most| has < most);
    match below(member.tasks_per_day, today) && below(member.open_at_most, open) {
        true => Free::Yes,
        false => Free::No,
    }
}

/// Who gets a task, and why they: the owner; then who has the fewest open; then who took the
/// fewest today; then by lot, which is a hash of task and name.
fn choose<'t>(loads: &[Load<'t>], waits: &Waits) -> Option<(&'t Member, Box<str>)> {
    let able = able(loads.iter().map(|load| load.member), &waits.request);
    let can = |load: &&Load<'_>| {
        load.free == Free::Yes && able.iter().any(|member| member.name == load.member.name)
    };
    let free: Vec<&Load<'t>> = loads.iter().filter(can).collect();
    let owner = waits.request.owner.as_deref();
    if let Some(load) = free.iter().find(|load| owner == Some(&*load.member.name)) {
        return Some((load.member, "in charge of the customer".into()));
    }
    let lot = |member: &Member| stable_hash(&format!("{}\0{}", waits.task, member.name));
    let chosen = free.iter().min_by_key(|load| (load.open, load.today, lot(load.member)))?;
    let Load { open, today, .. } = **chosen;
    let alike = free.iter().filter(|load| (load.open, load.today) == (open, today)).count();
    let how = match (free.len(), alike) {
        (1, _) => "the only one free who can".to_owned(),
        (can, 1) => format!("least to do of {can} who can: {open} open, {today} taken today"),
        (can, alike) => format!(
            "by lot among {alike} of {can} who can, each with {open} open and {today} taken today"
        ),
    };
    Some((chosen.member, how.into()))
}

/// Who knows what is asked for, and speaks the customer's language, if anybody does.
fn able<'t>(members: impl Iterator<Item = &'t Member>, request: &Request) -> Vec<&'t Member> {
    let has = |words: &[Arc<str>], word: &str| words.iter().any(|known| **known == *word);
    let knows = |member: &&Member| request.skills.iter().all(|skill| has(&member.skills, skill));
    let skilled: Vec<&Member> = members.filter(knows).collect();
    let Some(language) = request.language.as_deref() else { return skilled };
    let speaks = |member: &&Member| member.languages.is_empty() || has(&member.languages, language);
    let speakers: Vec<&Member> = skilled.iter().copied().filter(speaks).collect();
    if speakers.is_empty() { skilled } else { speakers }
}

#[cfg(test)]
mod tests;
