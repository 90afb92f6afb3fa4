//! Who gets what, against an oracle that looks at everything anew.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::engine::team::Hours;
use crate::engine::testing::at;
use crate::engine::time::Zone;

fn member(name: &str, change: impl FnOnce(&mut Member)) -> Member {
    let mut member = Member {
        name: name.into(),
        skills: Box::default(),
        languages: Box::default(),
        hours: None,
        tasks_per_day: None,
        open_at_most: None,
    };
    change(&mut member);
    member
}

fn team(members: impl Into<Box<[Member]>>) -> Team {
    Team {
        name: "success".into(),
        zone: Zone::parse("Europe/Amsterdam").unwrap(),
        hours: None,
        tasks_per_day: None,
        members: members.into(),
    }
}

fn names(words: &[&str]) -> Box<[Arc<str>]> {
    words.iter().map(|word| Arc::from(*word)).collect()
}

fn asks(number: u8, change: impl FnOnce(&mut Request)) -> DeskNote {
    let mut request =
        Request { priority: 1, opened_at: at("2026-03-02T09:00"), ..Request::default() };
    change(&mut request);
    let customer = CustomerId::new(format!("c{number}"));
    DeskNote { task: DecisionId::from_bytes([number; 16]), customer, what: Said::Asks(request) }
}

fn over(number: u8) -> DeskNote {
    DeskNote { what: Said::Over, ..asks(number, |_| {}) }
}

fn has(number: u8, person: &str) -> DeskNote {
    DeskNote { what: Said::Has(person.into()), ..asks(number, |_| {}) }
}

/// `1 mei: why; 2 waits: why`.
fn told(words: &[Word]) -> String {
    let word = |word: &Word| {
        let what = match &word.what {
            Answered::Goes(person) => person.to_string(),
            Answered::Waits => "waits".to_owned(),
            Answered::Freed => "freed".to_owned(),
        };
        format!("{} {what}: {}", word.task.as_bytes()[0], word.why)
    };
    words.iter().map(word).collect::<Vec<_>>().join("; ")
}

const NOON: &str = "2026-03-02T12:00";

#[test]
fn the_owner_is_asked_first_and_then_who_has_the_least_to_do() {
    let team = team([member("mei", |m| m.open_at_most = Some(1)), member("tom", |_| {})]);
    let mut desk = Desk::default();
    let mut say = |note: &DeskNote| told(&desk.hear(&team, note, at(NOON)));
    let mei = |request: &mut Request| request.owner = Some("mei".into());
    assert_eq!(say(&asks(1, mei)), "1 mei: in charge of the customer");
    assert_eq!(say(&asks(2, mei)), "2 tom: the only one free who can");
    assert_eq!(say(&asks(1, mei)), "1 mei: as it was decided", "who asks again hears it again");
    assert_eq!(say(&over(1)), "1 freed: ");
    assert_eq!(say(&asks(3, |_| {})), "3 mei: least to do of 2 who can: 0 open, 1 taken today");
}

#[test]
fn skills_are_needed_and_a_language_is_if_anybody_speaks_it() {
    let team = team([
        member("mei", |m| (m.skills, m.languages) = (names(&["billing"]), names(&["zh", "en"]))),
        member("tom", |m| (m.skills, m.languages) = (names(&["billing", "tax"]), names(&["en"]))),
    ]);
    let mut desk = Desk::default();
    let mut say = |note: &DeskNote| told(&desk.hear(&team, note, at(NOON)));
    let wants = |skill: &str, language: &str| {
        let (skill, language): (Box<str>, Box<str>) = (skill.into(), language.into());
        move |request: &mut Request| {
            request.skills.push(skill);
            request.language = Some(language);
        }
    };
    assert_eq!(say(&asks(1, wants("billing", "zh"))), "1 mei: the only one free who can");
    assert_eq!(say(&asks(2, wants("tax", "zh"))), "2 tom: the only one free who can");
    assert_eq!(
        say(&asks(3, wants("law", "en"))),
        "3 waits: nobody in success knows law; 0 of more worth before it"
    );
    // Whom nobody can help holds up nobody else.
    assert_eq!(say(&asks(4, wants("tax", "en"))), "4 tom: the only one free who can");
}

