//! From the words of teams to the engine's teams.

use std::sync::Arc;

use super::fault::{Fault, Located};
use super::policy::{File, weekday};
use super::read::{Faults, OneOrMany};
use super::scalar::{Name, Whole, is_name};
use super::words::team::{HoursWords, MemberWords, TeamWords};
use crate::engine::team::{Hours, MEMBERS_MAX, Member, TEAMS_MAX, Team};
use crate::engine::time::Zone;

/// Monday to Friday.
const WORKDAYS: u8 = 0b001_1111;
/// Longest name of a person.
const NAME_BYTES_MAX: usize = 256;

/// The names of the teams.
pub(crate) fn names(given: Option<&File<'_>>) -> Vec<Arc<str>> {
    let teams = given.and_then(|file| file.raw.teams.as_ref());
    let teams = teams.iter().flat_map(|teams| &teams.0);
    teams.map(|(key, _)| Arc::from(&*key.text)).collect()
}

/// Builds the teams, in order of their names.
pub(crate) fn build(given: Option<&File<'_>>, zone: &Zone, list: &mut Vec<Fault>) -> Box<[Team]> {
    let Some(file) = given else { return Box::default() };
    let Some(teams) = &file.raw.teams else { return Box::default() };
    let mut building = Building { zone, faults: &mut Faults { text: file.text, list } };
    if let Some((key, _)) = teams.0.get(TEAMS_MAX) {
        let message = format!("there are more than {TEAMS_MAX} teams");
        building.faults.error("E070", key.extent, message, None);
    }
    for (key, _) in &teams.0 {
        if !is_name(&key.text) {
            let help = "use lower-case letters, digits, `-`, `_` and `.`".to_owned();
            let message = format!("`{}` cannot be a name", key.text);
            building.faults.error("E005", key.extent, message, help);
        }
    }
    let mut built: Vec<Team> =
        teams.0.iter().filter_map(|(key, words)| building.team(&key.text, words)).collect();
    built.sort_by(|left, right| left.name.cmp(&right.name));
    built.into()
}

struct Building<'b, 'f> {
    zone: &'b Zone,
    faults: &'b mut Faults<'f>,
}

impl Building<'_, '_> {
    fn team(&mut self, name: &str, words: &TeamWords) -> Option<Team> {
        let members = words.members.0.as_ref()?;
        if let Some((key, _)) = members.0.get(MEMBERS_MAX) {
            let message = format!("a team has at most {MEMBERS_MAX} people");
            self.faults.error("E070", key.extent, message, None);
        }
        let hours = words.hours.as_ref().map(|hours| self.hours(hours));
        let tasks_per_day = count(words.tasks_per_day.as_ref());
        let members: Vec<_> = members
            .0
            .iter()
            .map(|(key, words)| {
                if key.text.trim().is_empty()
                    || NAME_BYTES_MAX < key.text.len()
                    || key.text.contains(char::is_control)
                {
                    let help = "give a name or an address".to_owned();
                    self.faults.error("E005", key.extent, "this names nobody", help);
                }
                self.member(&key.text, words)
            })
            .collect();
        Some(Team {
            name: name.into(),
            zone: words.timezone.clone().unwrap_or_else(|| self.zone.clone()),
            hours: hours.map_or(Some(None), |hours| hours.map(Some))?,
            tasks_per_day,
            members: members.into_iter().collect::<Option<_>>()?,
        })
    }

    fn member(&mut self, name: &str, words: &MemberWords) -> Option<Member> {
        let hours = words.hours.as_ref().map(|hours| self.hours(hours));
        Some(Member {
            name: name.into(),
            skills: texts(words.skills.as_ref()),
            languages: texts(words.languages.as_ref()),
            hours: hours.map_or(Some(None), |hours| hours.map(Some))?,
            tasks_per_day: count(words.tasks_per_day.as_ref()),
            open_at_most: count(words.open_at_most.as_ref()),
        })
    }

    fn hours(&mut self, words: &HoursWords) -> Option<Hours> {
        let (from, to) = (words.from.0.as_ref()?, words.to.0.as_ref()?);
        if from.value == to.value {
            let help = "leave `hours` out for somebody who always works".to_owned();
            let message = "these hours begin and end at the same time";
            self.faults.error("E007", to.extent, message, help);
            return None;
        }
        let days = words.days.as_ref();
        let days = days.map(|days| days.0.iter().fold(0, |bits, day| bits | weekday(*day)));
        Some(Hours { weekdays: days.unwrap_or(WORKDAYS), from: from.value.0, to: to.value.0 })
    }
}

fn count(count: Option<&Located<Whole>>) -> Option<u32> {
    count.map(|count| count.value.0)
}

fn texts(names: Option<&OneOrMany<Name>>) -> Box<[Arc<str>]> {
    let names = names.iter().flat_map(|names| &names.0);
    names.map(|name| Arc::from(&*name.text)).collect()
}
