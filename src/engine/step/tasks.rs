//! Tasks under way: opened, changed by people and by time, and what follows from that as events.

use super::super::customer::{CustomerState, spare_room};
use super::super::decision::{Effect, Task};
use super::super::desk::{DeskNote, Said};
use super::super::id::DecisionId;
use super::super::input::{Event, Reach, View};
use super::super::queue::ASK_AGAIN;
use super::super::task::{
    AtDesk, Instruction, Refusal, Stage, Standing, TASKS_MAX, TaskState, TaskTurn, What,
};
use super::super::time::{Span, Timestamp};
use super::super::timer::TimerKind;
use super::super::value::Property;
use super::{Step, desk, timers};

impl Step<'_> {
    /// Remembers a task that was just written.
    pub(super) fn open_task(&mut self, task: &Task, now: Timestamp) {
        self.room_for_a_task(now);
        let asks = task.desk.as_ref();
        let opened = TaskState {
            id: task.decision,
            trigger: task.trigger,
            stage: Stage::Open,
            turn: 0,
            opened_at: now,
            changed_at: now,
            ack_within: task.ack_within,
            // Who has to wait for its desk has not been asked yet.
            ack_by: task.ack_within.filter(|_| asks.is_none()).map(|within| now + within),
            due_at: task.due_at,
            overdue_at: task.due_at,
            expires_at: task.expires_at,
            assigned_to: task.assign_to.clone(),
            chain: task.chain.iter().cloned().collect(),
            outcome: None,
            desk: asks.map(|(team, request)| {
                Box::new(AtDesk {
                    team: (**team).into(),
                    request: request.clone(),
                    standing: Standing::Asking,
                    again_at: Some(now + ASK_AGAIN),
                    why: None,
                })
            }),
        };
        if let Some((_, request)) = asks {
            self.tell_desk(&opened, Said::Asks(request.clone()));
        }
        wait_for(self.state, &opened);
        spare_room(&mut self.state.rare.tasks);
        self.state.rare.tasks.push(opened);
    }

    /// Forgets the task closed longest ago when there are too many; when all are open, the oldest
    /// is given up at the next instant.
    fn room_for_a_task(&mut self, now: Timestamp) {
        let tasks = &self.state.rare.tasks;
        if tasks.len() < TASKS_MAX {
            return;
        }
        let closed = tasks.iter().enumerate().filter(|(_, task)| !task.stage.is_open());
        if let Some((index, _)) = closed.min_by_key(|(_, task)| task.changed_at) {
            self.state.rare.tasks.remove(index);
        } else if let Some(oldest) = self.state.rare.tasks.first_mut() {
            oldest.expires_at = Some(now + Span::from_millis(1));
            let oldest = oldest.clone();
            wait_for(self.state, &oldest);
        }
    }

    /// Somebody wishes something of a task.
    pub(super) fn instruct(&mut self, instruction: &Instruction, now: Timestamp) {
        let found = self.state.rare.tasks.iter().position(|task| task.id == instruction.task);
        let task = found.and_then(|index| self.state.rare.tasks.get_mut(index));
        let (what, after) = match task {
            Some(task) => {
                let what = task.follow(instruction, now);
                let said = task.tell_desk(&what, now);
                let task = task.clone();
                if let Some(said) = said {
                    self.tell_desk(&task, said);
                }
                wait_for(self.state, &task);
                (what, Some(task))
            }
            // Its desk needs no answer: it forgets by itself.
            None if instruction.what.is_of_desk() => return,
            None => (What::Refused(Refusal::Forgotten), None),
        };
        if what == What::Passed {
            return;
        }
        self.turned(TaskTurn {
            task: instruction.task,
            at: now,
            id: instruction.id.clone(),
            by: Some(instruction.by.clone()),
            note: instruction.note.clone(),
            what,
            after: after.map(Box::new),
        });
    }

    /// Time has come for a task.
    pub(super) fn task_due(&mut self, id: DecisionId, now: Timestamp) {
        while let Some(task) = self.state.rare.tasks.iter_mut().find(|task| task.id == id) {
            let Some(what) = task.elapse(now) else { break };
            let said = task.tell_desk(&what, now);
            let task = task.clone();
            if let Some(said) = said {
                self.tell_desk(&task, said);
            }
            let after = Some(Box::new(task));
            let (by, note) = (None, None);
            self.turned(TaskTurn { task: id, at: now, id: "".into(), by, note, what, after });
        }
        if let Some(task) = self.state.rare.tasks.iter_mut().find(|task| task.id == id) {
            let said = task.remind_desk(now);
            let task = task.clone();
            if let Some(said) = said {
                self.tell_desk(&task, said);
            }
            wait_for(self.state, &task);
        }
    }

    fn tell_desk(&mut self, task: &TaskState, what: Said) {
        let Some(desk) = &task.desk else { return };
        let note = DeskNote { task: task.id, customer: self.state.id.clone(), what };
        self.decision.effects.push(desk::errand(&desk.team, note));
    }

    /// The desks of all tasks under way hear that they are over.
    pub(super) fn leave_desks(&mut self) {
        for task in std::mem::take(&mut self.state.rare.tasks) {
            self.tell_desk(&task, Said::Over);
        }
    }

    /// Puts a change on record, and lets triggers hear of it where they can.
    fn turned(&mut self, turn: TaskTurn) {
        if let What::Done(outcome) = turn.what {
            self.note_outcome(outcome, turn.at);
        }
        if let (Some(name), Some(after)) = (turn.what.event(), &turn.after) {
            self.tell(name, &turn, after);
        }
        self.decision.effects.push(Effect::Turn(turn));
    }

    /// The event behind a change of a task. Its id names the change, so that it happens once.
    fn tell(&mut self, name: &str, turn: &TaskTurn, after: &TaskState) {
        let catalog = self.catalog;
        let Some(event) = catalog.task_events.slot(name) else { return };
        let task = turn.task.to_string();
        let id = format!("task-{}-{task}-{}", turn.what.as_str(), after.turn);
        let mut properties = vec![Property::Missing; catalog.properties.len()];
        let (outcome, because) = match turn.what {
            What::Done(outcome) => (Some(outcome.as_str()), None),
            What::Escalated(because) => (None, Some(because.as_str())),
            _ => (None, None),
        };
        let trigger = catalog.trigger(after.trigger).map(|trigger| trigger.id.as_str());
        let said = [
            ("task", Some(task.as_str())),
            ("trigger", trigger),
            ("outcome", outcome),
            ("because", because),
            ("by", turn.by.as_deref()),
            ("assigned_to", after.assigned_to.as_deref()),
        ];
        for (path, property) in catalog.properties.iter().zip(&mut properties) {
            let found = said.iter().find(|(name, _)| **path == **name);
            if let Some((_, Some(text))) = found {
                *property = Property::Str(text);
            }
        }
        let event = Event {
            id: &id,
            name: Some(event),
            view: View::Other,
            occurred_at: turn.at,
            properties: &properties,
            traits: &[],
            // The customer was not there.
            reach: Reach::Background,
        };
        self.event(&event, turn.at);
    }
}

/// Arms a task's timer for what time will do with it next.
fn wait_for(state: &mut CustomerState, task: &TaskState) {
    let kind = TimerKind::Task { decision: task.id };
    timers::disarm(state, |other| *other == kind);
    if let Some(due) = task.next_due() {
        timers::arm(state, due, kind);
    }
}
