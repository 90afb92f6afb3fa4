//! A challenger beside the model in force: what both say of a customer, and what came of it.
//!
//! Only the model in force is heard by triggers and shown as the score. Of each customer one
//! prediction of both is kept open at a time, for as long as its label takes to be known; so
//! predictions of one customer never overlap, and a few that are closed are enough to compare both
//! by what was really said.

use thin_vec::ThinVec;

use super::catalog::{Catalog, ScoreSource};
use super::classifier::{Case, Label, Positive};
use super::customer::CustomerState;
use super::evaluate::Scope;
use super::learned::{Fitted, Learned};
use super::series::Tally;
use super::slot::ScoreSlot;
use super::time::Timestamp;

/// Closed predictions remembered per customer and model; past it the oldest is forgotten.
pub const CLOSED_MAX: usize = 4;

/// A model that was learned for the same definition as the one in force, and is only watched.
#[derive(Debug)]
pub struct Challenger {
    /// What was learned.
    pub fitted: Fitted,
    /// Hash of both models: predictions of other pairs are not compared.
    pub pair: u64,
}

/// What is known of a customer about one pair of models.
#[derive(Clone, Debug, PartialEq)]
pub struct Rival {
    /// The score.
    pub score: ScoreSlot,
    /// Hash of both models.
    pub pair: u64,
    /// The challenger's chance now; `None` while the customer is not judged.
    pub value: Option<f64>,
    /// The prediction whose label is not known yet.
    pub open: Option<Said>,
    /// Those whose labels are known, oldest first.
    pub closed: ThinVec<Came>,
}

/// What both said at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// How often the event of the label had happened by then.
    pub seen: u32,
    /// The chance that was served.
    pub champion: f64,
    /// The chance that was not.
    pub challenger: f64,
}

/// What both said, and what came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Came {
    /// When it was said.
    pub at: Timestamp,
    /// What came.
    pub case: Case,
    /// The chance that was served.
    pub champion: f64,
    /// The chance that was not.
    pub challenger: f64,
}

/// Why both are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// Its time has come: predictions begin and end at such instants.
    InTurn,
    /// Something happened in between.
    Between,
}

/// Lets the challenger of a score speak after the model in force has spoken.
pub fn contend(
    catalog: &Catalog,
    state: &mut CustomerState,
    slot: ScoreSlot,
    now: Timestamp,
    glance: Glance,
) {
    let Some((learned, challenger)) = challenger(catalog, slot) else { return };
    let scope = Scope { catalog, state, properties: &[], now };
    let value = learned.chance_of(&challenger.fitted, &scope);
    let label = learned.classifier.label;
    let tally = label.tally(&scope).copied();
    let served = state.score(slot).map(|score| score.value);
    let place = state.rare.rivals.iter().position(|rival| rival.score == slot);
    if place.is_none() && value.is_none() {
        return;
    }
    let rivals = &mut state.rare.rivals;
    let fresh = || Rival {
        score: slot,
        pair: challenger.pair,
        value: None,
        open: None,
        closed: ThinVec::new(),
    };
    let place = place.unwrap_or_else(|| {
        rivals.push(fresh());
        rivals.len() - 1
    });
    let Some(rival) = rivals.get_mut(place) else { return };
    if rival.pair != challenger.pair {
        *rival = fresh();
    }
    rival.value = value;
    if glance == Glance::Between {
        return;
    }
    if let Some(said) = rival.open.filter(|said| label.closes(said.at) <= now) {
        rival.open = None;
        if let Some(case) = came(&label, &said, tally.as_ref()) {
            let Said { at, champion, challenger, .. } = said;
            if CLOSED_MAX <= rival.closed.len() {
                rival.closed.remove(0);
            }
            rival.closed.reserve_exact(1);
            rival.closed.push(Came { at, case, champion, challenger });
        }
    }
    if let (None, Some(champion), Some(challenger)) = (rival.open, served, value) {
        let seen = tally.map_or(0, |tally| tally.count);
        rival.open = Some(Said { at: now, seen, champion, challenger });
    }
}

/// Forgets what is known of pairs that are no more.
pub fn forget_gone(catalog: &Catalog, state: &mut CustomerState) {
    // Asked first: to look for something to change would make the rare part of everybody's state.
    if !state.rare.rivals.is_empty() {
        state.rare.rivals.retain(|rival| {
            challenger(catalog, rival.score).is_some_and(|(_, own)| own.pair == rival.pair)
        });
        if state.rare.rivals.is_empty() {
            state.rare.rivals = ThinVec::new();
        }
    }
}

/// The model in force and the challenger of a score that has one.
pub fn challenger(catalog: &Catalog, slot: ScoreSlot) -> Option<(&Learned, &Challenger)> {
    match &catalog.scores.get(slot.index())?.source {
        ScoreSource::Learned(learned) => Some((learned, learned.challenger.as_deref()?)),
        ScoreSource::Scorecard(_)
        | ScoreSource::StandIn(_)
        | ScoreSource::Learning(_)
        | ScoreSource::Pushed => None,
    }
}

/// What came of a prediction whose time is over; `None` when that cannot be told, because it is
/// looked late and the event happened more than once since.
fn came(label: &Label, said: &Said, tally: Option<&Tally>) -> Option<Case> {
    let since = tally.map_or(0, |tally| tally.count).saturating_sub(said.seen);
    let is_in_time = tally.is_some_and(|tally| tally.last < label.closes(said.at));
    let happened = match since {
        0 => false,
        _ if is_in_time => true,
        1 => false,
        _ => return None,
    };
    Some(match (label.positive, happened) {
        (Positive::Happens, true) | (Positive::Lacks, false) => Case::Positive,
        (Positive::Happens, false) | (Positive::Lacks, true) => Case::Negative,
    })
}

#[cfg(test)]
mod tests {
    use super::super::slot::SeriesSlot;
    use super::super::time::Span;
    use super::*;

    #[test]
    fn what_came_is_told_from_counts_and_only_when_it_can_be() {
        let at = |day: i64| Timestamp::from_millis(0) + Span::DAY.times(day);
        let label = Label {
            series: SeriesSlot(0),
            positive: Positive::Happens,
            within: Span::DAY.times(10),
        };
        let said = Said { at: at(100), seen: 1, champion: 0.2, challenger: 0.3 };
        let told = |days: &[i64], label: &Label| {
            let mut all = days.iter();
            let mut tally = all.next().map(|day| Tally::begin(at(*day)));
            all.for_each(|day| tally.as_mut().unwrap().record(at(*day)));
            came(label, &said, tally.as_ref())
        };
        assert_eq!(told(&[50], &label), Some(Case::Negative));
        assert_eq!(told(&[50, 105], &label), Some(Case::Positive));
        assert_eq!(told(&[50, 105, 109], &label), Some(Case::Positive));
        assert_eq!(told(&[50, 110], &label), Some(Case::Negative), "only after its time");
        assert_eq!(told(&[50, 105, 110], &label), None, "in its time or not, nobody knows");
        let lacks = Label { positive: Positive::Lacks, ..label };
        assert_eq!(told(&[50], &lacks), Some(Case::Positive));
        assert_eq!(told(&[50, 105], &lacks), Some(Case::Negative));
    }
}
