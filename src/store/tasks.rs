//! The task list: work for people, newest first.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Batch;
use super::changes::{Kind, Write};
use super::commit::{from_json, json};
use super::decisions::{Bounds, Collector, DecisionFilter, is_in};
use super::open::Spaces;
use super::record::TaskRecord;
use super::task_record::Taken;
use super::{Error, Page, Store, keys};
use crate::engine::id::DecisionId;
use crate::engine::task::{Stage, TaskTurn};
use crate::engine::time::Timestamp;

/// Tasks looked at when they are counted, the newest first.
const COUNTED_MAX: usize = 100_000;

/// How many tasks of a team there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaskCounts {
    /// Nobody has acknowledged them.
    pub open: u64,
    /// Somebody is at them.
    pub acked: u64,
    /// Of both, those that should be done by now.
    pub overdue: u64,
}

/// Which tasks to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// In this state.
    pub state: Option<String>,
    /// Assigned to this person.
    pub assigned_to: Option<String>,
    /// About this customer.
    pub customer: Option<String>,
    /// Of this team.
    pub team: Option<String>,
    /// About customers of these shards; about all without.
    pub shards: Option<BTreeSet<u16>>,
    /// Only those that nobody has.
    pub unassigned: bool,
    /// Only those that were due by then and are not done.
    pub overdue_at: Option<Timestamp>,
}

impl Store {
    /// A page of tasks, newest first.
    ///
    /// # Errors
    /// When the cursor is none of this list, or the store cannot be read.
    pub fn tasks(
        &self,
        filter: &TaskFilter,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page<TaskRecord>, Error> {
        let bounds = Bounds::of(&DecisionFilter::default(), after)?;
        let mut collector = Collector::new(limit);
        for guard in self.spaces.tasks_by_time.range(bounds.first..=bounds.last) {
            let (key, value) = guard.into_inner()?;
            let Some(place) = keys::place_of(&key) else { continue };
            if bounds.is_cursor(&place) {
                continue;
            }
            if collector.is_full() {
                return Ok(collector.more());
            }
            let mut found = None;
            if passes(&value, filter, self.shards()) {
                let id = DecisionId::from_bytes(keys::id_of(&place)).to_string();
                // Lines of older versions do not tell the team.
                let is_theirs =
                    |task: &TaskRecord| filter.team.is_none() || filter.team == task.team;
                found = self.task(&id)?.filter(is_theirs);
            }
            collector.look(place, found);
        }
        Ok(collector.last())
    }

    /// How many tasks of each team are open, acknowledged and overdue, of the newest that are looked at.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn task_counts(
        &self,
        shards: Option<&BTreeSet<u16>>,
        now: Timestamp,
    ) -> Result<BTreeMap<String, TaskCounts>, Error> {
        let mut teams: BTreeMap<String, TaskCounts> = BTreeMap::new();
        for guard in self.spaces.tasks_by_time.iter().take(COUNTED_MAX) {
            let (key, value) = guard.into_inner()?;
            let text = String::from_utf8_lossy(&value);
            let parts: Vec<&str> = text.split('\0').collect();
            let [customer, state, _, due, ..] = *parts else { continue };
            let stage = Stage::parse(state).filter(|stage| stage.is_open());
            let team = match (parts.get(4), stage) {
                (Some(team), _) => (*team).to_owned(),
                // A line of an older version.
                (None, Some(_)) => self.team_of(&key)?,
                (None, None) => continue,
            };
            // A team of which nothing is left is told, too.
            let counts = teams.entry(team).or_default();
            match stage.filter(|_| is_in(shards, customer, self.shards())) {
                Some(Stage::Acked) => counts.acked += 1,
                Some(_) => counts.open += 1,
                None => continue,
            }
            let due = due.parse().ok().map(Timestamp::from_millis);
            counts.overdue += u64::from(due.is_some_and(|due| due <= now));
        }
        Ok(teams)
    }

    fn team_of(&self, key: &[u8]) -> Result<String, Error> {
        let Some(place) = keys::place_of(key) else { return Ok(String::new()) };
        let id = DecisionId::from_bytes(keys::id_of(&place)).to_string();
        Ok(self.task(&id)?.and_then(|task| task.team).unwrap_or_default())
    }