#[test]
fn of_what_is_worth_the_same_the_oldest_goes_first() {
    let team = team([member("mei", |m| m.open_at_most = Some(1))]);
    let mut desk = Desk::default();
    let since = |time: &'static str| move |request: &mut Request| request.opened_at = at(time);
    desk.hear(&team, &asks(9, |_| {}), at(NOON));
    for (number, time) in
        [(1, "2026-03-02T11:00"), (2, "2026-03-02T08:00"), (3, "2026-03-02T10:00")]
    {
        assert!(told(&desk.hear(&team, &asks(number, since(time)), at(NOON))).contains("waits"));
    }
    for (done, next) in [(9, 2), (2, 3), (3, 1)] {
        let words = told(&desk.hear(&team, &over(done), at(NOON)));
        assert_eq!(words, format!("{done} freed: ; {next} mei: the only one free who can"));
    }
}

#[test]
fn what_is_beyond_a_days_work_waits_in_order_of_worth_until_the_next_day() {
    let mut team = team([member("mei", |_| {}), member("tom", |m| m.tasks_per_day = Some(1))]);
    team.tasks_per_day = Some(2);
    let mut desk = Desk::default();
    let worth = |worth: f64| move |request: &mut Request| request.worth = worth;
    for number in 1..=2 {
        assert!(!told(&desk.hear(&team, &asks(number, worth(0.0)), at(NOON))).contains("waits"));
    }
    let full = "success has taken all 2 tasks of today";
    for (number, value, before) in [(3, 5.0, 0), (4, 9.0, 0), (5, 7.0, 1)] {
        assert_eq!(
            told(&desk.hear(&team, &asks(number, worth(value)), at(NOON))),
            format!("{number} waits: {full}; {before} of more worth before it")
        );
    }
    let urgent = asks(6, |request| request.priority = 3);
    assert!(told(&desk.hear(&team, &urgent, at(NOON))).ends_with("0 of more worth before it"));
    assert_eq!(desk.give(&team, at("2026-03-02T22:59")), [], "in Amsterdam it is still today");
    let due = desk.next_due(&team, at(NOON)).unwrap();
    assert_eq!(due, at("2026-03-02T23:00"));
    let given = desk.give(&team, due);
    let order: Vec<u8> = given.iter().map(|word| word.task.as_bytes()[0]).collect();
    assert_eq!(order, [6, 4], "the most urgent, and then the one worth most");
}

#[test]
fn nobody_gets_anything_while_nobody_works() {
    let mut team = team([member("mei", |_| {})]);
    let clock = |text: &str| text.parse().unwrap();
    team.hours = Some(Hours { weekdays: 0b1_1111, from: clock("09:00"), to: clock("17:00") });
    let mut desk = Desk::default();
    // A Saturday.
    let now = at("2026-03-07T12:00");
    assert_eq!(
        told(&desk.hear(&team, &asks(1, |_| {}), now)),
        "1 waits: nobody in success who can works now; 0 of more worth before it"
    );
    let mut now = now;
    let mut looked = 0;
    let given = loop {
        now = desk.next_due(&team, now).unwrap();
        looked += 1;
        let given = desk.give(&team, now);
        if !given.is_empty() {
            break given;
        }
    };
    assert_eq!((now, looked), (at("2026-03-09T08:00"), 3), "two midnights and Monday at nine");
    assert_eq!(told(&given), "1 mei: the only one free who can");
    assert_eq!(desk.next_due(&team, now), None);
}

