//! From the words of `when:` to what makes a trigger match.

use std::collections::BTreeMap;

use jiff::civil;

use super::condition::{self, Sight};
use super::fault::{Extent, Located};
use super::read::{Faults, OneOrMany, Sound};
use super::scalar::{Line, Whole, Words, some_time};
use super::symbols::Symbols;
use super::words::trigger::{
    Clause, DayWord, KindWord, SessionWord, Step as StepWords, When as Raw,
};
use crate::engine::catalog::{
    Absence, AbsenceScope, Crossing, EventClause, SessionEdge, Step, Times, TraitPath, When,
};
use crate::engine::condition::{Condition, Expr};
use crate::engine::schedule::Schedule;
use crate::engine::slot::PropertySlot;
use crate::engine::time::{Span, Zone};

/// Most clauses of `any`, steps of `sequence`, offsets of a date or events of `not_followed_by`.
const PARTS_MAX: usize = 32;
/// The time of day of dates and schedules that name none.
const AT_DEFAULT: civil::Time = civil::time(10, 0, 0, 0);
/// The silence that ends a session where no trigger says otherwise.
pub(crate) const IDLE_DEFAULT: Span = Span::MINUTE.times(30);

/// `when:`, checked.
#[derive(Debug)]
pub(crate) struct Built {
    /// What makes it match.
    pub(crate) when: When,
    /// The object.
    pub(crate) per: Option<PropertySlot>,
    /// What conditions and texts of the trigger can see.
    pub(crate) sight: Sight,
    /// The silence that ends its sessions, if it is about them.
    pub(crate) idle: Option<Span>,
}

/// Each form of `when:` with the words that may stand beside it.
const FORMS: &[(&str, &[&str])] = &[
    ("event", &["where", "not_followed_by", "for", "times", "within", "affects", "per"]),
    ("any", &["per"]),
    ("sequence", &["within", "per"]),
    ("page", &["where", "not_followed_by", "dwell", "times", "within", "per"]),
    ("screen", &["where", "not_followed_by", "dwell", "times", "within", "per"]),
    ("session", &["idle", "where"]),
    ("changes", &["from", "to"]),
    ("score", &["rises_above", "rearm_below", "falls_below", "rearm_above"]),
    ("date", &["before", "after", "at"]),
    ("schedule", &["at", "zone"]),
    ("cron", &["zone"]),
];

/// Checks `when:`.
pub(crate) fn build(
    raw: &Raw,
    kind: Option<&Located<KindWord>>,
    symbols: &mut Symbols,
    faults: &mut Faults<'_>,
) -> Option<Built> {
    let form = form(raw, faults)?;
    if let Some(kind) = kind {
        agree(kind, form, faults);
    }
    Building { symbols, faults }.build(raw, form)
}

