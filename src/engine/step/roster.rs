//! Who watches what other than an event's name: traits, scores, sessions, dates, calendars.

use super::super::catalog::{SessionEdge, Trigger, When};
use super::super::slot::{ScoreSlot, TraitSlot, TriggerSlot};

/// The triggers that an event's name does not find, by what they watch. Each list is sorted.
#[derive(Debug, Default)]
pub struct Roster {
    changes: Box<[(TraitSlot, TriggerSlot)]>,
    dates: Box<[(TraitSlot, TriggerSlot)]>,
    scores: Box<[(ScoreSlot, TriggerSlot)]>,
    schedules: Box<[TriggerSlot]>,
    started: Box<[TriggerSlot]>,
    ended: Box<[TriggerSlot]>,
}

impl Roster {
    /// Sorts the triggers by what they watch.
    pub fn build(triggers: &[Trigger]) -> Self {
        let mut roster = Drafts::default();
        for (index, trigger) in triggers.iter().enumerate() {
            let Ok(index) = u16::try_from(index) else { break };
            roster.enter(TriggerSlot(index), &trigger.when);
        }
        roster.finish()
    }

    /// Triggers that watch a trait change.
    pub fn changes(&self, of: TraitSlot) -> impl Iterator<Item = TriggerSlot> + '_ {
        of_key(&self.changes, of)
    }

    /// Triggers that wait for a date kept in a trait.
    pub fn dates(&self, of: TraitSlot) -> impl Iterator<Item = TriggerSlot> + '_ {
        of_key(&self.dates, of)
    }

    /// Triggers that wait for any date.
    pub fn all_dates(&self) -> impl Iterator<Item = TriggerSlot> + '_ {
        self.dates.iter().map(|(_, trigger)| *trigger)
    }

    /// Triggers that watch a score.
    pub fn scores(&self, of: ScoreSlot) -> impl Iterator<Item = TriggerSlot> + '_ {
        of_key(&self.scores, of)
    }

    /// Triggers that follow a calendar.
    pub fn schedules(&self) -> &[TriggerSlot] {
        &self.schedules
    }

    /// Triggers that watch one end of sessions.
    pub fn sessions(&self, edge: SessionEdge) -> &[TriggerSlot] {
        match edge {
            SessionEdge::Started => &self.started,
            SessionEdge::Ended => &self.ended,
        }
    }
}

#[derive(Default)]
struct Drafts {
    changes: Vec<(TraitSlot, TriggerSlot)>,
    dates: Vec<(TraitSlot, TriggerSlot)>,
    scores: Vec<(ScoreSlot, TriggerSlot)>,
    schedules: Vec<TriggerSlot>,
    started: Vec<TriggerSlot>,
    ended: Vec<TriggerSlot>,
}

impl Drafts {
    fn enter(&mut self, slot: TriggerSlot, when: &When) {
        match when {
            When::Change { of, .. } => self.changes.push((of.slot, slot)),
            When::Date { of, .. } => self.dates.push((of.slot, slot)),
            When::Score { score, .. } => self.scores.push((*score, slot)),
            When::Schedule { .. } => self.schedules.push(slot),
            When::Session { edge: SessionEdge::Started, .. } => self.started.push(slot),
            When::Session { edge: SessionEdge::Ended, .. } => self.ended.push(slot),
            When::Event(_) | When::Sequence { .. } => {}
        }
    }

    fn finish(mut self) -> Roster {
        self.changes.sort_unstable();
        self.dates.sort_unstable();
        self.scores.sort_unstable();
        Roster {
            changes: self.changes.into(),
            dates: self.dates.into(),
            scores: self.scores.into(),
            schedules: self.schedules.into(),
            started: self.started.into(),
            ended: self.ended.into(),
        }
    }
}

fn of_key<K: Copy + Ord>(
    list: &[(K, TriggerSlot)],
    key: K,
) -> impl Iterator<Item = TriggerSlot> + '_ {
    let start = list.partition_point(|(other, _)| *other < key);
    list.get(start..)
        .unwrap_or_default()
        .iter()
        .take_while(move |(other, _)| *other == key)
        .map(|(_, trigger)| *trigger)
}
