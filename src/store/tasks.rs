//! The task list: work for people, newest first.

use std::collections::BTreeSet;

use super::changes::{Kind, Write};
use super::commit::{from_json, json};
use super::decisions::{Bounds, Collector, DecisionFilter, is_in};
use super::open::Spaces;
use super::record::TaskRecord;
use super::{Error, Page, Store, keys};
use crate::engine::id::DecisionId;
use crate::engine::time::Timestamp;

/// Which tasks to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// In this state.
    pub state: Option<String>,
    /// Assigned to this person.
    pub assigned_to: Option<String>,
    /// About this customer.
    pub customer: Option<String>,
    /// About customers of these shards; about all without.
    pub shards: Option<BTreeSet<u16>>,
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
                found = self.task(&id)?;
            }
            collector.look(place, found);
        }
        Ok(collector.last())
    }

    /// One task, by its decision's id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn task(&self, id: &str) -> Result<Option<TaskRecord>, Error> {
        let value = self.spaces.tasks.get(id)?;
        value.map(|value| from_json("the task", id, &value)).transpose()
    }

    /// Changes a task durably and gives it back as it then stands; `None` when there is none.
    ///
    /// # Errors
    /// When it is not durable.
    pub fn change_task(
        &self,
        id: &str,
        change: impl FnOnce(&mut TaskRecord),
    ) -> Result<Option<TaskRecord>, Error> {
        let _changing = self.change();
        let Some(mut task) = self.task(id)? else { return Ok(None) };
        let (id, created_at) = (task.id.clone(), task.created_at.clone());
        change(&mut task);
        // Under these it is found.
        (task.id, task.created_at) = (id, created_at);
        let batch = self.db.batch().durability(Some(fjall::PersistMode::SyncData));
        let mut changed = Write::silent(batch);
        write(&self.spaces, &mut changed, &task)?;
        self.guarded(|| changed.batch.commit())?;
        Ok(Some(task))
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

/// What a filter looks at.
fn line(task: &TaskRecord) -> Vec<u8> {
    let assigned_to = task.assigned_to.as_deref().unwrap_or_default();
    [&*task.customer, &*task.state, assigned_to].join("\0").into_bytes()
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
    let mut parts = text.splitn(3, '\0');
    [&filter.customer, &filter.state, &filter.assigned_to].into_iter().all(|wanted| {
        let found = parts.next().unwrap_or_default();
        wanted.as_ref().is_none_or(|wanted| wanted == found)
    })
}