#[test]
fn what_people_decide_among_themselves_counts_too() {
    let team = team([
        member("mei", |m| m.open_at_most = Some(1)),
        member("tom", |m| m.tasks_per_day = Some(1)),
    ]);
    let mut desk = Desk::default();
    let mut say = |note: &DeskNote| told(&desk.hear(&team, note, at(NOON)));
    assert_eq!(say(&has(1, "mei")), "");
    assert_eq!(say(&asks(2, |_| {})), "2 tom: the only one free who can");
    assert!(say(&asks(3, |_| {})).starts_with("3 waits: all 2 in success"));
    // Tom takes over, and mei is free again.
    assert_eq!(say(&has(1, "tom")), "3 mei: the only one free who can");
}

/// One thing that happens at a desk.
#[derive(Clone, Debug)]
enum Act {
    Ask { task: u8, priority: u8, worth: u8, skill: bool, owner: bool },
    Has { task: u8, person: usize },
    Over { task: u8 },
    Pass { quarters: i64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let ask = (0..40_u8, 0..3_u8, 0..4_u8, any::<bool>(), any::<bool>()).prop_map(
        |(task, priority, worth, skill, owner)| Act::Ask { task, priority, worth, skill, owner },
    );
    let has = (0..40_u8, 0..3_usize).prop_map(|(task, person)| Act::Has { task, person });
    let over = (0..40_u8).prop_map(|task| Act::Over { task });
    let pass = (0..60_i64).prop_map(|quarters| Act::Pass { quarters });
    prop::collection::vec(prop_oneof![6 => ask, 1 => has, 3 => over, 3 => pass], 1..120)
}

const PEOPLE: [&str; 3] = ["mei", "tom", "eva"];

fn crew() -> Team {
    let clock = |text: &str| text.parse().unwrap();
    let mut team = team([
        member("mei", |m| {
            (m.skills, m.open_at_most, m.tasks_per_day) = (names(&["tax"]), Some(2), Some(3));
        }),
        member("tom", |m| m.tasks_per_day = Some(2)),
        member("eva", |m| {
            m.open_at_most = Some(3);
            m.hours = Some(Hours { weekdays: 0x7f, from: clock("22:00"), to: clock("06:00") });
        }),
    ]);
    team.hours = Some(Hours { weekdays: 0b1_1111, from: clock("09:00"), to: clock("17:00") });
    team.tasks_per_day = Some(6);
    team
}

/// What the desk must keep to, kept in the plainest way: who has what, and who took how many on
/// which day.
#[derive(Default)]
struct Oracle {
    wants: BTreeMap<u8, Request>,
    has: BTreeMap<u8, String>,
    taken: Vec<(i32, String)>,
    /// Of those, which the desk gave.
    over: BTreeSet<u8>,
}

impl Oracle {
    fn open(&self, person: &str) -> usize {
        self.has.values().filter(|name| *name == person).count()
    }

    fn today(&self, day: i32, person: Option<&str>) -> usize {
        let taken = self.taken.iter().filter(|(on, _)| *on == day);
        taken.filter(|(_, name)| person.is_none_or(|person| name == person)).count()
    }

    fn could(&self, team: &Team, member: &Member, request: &Request, now: Timestamp) -> bool {
        let day = team.day(now);
        let below = |most: Option<u32>, has: usize| most.is_none_or(|most| has < most as usize);
        below(team.tasks_per_day, self.today(day, None))
            && below(member.tasks_per_day, self.today(day, Some(&member.name)))
            && below(member.open_at_most, self.open(&member.name))
            && team.works(member, now)
            && request
                .skills
                .iter()
                .all(|skill| member.skills.iter().any(|known| **known == **skill))
    }

    fn somebody_could(&self, team: &Team, request: &Request, now: Timestamp) -> bool {
        team.members.iter().any(|member| self.could(team, member, request, now))
    }

