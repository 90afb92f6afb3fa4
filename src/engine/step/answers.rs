//! Answers of the customer, and what happens when messages stay without one.

use super::super::catalog::{Action, Trigger};
use super::super::govern::{self, Unanswered};
use super::super::id::DecisionId;
use super::super::input::{Event, Reach, View};
use super::super::task::TaskOutcome;
use super::super::time::Timestamp;
use super::super::value::Property;
use super::Step;

impl Step<'_> {
    /// An event of the customer may be an answer, as of when it occurred.
    pub(super) fn note_answer(&mut self, event: &Event<'_>) {
        let guard = self.catalog.policy.loop_guard.as_ref();
        let (Some(guard), Some(name)) = (guard, event.name) else { return };
        if guard.answered_by.contains(&name) {
            govern::note_answer(self.catalog, self.state, event.occurred_at);
        }
    }

    /// A person who did a task spoke with the customer, or found nobody.
    pub(super) fn note_outcome(&mut self, outcome: TaskOutcome, now: Timestamp) {
        let spoke = match outcome {
            TaskOutcome::Resolved | TaskOutcome::Reached | TaskOutcome::Declined => true,
            TaskOutcome::NoAnswer | TaskOutcome::NotNeeded | TaskOutcome::Other => false,
        };
        if spoke {
            govern::note_answer(self.catalog, self.state, now);
        }
    }

    /// Lets triggers hear that messages stayed without an answer. The id names the decision that was
    /// held back for it, so that it happens once.
    pub(super) fn hand_over(
        &mut self,
        held: DecisionId,
        trigger: &Trigger,
        unanswered: Unanswered,
        now: Timestamp,
    ) {
        let catalog = self.catalog;
        let Some(guard) = &catalog.policy.loop_guard else { return };
        let purpose = match &trigger.action {
            Action::Send(send) => catalog.policy.purposes.get(send.purpose.index()),
            Action::Task(_) => None,
        };
        let since = unanswered.since.to_string();
        let held = held.to_string();
        let mut properties = vec![Property::Missing; catalog.properties.len()];
        for (path, property) in catalog.properties.iter().zip(&mut properties) {
            match &**path {
                "trigger" => *property = Property::Str(trigger.id.as_str()),
                "decision" => *property = Property::Str(&held),
                "messages" => *property = Property::Num(unanswered.messages.into()),
                "since" => *property = Property::Str(&since),
                "purpose" => {
                    *property = purpose.map_or(Property::Missing, |p| Property::Str(&p.name));
                }
                _ => {}
            }
        }
        let event = Event {
            id: &format!("unanswered-{held}"),
            name: Some(guard.event),
            view: View::Other,
            occurred_at: now,
            properties: &properties,
            traits: &[],
            // The customer was not there.
            reach: Reach::Background,
        };
        self.event(&event, now);
    }
}
