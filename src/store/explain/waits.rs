//! What a trigger waits for, in words.

use super::Explainer;
use crate::engine::catalog::{Crossing, SessionEdge};
use crate::engine::customer::Latch;
use crate::engine::explain::Wait;
use crate::engine::slot::EventSlot;
use crate::engine::time::Timestamp;

impl Explainer<'_> {
    pub(super) fn wait(&self, wait: &Wait) -> String {
        match wait {
            Wait::Event { event, .. } => format!("the event `{}`", self.event(*event)),
            Wait::Times { event, needed, within, hits, .. } => {
                let most = hits.iter().map(Vec::len).max().unwrap_or(0);
                let event = self.event(*event);
                format!("`{event}` for the {needed}. time within {within}; {most} count now")
            }
            Wait::Silence { event, ended_by, object, since, due, .. } => {
                let events: Vec<String> =
                    ended_by.iter().map(|event| format!("`{}`", self.event(*event))).collect();
                let object = object.as_ref().map(|object| format!(" for {object}"));
                format!(
                    "silence{} since `{}` at {}: fires at {} unless {} comes",
                    object.unwrap_or_default(),
                    self.event(*event),
                    self.when(*since),
                    self.when(*due),
                    if events.is_empty() { "another page".to_owned() } else { events.join(" or ") },
                )
            }
            Wait::Sequence { steps, reached, started_at, next } => {
                let begun = started_at.map(|at| format!(", begun at {}", self.when(at)));
                format!(
                    "`{}`, step {} of {steps}{}",
                    self.event(*next),
                    reached + 1,
                    begun.unwrap_or_default()
                )
            }
            Wait::Session { edge, ends_at } => self.session(*edge, *ends_at),
            Wait::Change { of } => format!("a change of `{}`", self.teller.names.trait_text(*of)),
            Wait::Score { score, value, crossing, latch } => {
                let model = self.teller.catalog.scores.get(score.index());
                let model = model.map_or("?", |model| &model.name);
                let value = value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
                let (line, rearm) = match crossing {
                    Crossing::RisesAbove { line, rearm } => {
                        (format!("rise to {line}"), format!("below {rearm}"))
                    }
                    Crossing::FallsBelow { line, rearm } => {
                        (format!("fall to {line}"), format!("above {rearm}"))
                    }
                };
                let armed = match latch {
                    Latch::Armed => String::new(),
                    Latch::Fired => format!("; it has fired and must first come {rearm}"),
                };
                format!("`{model}` to {line}; it is {value}{armed}")
            }
            Wait::Date { date: None, .. } => "a date: it is not known".to_owned(),
            Wait::Date { date: Some(date), offset_days, due } => {
                let offset = match offset_days {
                    0 => "on the day".to_owned(),
                    days if *days < 0 => format!("{} days before", days.unsigned_abs()),
                    days => format!("{days} days after"),
                };
                let due = match due {
                    Some(due) => format!("fires at {}", self.when(*due)),
                    None => "that is over".to_owned(),
                };
                format!("{offset} {date}: {due}")
            }
            Wait::Schedule { due: Some(due) } => {
                format!("the calendar: fires at {}", self.when(*due))
            }
            Wait::Schedule { due: None } => "the calendar: it never comes again".to_owned(),
        }
    }

    fn session(&self, edge: SessionEdge, ends_at: Option<Timestamp>) -> String {
        match (edge, ends_at) {
            (SessionEdge::Started, None) => "the first event of a session".to_owned(),
            (SessionEdge::Started, Some(at)) => {
                format!("a new session; one runs until {} or later", self.when(at))
            }
            (SessionEdge::Ended, None) => "the end of a session; none runs".to_owned(),
            (SessionEdge::Ended, Some(at)) => {
                format!("the end of the session, at {} if nothing happens", self.when(at))
            }
        }
    }

    fn event(&self, slot: EventSlot) -> &str {
        self.teller.names.event_text(slot)
    }
}
