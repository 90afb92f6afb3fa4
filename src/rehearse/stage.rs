//! The catalog as one test needs it: its trigger alone, its arm, its scores.

use std::mem;

use super::Broken;
use crate::declare::fault::{Extent, Located};
use crate::declare::tests::{Deed, ModelCase, TestCase};
use crate::engine::catalog::{Catalog, Experiment, ScoreSource, Sending, Trigger, TriggerState};
use crate::engine::policy::Share;
use crate::engine::ramp::Ramp;
use crate::engine::slot::{ScoreSlot, TriggerSlot};

/// Everyone.
const ALL: Share = Share(10_000);
/// No one.
const NONE: Share = Share(0);

/// A catalog that is changed for one test after the other, and put back in the end.
pub(super) struct Stage<'a> {
    catalog: &'a mut Catalog,
    states: Vec<TriggerState>,
    holdout: Share,
    sending: Sending,
    /// What the test in hand set aside.
    aside: Aside,
}

#[derive(Default)]
struct Aside {
    experiment: Option<(usize, Option<Experiment>)>,
    ramp: Option<(usize, Ramp)>,
    shares: Option<(usize, Share, Vec<Share>)>,
    scores: Vec<(usize, ScoreSource)>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(catalog: &'a mut Catalog) -> Self {
        let states = catalog.triggers.iter().map(|trigger| trigger.state).collect();
        // A drawn holdout would make a test depend on how its customer happens to be called.
        let holdout = mem::replace(&mut catalog.policy.holdout, NONE);
        let sending = mem::replace(&mut catalog.sending, Sending::On);
        Self { catalog, states, holdout, sending, aside: Aside::default() }
    }

    pub(super) const fn catalog(&self) -> &Catalog {
        self.catalog
    }

    /// Sets the stage for a test of a trigger.
    pub(super) fn set_for_trigger(
        &mut self,
        name: &str,
        case: &TestCase,
    ) -> Result<TriggerSlot, Broken> {
        self.clear();
        let slot = self.catalog.find_trigger(name).ok_or_else(|| {
            Broken::new(case.name.extent, format!("there is no trigger `{name}`"))
        })?;
        // Switched off, the others may match and are suppressed: they neither send nor count.
        for (index, trigger) in self.catalog.triggers.iter_mut().enumerate() {
            let alone = index == slot.index();
            trigger.state = if alone { TriggerState::Enabled } else { TriggerState::Disabled };
        }
        // Nor would it say to whom a trigger has come by the day of the test.
        let ramp = self.catalog.triggers.get_mut(slot.index()).and_then(|t| t.ramp.take());
        self.aside.ramp = ramp.map(|ramp| (slot.index(), ramp));
        self.set_arm(slot, case.arm.as_ref())?;
        let pushed = case.events.iter().filter_map(|event| match &event.deed {
            Deed::Score(scores) => Some(scores.iter().map(|(name, _)| (name, event.extent))),
            Deed::Event { .. } | Deed::Set(_) | Deed::Propose(_) => None,
        });
        let pushed: Vec<_> = pushed.flatten().collect();
        let given = case.given.scores.iter().map(|(name, _)| (&name.value, name.extent));
        for (name, extent) in given.chain(pushed) {
            self.push_score(name, extent)?;
        }
        Ok(slot)
    }

    /// Sets the stage for a test of a scorecard.
    pub(super) fn set_for_model(
        &mut self,
        name: &str,
        case: &ModelCase,
    ) -> Result<ScoreSlot, Broken> {
        self.clear();
        for (given, _) in case.given.scores.iter().filter(|(given, _)| *given.value != *name) {
            self.push_score(&given.value, given.extent)?;
        }
        self.catalog
            .find_score(name)
            .ok_or_else(|| Broken::new(case.name.extent, format!("there is no model `{name}`")))
    }

    /// With an arm, all customers are in it; without one, they are treated as the file says
    /// without arms.
    fn set_arm(
        &mut self,
        slot: TriggerSlot,
        arm: Option<&Located<Box<str>>>,
    ) -> Result<(), Broken> {
        let index = slot.index();
        let Some(trigger) = self.catalog.triggers.get_mut(index) else { return Ok(()) };
        let Some(arm) = arm else {
            self.aside.experiment = Some((index, trigger.experiment.take()));
            return Ok(());
        };
        let known = trigger.experiment.as_mut().filter(|experiment| {
            *arm.value == *"holdout"
                || experiment.arms.iter().any(|known| *known.name == *arm.value)
        });
        let Some(experiment) = known else {
            let why = format!("the trigger has no arm `{}`", arm.value);
            return Err(Broken::new(arm.extent, why));
        };
        let shares = experiment.arms.iter().map(|arm| arm.share).collect();
        self.aside.shares = Some((index, experiment.holdout, shares));
        experiment.holdout = if *arm.value == *"holdout" { ALL } else { NONE };
        for known in &mut experiment.arms {
            known.share = if *known.name == *arm.value { ALL } else { NONE };
        }
        Ok(())
    }

    /// A score that a test says is the test's to say: it is not computed besides.
    fn push_score(&mut self, name: &str, extent: Extent) -> Result<(), Broken> {
        let score = self.catalog.find_score(name).and_then(|slot| {
            self.catalog.scores.get_mut(slot.index()).map(|score| (slot.index(), score))
        });
        let Some((index, score)) = score else {
            return Err(Broken::new(extent, format!("no file uses a score `{name}`")));
        };
        if score.source.every().is_some() {
            let source = mem::replace(&mut score.source, ScoreSource::Pushed);
            self.aside.scores.push((index, source));
        }
        Ok(())
    }

    /// Puts back what the last test set aside.
    fn clear(&mut self) {
        let aside = mem::take(&mut self.aside);
        if let Some((index, experiment)) = aside.experiment {
            self.with_trigger(index, |trigger| trigger.experiment = experiment);
        }
        if let Some((index, ramp)) = aside.ramp {
            self.with_trigger(index, |trigger| trigger.ramp = Some(ramp));
        }
        if let Some((index, holdout, shares)) = aside.shares {
            self.with_trigger(index, |trigger| {
                let Some(experiment) = &mut trigger.experiment else { return };
                experiment.holdout = holdout;
                for (arm, share) in experiment.arms.iter_mut().zip(shares) {
                    arm.share = share;
                }
            });
        }
        for (index, source) in aside.scores {
            if let Some(score) = self.catalog.scores.get_mut(index) {
                score.source = source;
            }
        }
        for (trigger, state) in self.catalog.triggers.iter_mut().zip(&self.states) {
            trigger.state = *state;
        }
    }

    fn with_trigger(&mut self, index: usize, change: impl FnOnce(&mut Trigger)) {
        if let Some(trigger) = self.catalog.triggers.get_mut(index) {
            change(trigger);
        }
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.clear();
        self.catalog.policy.holdout = self.holdout;
        self.catalog.sending = self.sending;
    }
}