/// The words that are written, with their bytes where those are known.
fn written(raw: &Raw) -> BTreeMap<&'static str, Extent> {
    let line = |line: &Option<Line>| line.as_ref().map(|line| line.0.extent);
    let word = |word: &Option<Words>| word.as_ref().map(|word| word.extent);
    let span = |span: &Option<Located<Span>>| span.as_ref().map(|span| span.extent);
    let number = |number: &Option<Located<f64>>| number.as_ref().map(|number| number.extent);
    let owner = raw.extent;
    [
        ("event", word(&raw.event)),
        ("where", line(&raw.r#where)),
        (
            "not_followed_by",
            raw.not_followed_by.as_ref().and_then(|words| words.0.first()).map(|word| word.extent),
        ),
        ("for", span(&raw.r#for)),
        ("any", raw.any.as_ref().map(|_| owner)),
        ("per", line(&raw.per)),
        ("affects", line(&raw.affects)),
        ("times", raw.times.as_ref().map(|times| times.extent)),
        ("within", span(&raw.within)),
        ("sequence", raw.sequence.as_ref().map(|_| owner)),
        ("page", word(&raw.page)),
        ("screen", word(&raw.screen)),
        ("dwell", span(&raw.dwell)),
        ("session", raw.session.as_ref().map(|session| session.extent)),
        ("idle", span(&raw.idle)),
        ("changes", line(&raw.changes)),
        ("from", raw.from.as_ref().map(|_| owner)),
        ("to", raw.to.as_ref().map(|_| owner)),
        ("score", word(&raw.score)),
        ("rises_above", number(&raw.rises_above)),
        ("falls_below", number(&raw.falls_below)),
        ("rearm_below", number(&raw.rearm_below)),
        ("rearm_above", number(&raw.rearm_above)),
        ("date", line(&raw.date)),
        ("before", raw.before.as_ref().and_then(|spans| spans.0.first()).map(|span| span.extent)),
        ("after", raw.after.as_ref().and_then(|spans| spans.0.first()).map(|span| span.extent)),
        ("at", raw.at.as_ref().map(|at| at.extent)),
        ("schedule", raw.schedule.as_ref().map(|_| owner)),
        ("cron", word(&raw.cron)),
        ("zone", word(&raw.zone)),
    ]
    .into_iter()
    .filter_map(|(word, extent)| Some((word, extent?)))
    .collect()
}

/// The one form that is written.
fn form(raw: &Raw, faults: &mut Faults<'_>) -> Option<&'static str> {
    let written = written(raw);
    let mut forms = FORMS.iter().filter(|(form, _)| written.contains_key(form));
    let known = FORMS.iter().map(|(form, _)| format!("`{form}`")).collect::<Vec<_>>().join(", ");
    let Some((form, beside)) = forms.next() else {
        let help = format!("name one of {known}");
        faults.lacks(raw, "E003", "nothing here says what makes it fire", help);
        return None;
    };
    if let Some((other, _)) = forms.next() {
        let help = format!("several events go below `any`; otherwise only one of {known}");
        let extent = written.get(other).copied().unwrap_or(raw.extent);
        faults.error("E007", extent, format!("`{form}` and `{other}` do not go together"), help);
        return None;
    }
    for (word, extent) in written.iter().filter(|(word, _)| *word != form && !beside.contains(word))
    {
        let help = beside.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let message = format!("`{word}` has no meaning beside `{form}`");
        faults.error("E007", *extent, message, format!("beside `{form}` stand {help}"));
    }
    Some(form)
}

/// `kind:` says in a word what `when:` says in detail: they must agree.
fn agree(kind: &Located<KindWord>, form: &str, faults: &mut Faults<'_>) {
    let (fits, meant) = match form {
        "sequence" => (kind.value != KindWord::Lifecycle, "behavior"),
        "page" | "screen" | "session" => (kind.value == KindWord::Behavior, "behavior"),
        "score" => (kind.value == KindWord::Status, "status"),
        "changes" => (kind.value != KindWord::Behavior, "status"),
        "date" | "schedule" | "cron" => (kind.value == KindWord::Lifecycle, "lifecycle"),
        // An event can be what the customer does, what happens to them, or where they stand.
        _ => (true, ""),
    };
    if !fits {
        let message = format!("a trigger on `{form}` is not of this kind");
        faults.error("E007", kind.extent, message, format!("write `kind: {meant}`"));
    }
}

struct Building<'b, 'f> {
    symbols: &'b mut Symbols,
    faults: &'b mut Faults<'f>,
}

impl Building<'_, '_> {
    fn build(&mut self, raw: &Raw, form: &str) -> Option<Built> {
        let event = Sight::CustomerAndEvent;
        let per = raw.per.as_ref().map(|per| self.property(per));
        let mut idle = None;
        let (when, sight) = match form {
            "event" => (When::Event(Box::new([self.plain(raw, raw.event.as_ref()?)?])), event),
            "page" | "screen" => (When::Event(Box::new([self.view(raw)?])), event),
            "any" => (self.any(raw)?, event),
            "sequence" => (self.sequence(raw)?, event),
            "session" => {
                let value = raw.idle.as_ref().map_or(IDLE_DEFAULT, |idle| idle.value);
                idle = Some(value);
                (self.session(raw)?, Sight::Customer("a session is more than one event"))
            }
            "changes" => {
                (self.change(raw)?, Sight::Customer("traits change with and without events"))
            }
            "score" => (self.score(raw)?, Sight::Customer("a score changes without an event")),
            "date" => (self.date(raw)?, Sight::Customer("a date comes without an event")),
            _ => (self.schedule(raw)?, Sight::Customer("a schedule fires without an event")),
        };
        // A broken `per` has been noted; the rest is still worth checking.
        Some(Built { when, per: per.flatten(), sight, idle })
    }

    /// `event.<path>`, a property that something is kept apart by.
    fn property(&mut self, line: &Line) -> Option<PropertySlot> {
        let found = condition::anything(line, Sight::CustomerAndEvent, self.symbols, self.faults)?;
        if let Expr::Property(slot) = found.0 {
            return Some(slot);
        }
        let help = "write `event.shipment_id`".to_owned();
        self.faults.error("E012", line.0.extent, "a property of the event is wanted here", help);
        None
    }

    /// `customer.<path>`, a trait that something depends on.
    fn trait_path(&mut self, line: &Line) -> Option<TraitPath> {
        let sight = Sight::Customer("this is about a trait of the customer");
        let found = condition::anything(line, sight, self.symbols, self.faults)?;
        if let Expr::Trait { slot, path } = found.0 {
            return Some(TraitPath { slot, path });
        }
        let help = "write `customer.trial_ends_at`".to_owned();
        self.faults.error("E012", line.0.extent, "a trait of the customer is wanted here", help);
        None
    }

    fn filter(&mut self, line: Option<&Line>) -> Option<Option<Condition>> {
        let Some(line) = line else { return Some(None) };
        condition::condition(line, Sight::CustomerAndEvent, self.symbols, self.faults).map(Some)
    }

    fn plain(&mut self, raw: &Raw, event: &Words) -> Option<EventClause> {
        self.clause(&ClauseWords {
            event: &event.text,
            filter: raw.r#where.as_ref(),
            followers: raw.not_followed_by.as_ref(),
            hold: raw.r#for.as_ref(),
            times: raw.times.as_ref(),
            within: raw.within.as_ref(),
            affects: raw.affects.as_ref(),
            owner: raw.extent,
            sound: raw.sound,
        })
    }

    /// A page or screen view, perhaps stayed on.
    fn view(&mut self, raw: &Raw) -> Option<EventClause> {
        let (kind, name) = match (&raw.page, &raw.screen) {
            (Some(page), _) => ("Page", page),
            (None, screen) => ("Screen", screen.as_ref()?),
        };
        let clause = ClauseWords {
            event: &format!("{kind}: {}", name.text),
            filter: raw.r#where.as_ref(),
            followers: None,
            hold: None,
            times: raw.times.as_ref(),
            within: raw.within.as_ref(),
            affects: None,
            owner: raw.extent,
            sound: raw.sound,
        };
        let mut clause = self.clause(&clause)?;
        if let (Some(count), Some(_)) = (&raw.times, &raw.dwell) {
            self.not_both(count.extent, "dwell");
        }
        if let Some(dwell) = &raw.dwell {
            let hold = some_time(dwell, self.faults)?;
            let events = self.events(raw.not_followed_by.as_ref());
            clause.absence = Some(Absence { events, scope: AbsenceScope::AnyPage, hold });
        } else if let Some(word) = raw.not_followed_by.as_ref().and_then(|words| words.0.first()) {
            let help = "add `dwell: 3m`".to_owned();
            self.faults.follows(raw.sound, "E003", word.extent, "`dwell` is missing here", help);
        }
        Some(clause)
    }

    fn any(&mut self, raw: &Raw) -> Option<When> {
        let words = raw.any.as_ref()?;
        self.bounded(words.len(), raw.extent)?;
        let clauses: Vec<_> = words.iter().map(|clause| self.one_of_any(clause)).collect();
        Some(When::Event(clauses.into_iter().collect::<Option<_>>()?))
    }

    fn one_of_any(&mut self, raw: &Clause) -> Option<EventClause> {
        self.clause(&ClauseWords {
            event: &raw.event.0.as_ref()?.text,
            filter: raw.r#where.as_ref(),
            followers: raw.not_followed_by.as_ref(),
            hold: raw.r#for.as_ref(),
            times: raw.times.as_ref(),
            within: raw.within.as_ref(),
            affects: raw.affects.as_ref(),
            owner: raw.extent,
            sound: raw.sound,
        })
    }

    fn clause(&mut self, words: &ClauseWords<'_>) -> Option<EventClause> {
        let event = self.symbols.event(words.event);
        let filter = self.filter(words.filter);
        let affects = self.filter(words.affects);
        let times = self.times(words);
        let absence = self.absence(words);
        if let (Some(count), Some(_)) = (words.times, words.hold) {
            self.not_both(count.extent, "for");
        }
        Some(EventClause {
            event,
            filter: filter?,
            times: times?,
            absence: absence?,
            affects: affects?,
        })
    }

    fn times(&mut self, words: &ClauseWords<'_>) -> Option<Option<Times>> {
        let (count, within) = match (words.times, words.within) {
            (None, None) => return Some(None),
            (Some(count), Some(within)) => (count, within),
            (Some(count), None) => {
                let help = "add `within: 1h`".to_owned();
                self.faults.follows(
                    words.sound,
                    "E003",
                    count.extent,
                    "`within` is missing beside `times`",
                    help,
                );
                return None;
            }
            (None, Some(within)) => {
                let help = "add `times: 3`; for what must not follow write `for`".to_owned();
                self.faults.error(
                    "E003",
                    within.extent,
                    "`times` is missing beside `within`",
                    help,
                );
                return None;
            }
        };
        if !(2..=100).contains(&count.value.0) {
            self.faults.error("E005", count.extent, "`times` is from 2 to 100", None);
            return None;
        }
        Some(Some(Times { count: count.value.0, within: some_time(within, self.faults)? }))
    }

    fn absence(&mut self, words: &ClauseWords<'_>) -> Option<Option<Absence>> {
        let (followers, hold) = match (words.followers, words.hold) {
            (None, None) => return Some(None),
            (Some(followers), Some(hold)) => (followers, hold),
            (Some(_), None) => {
                let help = "say for how long they must fail to come: `for: 3m`".to_owned();
                self.faults.error(
                    "E003",
                    words.owner,
                    "`for` is missing beside `not_followed_by`",
                    help,
                );
                return None;
            }
            (None, Some(hold)) => {
                let help = "say what must fail to come: `not_followed_by: [Order Completed]`";
                let message = "`not_followed_by` is missing beside `for`";
                self.faults.follows(words.sound, "E003", hold.extent, message, help.to_owned());
                return None;
            }
        };
        self.bounded(followers.0.len(), words.owner)?;
        let events = self.events(Some(followers));
        let hold = some_time(hold, self.faults)?;
        Some(Some(Absence { events, scope: AbsenceScope::Named, hold }))
    }

    /// A silence begins with each event: a count of them would have nothing to say.
    fn not_both(&mut self, extent: Extent, silence: &str) {
        let message = format!("`times` and `{silence}` do not go together");
        let help = "count in a condition: `if: count(\"Event\", \"1h\") >= 3`".to_owned();
        self.faults.error("E007", extent, message, help);
    }

    fn events(
        &mut self,
        words: Option<&OneOrMany<Words>>,
    ) -> Box<[crate::engine::slot::EventSlot]> {
        words.iter().flat_map(|words| &words.0).map(|word| self.symbols.event(&word.text)).collect()
    }

    fn sequence(&mut self, raw: &Raw) -> Option<When> {
        let words = raw.sequence.as_ref()?;
        self.bounded(words.len(), raw.extent)?;
        if words.len() < 2 {
            let help = "a single event goes below `event`".to_owned();
            self.faults.error("E007", raw.extent, "a sequence has two steps or more", help);
        }
        let steps: Vec<_> = words.iter().map(|step| self.step(step)).collect();
        let Some(within) = &raw.within else {
            let help = "say how long it may take from the first to the last: `within: 10m`";
            let message = "`within` is missing beside `sequence`";
            self.faults.lacks(raw, "E003", message, help.to_owned());
            return None;
        };
        let within = some_time(within, self.faults)?;
        Some(When::Sequence { steps: steps.into_iter().collect::<Option<_>>()?, within })
    }

    fn step(&mut self, raw: &StepWords) -> Option<Step> {
        let event = self.symbols.event(&raw.event.0.as_ref()?.text);
        Some(Step { event, filter: self.filter(raw.r#where.as_ref())? })
    }

    fn session(&mut self, raw: &Raw) -> Option<When> {
        let edge = match raw.session.as_ref()?.value {
            SessionWord::Started => SessionEdge::Started,
            SessionWord::Ended => SessionEdge::Ended,
        };
        if let Some(idle) = &raw.idle {
            some_time(idle, self.faults)?;
        }
        let sight = Sight::Customer("a session is more than one event");
        let filter = match &raw.r#where {
            Some(line) => Some(condition::condition(line, sight, self.symbols, self.faults)?),
            None => None,
        };
        Some(When::Session { edge, filter })
    }

    fn change(&mut self, raw: &Raw) -> Option<When> {
        let of = self.trait_path(raw.changes.as_ref()?)?;
        let values = |words: &Option<OneOrMany<super::scalar::Anything>>| {
            words.iter().flat_map(|words| &words.0).filter_map(|value| value.0.clone()).collect()
        };
        Some(When::Change { of, from: values(&raw.from), to: values(&raw.to) })
    }

    fn score(&mut self, raw: &Raw) -> Option<When> {
        let word = raw.score.as_ref()?;
        let Some(score) = self.symbols.score(&word.text) else {
            let names: Vec<_> =
                self.symbols.scores.iter().map(|score| score.name.clone()).collect();
            let help = super::suggest::help(&word.text, names.iter().map(|name| &**name));
            let message = format!("there is no model `{}`", word.text);
            self.faults.error("E032", word.extent, message, help);
            return None;
        };
        let crossing = match (&raw.rises_above, &raw.falls_below) {
            (Some(line), None) => {
                self.misplaced(raw.rearm_above.as_ref(), "rearm_above", "rearm_below");
                let rearm = raw.rearm_below.as_ref().unwrap_or(line);
                if line.value < rearm.value {
                    let message = "`rearm_below` lies above the line that it re-arms";
                    self.faults.error("E007", rearm.extent, message, None);
                }
                Crossing::RisesAbove { line: line.value, rearm: rearm.value }
            }
            (None, Some(line)) => {
                self.misplaced(raw.rearm_below.as_ref(), "rearm_below", "rearm_above");
                let rearm = raw.rearm_above.as_ref().unwrap_or(line);
                if rearm.value < line.value {
                    let message = "`rearm_above` lies below the line that it re-arms";
                    self.faults.error("E007", rearm.extent, message, None);
                }
                Crossing::FallsBelow { line: line.value, rearm: rearm.value }
            }
            _ => {
                let help = "write `rises_above: 0.7` or `falls_below: 45`".to_owned();
                self.faults.follows(
                    raw.sound,
                    "E003",
                    word.extent,
                    "a score needs one line to cross",
                    help,
                );
                return None;
            }
        };
        Some(When::Score { score, crossing })
    }

    fn misplaced(&mut self, written: Option<&Located<f64>>, word: &str, meant: &str) {
        if let Some(written) = written {
            let message = format!("`{word}` does not fit the line");
            self.faults.error("E007", written.extent, message, format!("write `{meant}`"));
        }
    }

    fn date(&mut self, raw: &Raw) -> Option<When> {
        let of = self.trait_path(raw.date.as_ref()?);
        let mut offsets = Vec::new();
        for (spans, sign) in [(&raw.before, -1), (&raw.after, 1)] {
            for span in spans.iter().flat_map(|spans| &spans.0) {
                offsets.push(self.days(span).map(|days| days * sign));
            }
        }
        self.bounded(offsets.len(), raw.extent)?;
        let mut offset_days: Vec<i32> = offsets.into_iter().collect::<Option<_>>()?;
        if offset_days.is_empty() {
            offset_days.push(0);
        }
        let at = raw.at.as_ref().map_or(AT_DEFAULT, |at| at.value.0);
        Some(When::Date { of: of?, offset_days: offset_days.into(), at })
    }

    /// Calendar days: `14d`, not `36h`.
    fn days(&mut self, span: &Located<Span>) -> Option<i32> {
        let day = Span::DAY.as_millis();
        if span.value.as_millis() % day == 0 {
            return i32::try_from(span.value.as_millis() / day).ok();
        }
        let help = "write `1d`, `14d`; the time of day is set by `at`".to_owned();
        self.faults.error("E005", span.extent, "a date is counted in whole days", help);
        None
    }

    fn schedule(&mut self, raw: &Raw) -> Option<When> {
        let (text, extent) = match (&raw.cron, &raw.schedule) {
            (Some(cron), _) => (cron.text.to_string(), cron.extent),
            (None, days) => {
                let days = days.as_ref()?;
                let extent = days.0.first().map_or(raw.extent, |day| day.extent);
                (self.cron_of(days, raw)?, extent)
            }
        };
        let zone = match &raw.zone {
            None => None,
            Some(word) if &*word.text == "customer" => None,
            Some(word) => {
                let zone = Zone::parse(&word.text);
                if zone.is_none() {
                    let message = format!("`{}` is not a time zone", word.text);
                    let help =
                        "use an IANA name such as `Europe/Amsterdam`, or `customer`".to_owned();
                    self.faults.error("E005", word.extent, message, help);
                }
                Some(zone?)
            }
        };
        match Schedule::parse(&text) {
            Ok(schedule) => Some(When::Schedule { schedule, zone }),
            Err(message) => {
                let help = "minute hour day month weekday: \"30 9 * * MON\"".to_owned();
                self.faults.error("E005", extent, message, help);
                None
            }
        }
    }

    /// `schedule: [tuesday, friday], at: "09:30"` as a cron expression.
    fn cron_of(&mut self, days: &OneOrMany<Located<DayWord>>, raw: &Raw) -> Option<String> {
        let at = raw.at.as_ref().map_or(AT_DEFAULT, |at| at.value.0);
        let clock = format!("{} {}", at.minute(), at.hour());
        if let [day] = days.0.as_slice() {
            match day.value {
                DayWord::Daily => return Some(format!("{clock} * * *")),
                DayWord::Weekdays => return Some(format!("{clock} * * MON-FRI")),
                DayWord::Monthly => return Some(format!("{clock} 1 * *")),
                _ => {}
            }
        }
        let mut names = Vec::new();
        for day in &days.0 {
            match weekday(day.value) {
                Some(name) => names.push(name),
                None => {
                    let message = "only weekdays can be listed together";
                    self.faults.error("E007", day.extent, message, None);
                    return None;
                }
            }
        }
        (!names.is_empty()).then(|| format!("{clock} * * {}", names.join(",")))
    }

    fn bounded(&mut self, count: usize, extent: Extent) -> Option<()> {
        if PARTS_MAX < count {
            let message = format!("there are {count} parts here; at most {PARTS_MAX} are allowed");
            self.faults.error("E070", extent, message, None);
            return None;
        }
        Some(())
    }
}

/// The words of one event clause, wherever they stand.
struct ClauseWords<'w> {
    event: &'w str,
    filter: Option<&'w Line>,
    followers: Option<&'w OneOrMany<Words>>,
    hold: Option<&'w Located<Span>>,
    times: Option<&'w Located<Whole>>,
    within: Option<&'w Located<Span>>,
    affects: Option<&'w Line>,
    owner: Extent,
    sound: Sound,
}

const fn weekday(day: DayWord) -> Option<&'static str> {
    Some(match day {
        DayWord::Monday => "MON",
        DayWord::Tuesday => "TUE",
        DayWord::Wednesday => "WED",
        DayWord::Thursday => "THU",
        DayWord::Friday => "FRI",
        DayWord::Saturday => "SAT",
        DayWord::Sunday => "SUN",
        DayWord::Daily | DayWord::Weekdays | DayWord::Monthly => return None,
    })
}