    /// One task, by its decision's id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn task(&self, id: &str) -> Result<Option<TaskRecord>, Error> {
        let value = self.spaces.tasks.get(id)?;
        value.map(|value| from_json("the task", id, &value)).transpose()
    }

    /// Takes a change into the task it is about; the task as it then stands, unless nobody knows it
    /// or it knew the change.
    pub(super) fn write_turn(
        &self,
        write: &mut Write,
        turn: &TaskTurn,
        pending: &mut Pending,
    ) -> Result<Option<TaskRecord>, Error> {
        let id = turn.task.to_string();
        let known = match pending.tasks.remove(&id) {
            Some(known) => Some(known),
            None => self.task(&id)?,
        };
        let Some(mut task) = known else { return Ok(None) };
        let taken = task.take(turn);
        if taken == Taken::Now {
            self::write(&self.spaces, write, &task)?;
        }
        pending.put(&task);
        Ok((taken == Taken::Now).then_some(task))
    }
}

/// Tasks of the batches at hand, which cannot be read from the database yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Those that change in them: the others are not asked for.
    changing: BTreeSet<String>,
    tasks: BTreeMap<String, TaskRecord>,
}

impl Pending {
    pub(super) fn of(batches: &[Batch]) -> Self {
        let turns = batches.iter().flat_map(|batch| &batch.turns);
        Self { changing: turns.map(|turn| turn.task.to_string()).collect(), ..Self::default() }
    }

    pub(super) fn put(&mut self, task: &TaskRecord) {
        if self.changing.contains(&task.id) {
            self.tasks.insert(task.id.clone(), task.clone());
        }
    }
}

/// Adds a task to a batch.
pub(super) fn write(spaces: &Spaces, write: &mut Write, task: &TaskRecord) -> Result<(), Error> {
    let value = json(task)?;
    write.tell(Kind::Task, &task.id, Some(&value));
    put(spaces, write, task, value);
    Ok(())
}

/// The same for one that was told already.
pub(super) fn put(spaces: &Spaces, write: &mut Write, task: &TaskRecord, value: Vec<u8>) {
    write.insert(&spaces.tasks_by_time, place(task), line(task));
    write.insert(&spaces.tasks, task.id.as_str(), value);
}

/// Where a task stands in the order by time.
pub(super) fn place(task: &TaskRecord) -> keys::Place {
    let id = DecisionId::parse(&task.id).map_or([0; 16], |id| *id.as_bytes());
    keys::place(Timestamp::parse(&task.created_at).unwrap_or_default(), &id)
}

/// What a filter looks at: customer, state, who has it, when it is due in milliseconds, and the team.
fn line(task: &TaskRecord) -> Vec<u8> {
    let assigned_to = task.assigned_to.as_deref().unwrap_or_default();
    let due = task.due_at.as_deref().and_then(Timestamp::parse);
    let due = due.map_or_else(String::new, |due| due.as_millis().to_string());
    let team = task.team.as_deref().unwrap_or_default();
    [&*task.customer, &*task.state, assigned_to, &*due, team].join("\0").into_bytes()
}

/// Whether a line is of a customer.
pub(super) fn is_of(line: &[u8], customer: &str) -> bool {
    line.strip_prefix(customer.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
}

fn passes(line: &[u8], filter: &TaskFilter, shards: u16) -> bool {
    let text = String::from_utf8_lossy(line);
    let customer = text.split('\0').next().unwrap_or_default();
    if !is_in(filter.shards.as_ref(), customer, shards) {
        return false;
    }
    let mut parts = text.split('\0').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let (state, assigned_to, due) = (part(), part(), part());
    let team = parts.next();
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
    let is_open = Stage::parse(state).is_some_and(Stage::is_open);
    let due = due.parse().ok().map(Timestamp::from_millis);
    is(&filter.customer, customer)
        && is(&filter.state, state)
        && is(&filter.assigned_to, assigned_to)
        && team.is_none_or(|team| is(&filter.team, team))
        && (!filter.unassigned || (assigned_to.is_empty() && is_open))
        && filter.overdue_at.is_none_or(|now| is_open && due.is_some_and(|due| due <= now))
}