    /// Checks what was given, in its order, and takes it in.
    fn take(&mut self, team: &Team, words: &[Word], now: Timestamp) {
        for word in words {
            let task = word.task.as_bytes()[0];
            let Answered::Goes(person) = &word.what else { continue };
            if &*word.why == "as it was decided" {
                assert_eq!(self.has.get(&task).map(String::as_str), Some(&**person));
                continue;
            }
            let request = self.wants.remove(&task).expect("who gets it was waiting");
            let member = team.members.iter().find(|member| *member.name == **person).unwrap();
            assert!(self.could(team, member, &request, now), "{task} is beyond what {person} can");
            for (other, wants) in &self.wants {
                let rank = |request: &Request| (request.priority, request.worth);
                let goes_first = rank(wants) > rank(&request);
                assert!(
                    !goes_first || !self.somebody_could(team, wants, now),
                    "{other} goes before {task}"
                );
            }
            self.has.insert(task, person.to_string());
            self.taken.push((team.day(now), person.to_string()));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Never over capacity, in order of value, nobody forgotten, and the same again in a replay.
    #[test]
    fn a_desk_keeps_to_what_people_can_take(acts in acts()) {
        let team = crew();
        let mut desk = Desk::default();
        let mut again = Desk::default();
        let mut oracle = Oracle::default();
        let mut now = at("2026-03-02T08:00");
        for act in acts {
            let mut say = |note: &DeskNote, now| {
                let words = desk.hear(&team, note, now);
                assert_eq!(words, again.hear(&team, note, now), "a replay decides alike");
                words
            };
            let words = match act {
                Act::Ask { task, .. } if oracle.over.contains(&task) => continue,
                Act::Ask { task, priority, worth, skill, owner } => {
                    let note = asks(task, |request| {
                        (request.priority, request.worth) = (priority, f64::from(worth));
                        request.opened_at = now;
                        if skill {
                            request.skills.push("tax".into());
                        }
                        request.owner = owner.then(|| "tom".into());
                    });
                    let Said::Asks(request) = &note.what else { panic!("it asks") };
                    if !oracle.has.contains_key(&task) {
                        oracle.wants.entry(task).or_insert_with(|| request.clone());
                    }
                    let words = say(&note, now);
                    prop_assert!(words.iter().any(|word| word.task == note.task), "who asks is told");
                    words
                }
                Act::Has { task, person } => {
                    let person = PEOPLE[person];
                    oracle.wants.remove(&task);
                    if oracle.has.insert(task, person.to_owned()).as_deref() != Some(person) {
                        oracle.taken.push((team.day(now), person.to_owned()));
                    }
                    say(&has(task, person), now)
                }
                Act::Over { task } => {
                    oracle.wants.remove(&task);
                    oracle.has.remove(&task);
                    oracle.over.insert(task);
                    say(&over(task), now)
                }
                Act::Pass { quarters } => {
                    let until = now + Span::MINUTE.times(15 * quarters);
                    let mut words = Vec::new();
                    while let Some(due) = desk.next_due(&team, now).filter(|due| *due <= until) {
                        now = due;
                        let given = desk.give(&team, now);
                        prop_assert_eq!(&given, &again.give(&team, now));
                        oracle.take(&team, &given, now);
                        words.extend(given);
                        if desk.waiting.is_empty() {
                            break;
                        }
                    }
                    now = until;
                    prop_assert_eq!(&desk, &again);
                    continue;
                }
            };
            oracle.take(&team, &words, now);
            let waiting: BTreeSet<u8> = desk.waiting.iter().map(|w| w.task.as_bytes()[0]).collect();
            prop_assert_eq!(&waiting, &oracle.wants.keys().copied().collect(), "nobody is forgotten");
            let held: BTreeMap<u8, String> =
                desk.held.iter().map(|h| (h.task.as_bytes()[0], h.person.to_string())).collect();
            prop_assert_eq!(&held, &oracle.has);
            for (task, request) in &oracle.wants {
                prop_assert!(!oracle.somebody_could(&team, request, now), "{} could go", task);
            }
        }
    }
}
