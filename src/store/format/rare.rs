//! What few customers have, written and read: what they said to being profiled, the session that runs, and
//! tasks about them.

use thin_vec::ThinVec;

use super::read::{Read, Reader};
use super::write::{Kind, Writer, Written};
use crate::engine::customer::{Profiling, Session};
use crate::engine::input::Answer;
use crate::engine::task::{CHAIN_MAX, Stage, TaskOutcome, TaskState};
use crate::engine::time::{Span, Timestamp};

impl Writer<'_> {
    pub(super) fn profiling(&mut self, said: &Profiling) -> Written {
        self.to.array(4)?.bool(said.answer == Answer::Granted)?;
        self.instant(said.at)?;
        self.to.str(&said.source)?;
        self.text_or_null(said.evidence.as_deref())
    }

    pub(super) fn session(&mut self, session: &Session) -> Written {
        self.to.array(3)?;
        self.instant(session.started_at)?;
        self.instant(session.last_at)?;
        self.to.u32(session.events)?;
        Ok(())
    }

    pub(super) fn task(&mut self, task: &TaskState) -> Written {
        self.to.array(15)?.bytes(task.id.as_bytes())?;
        self.name(Kind::Trigger, task.trigger.0)?;
        self.to.str(task.stage.as_str())?.u32(task.turn)?;
        self.instant(task.opened_at)?;
        self.instant(task.changed_at)?;
        match task.ack_within {
            Some(within) => self.to.i64(within.as_millis())?.ok()?,
            None => self.to.null()?.ok()?,
        }
        for at in [task.ack_by, task.due_at, task.overdue_at, task.expires_at] {
            self.instant_or_null(at)?;
        }
        self.text_or_null(task.assigned_to.as_deref())?;
        self.to.array(task.chain.len() as u64)?;
        for person in &task.chain {
            self.to.str(person)?;
        }
        self.text_or_null(task.outcome.map(TaskOutcome::as_str))?;
        match &task.desk {
            Some(desk) => self.at_desk(desk),
            None => self.to.null()?.ok(),
        }
    }

    pub(super) fn instant_or_null(&mut self, at: Option<Timestamp>) -> Written {
        match at {
            Some(at) => self.instant(at),
            None => self.to.null()?.ok(),
        }
    }

    pub(super) fn text_or_null(&mut self, text: Option<&str>) -> Written {
        match text {
            Some(text) => self.to.str(text)?.ok(),
            None => self.to.null()?.ok(),
        }
    }
}

impl Reader<'_, '_> {
    pub(super) fn profiling(&mut self) -> Read<Profiling> {
        let members = self.length()?;
        let answer = if self.from.bool()? { Answer::Granted } else { Answer::Denied };
        let said = Profiling {
            answer,
            at: self.instant()?,
            source: self.from.str()?.into(),
            evidence: self.or_null(|reader| reader.from.str())?.map(Into::into),
        };
        self.skip_rest(members, 4)?;
        Ok(said)
    }

    pub(super) fn session(&mut self) -> Read<Session> {
        let members = self.length()?;
        let session = Session {
            started_at: self.instant()?,
            last_at: self.instant()?,
            events: self.from.u32()?,
        };
        self.skip_rest(members, 3)?;
        Ok(session)
    }

    pub(super) fn task(&mut self, members: usize) -> Read<TaskState> {
        let mut task = TaskState {
            id: self.decision()?,
            trigger: self.trigger()?,
            // A word of a later version: what is not known is not touched.
            stage: Stage::parse(self.from.str()?).unwrap_or(Stage::Expired),
            turn: self.from.u32()?,
            opened_at: self.instant()?,
            changed_at: self.instant()?,
            ack_within: self.or_null(|reader| reader.from.i64())?.map(Span::from_millis),
            ack_by: self.or_null(Self::instant)?,
            due_at: self.or_null(Self::instant)?,
            overdue_at: self.or_null(Self::instant)?,
            expires_at: self.or_null(Self::instant)?,
            assigned_to: self.or_null(|reader| reader.from.str())?.map(Into::into),
            chain: self.people()?,
            outcome: self.or_null(|reader| reader.from.str())?.and_then(TaskOutcome::parse),
            desk: None,
        };
        // There was none in the first version of it.
        if members < 15 {
            return Ok(task);
        }
        task.desk = self.or_null(Self::at_desk)?.map(Box::new);
        self.skip_rest(members, 15)?;
        Ok(task)
    }

    fn people(&mut self) -> Read<ThinVec<Box<str>>> {
        let mut people = ThinVec::new();
        for _ in 0..self.length()? {
            let person = self.from.str()?;
            if people.len() < CHAIN_MAX {
                people.push(person.into());
            }
        }
        Ok(people)
    }
}
