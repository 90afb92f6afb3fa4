//! What people wish of tasks: checked against how the task stands, put into the log of its customer,
//! and answered once its owner has taken it in.

use std::time::Duration;

use super::books::encoded;
use super::home::Shown;
use super::source::{Answers, not_durable};
use crate::api::source::{Failure, TaskWish};
use crate::decode::{Record, shard_of};
use crate::engine::id::{DecisionId, stable_hash};
use crate::engine::task::{Instruction, Refusal, Stage, Wish, allows};
use crate::engine::time::Timestamp;
use crate::store::Store;
use crate::store::record::TaskRecord;
use crate::store::tasks::TaskCounts;
use crate::telemetry::TasksStand;

/// How long it is waited for the owner to take a wish in.
const TAKEN_IN_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked whether it has.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Answers {
    /// Fulfils a wish, or says why not.
    pub(super) async fn wish(&self, id: String, wish: TaskWish) -> Result<TaskRecord, Failure> {
        let none = || Failure::NotFound(format!("there is no task `{id}`"));
        let parsed = DecisionId::parse(&id).ok_or_else(none)?;
        let task = self.task(&id).await?.ok_or_else(none)?;
        self.check_shown(&task.customer)?;
        self.check(&task, &wish.what)?;
        let instruction = instruction(parsed, &task, wish);
        let name = instruction.id.clone();
        let shard = shard_of(&task.customer, self.store.shards());
        let record = encoded(&Record::Task { customer: &task.customer, instruction });
        self.appender.append(shard, vec![record]).await.map_err(|error| not_durable(&error))?;
        let taken_in = async {
            loop {
                if let Some(answer) = answer(self.task(&id).await?, &name) {
                    return answer;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(TAKEN_IN_WAIT, taken_in).await.unwrap_or_else(|_| {
            let what = "the change is kept, but its shard is behind: look at the task again soon";
            Err(Failure::Unavailable(what.to_owned()))
        })
    }

    async fn task(&self, id: &str) -> Result<Option<TaskRecord>, Failure> {
        let id = id.to_owned();
        self.read(move |store| store.task(&id)).await
    }

    /// What is plain already need not go into the log.
    fn check(&self, task: &TaskRecord, wish: &Wish) -> Result<(), Failure> {
        let stage = Stage::parse(&task.state).unwrap_or(Stage::Expired);
        let closed_at = task.closed_at.as_deref().and_then(Timestamp::parse);
        let now = self.clock.now();
        allows((stage, closed_at.unwrap_or(now)), wish, now).map_err(refused)
    }
}

fn refused(refusal: Refusal) -> Failure {
    Failure::Conflict(refusal.sentence().to_owned())
}

/// The same wish about a task that stands as it did is the same: sent twice, it counts once.
fn instruction(task: DecisionId, record: &TaskRecord, wish: TaskWish) -> Instruction {
    let TaskWish { by, note, what } = wish;
    let said = format!("{by}\0{what:?}\0{}", note.as_deref().unwrap_or_default());
    Instruction {
        task,
        id: format!("{task}:{}:{:016x}", record.turn, stable_hash(&said)).into(),
        by: by.into(),
        note: note.map(Into::into),
        what,
    }
}

/// What became of a wish; nothing while it is on its way.
fn answer(task: Option<TaskRecord>, name: &str) -> Option<Result<TaskRecord, Failure>> {
    let Some(task) = task else {
        return Some(Err(Failure::NotFound("the customer was forgotten meanwhile".to_owned())));
    };
    if task.history.iter().any(|entry| entry.id == name) {
        return Some(Ok(task));
    }
    let refused = task.refused.as_ref().filter(|refused| refused.id == name)?;
    Some(Err(Failure::Conflict(refused.why.clone())))
}

/// Shows how many tasks wait.
pub(super) fn show(store: &Store, shown: &Shown, now: Timestamp) {
    let Ok(teams) = store.task_counts(shown().as_ref(), now) else { return };
    for (team, counts) in &teams {
        let TaskCounts { open, acked, overdue } = *counts;
        for (state, count) in [("open", open), ("acked", acked), ("overdue", overdue)] {
            TasksStand { team, state, count }.emit();
        }
    }
}
