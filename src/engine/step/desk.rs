//! The desk of a team hears what tasks tell it, and tells them who gets them.

use super::super::catalog::Catalog;
use super::super::customer::CustomerState;
use super::super::decision::{Effect, Errand, Note};
use super::super::desk::{Answered, DeskNote, Said, Word};
use super::super::id::CustomerId;
use super::super::task::{Instruction, Wish};
use super::super::team::Team;
use super::super::time::Timestamp;
use super::super::timer::TimerKind;
use super::{Step, timers};

impl Step<'_> {
    /// A task tells the desk something.
    pub(super) fn at_desk(&mut self, note: &DeskNote, now: Timestamp) {
        let catalog = self.catalog;
        let words = match team_of(catalog, self.state) {
            Some(team) => {
                let desk = self.state.rare.desk.get_or_insert_default();
                desk.hear(team, note, now)
            }
            // The files name it no more: whoever asks for it can be told so.
            None => {
                let (what, why) = match note.what {
                    Said::Over => (Answered::Freed, ""),
                    Said::Asks(_) | Said::Has(_) => (Answered::Waits, "there is no such team now"),
                };
                let (task, customer) = (note.task, note.customer.clone());
                vec![Word { task, customer, what, why: why.into() }]
            }
        };
        self.answer(words, now);
    }

    /// Time has come for what many share, or for what a customer told of it.
    pub(super) fn shared_due(&mut self, now: Timestamp) {
        if self.state.id.pool().is_some() {
            self.pool_opens(now);
        } else if self.state.id.is_own() {
            self.desk_opens(now);
        } else {
            self.tell_pools_again(now);
        }
    }

    /// Another day begins, or somebody begins to work.
    fn desk_opens(&mut self, now: Timestamp) {
        let catalog = self.catalog;
        if let Some(team) = team_of(catalog, self.state)
            && let Some(desk) = self.state.rare.desk.as_deref_mut()
        {
            let words = desk.give(team, now);
            self.answer(words, now);
        }
    }

    fn answer(&mut self, words: Vec<Word>, now: Timestamp) {
        let team = self.state.id.team().unwrap_or_default();
        let by: Box<str> = format!("desk of {team}").into();
        let errands = words.into_iter().map(|word| {
            let what = match word.what {
                Answered::Goes(person) => Wish::Goes(person),
                Answered::Waits => Wish::Waits,
                Answered::Freed => Wish::Freed,
            };
            // An answer that is given again later counts again.
            let id = format!("desk:{}:{}:{}", word.task, what.as_str(), now.as_millis());
            let note = (!word.why.is_empty()).then_some(word.why);
            let instruction =
                Instruction { task: word.task, id: id.into(), by: by.clone(), note, what };
            Effect::Errand(Errand { to: word.customer, what: Note::Task(instruction) })
        });
        self.decision.effects.extend(errands);
        timers::disarm(self.state, |kind| *kind == TimerKind::Desk);
        let due = team_of(self.catalog, self.state)
            .zip(self.state.rare.desk.as_deref())
            .and_then(|(team, desk)| desk.next_due(team, now));
        if let Some(due) = due {
            timers::arm(self.state, due, TimerKind::Desk);
        }
    }
}

fn team_of<'c>(catalog: &'c Catalog, state: &CustomerState) -> Option<&'c Team> {
    catalog.team(state.id.team()?)
}

/// What a task tells the desk of its team.
pub(super) fn errand(team: &str, note: DeskNote) -> Effect {
    Effect::Errand(Errand { to: CustomerId::of_desk(team), what: Note::Desk(note) })
}
