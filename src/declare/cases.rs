//! From the words of `tests:` to typed tests, checked against what they test.

use super::fault::{Extent, Located};
use super::node::Key;
use super::read::{Entries, Faults};
use super::registry::Registry;
use super::scalar::{Anything, Words, parse_local, span_help};
use super::suggest;
use super::symbols::Symbols;
use super::tests::{
    Deed, Expectation, Expected, ExpectedOffer, ExpectedTime, Given, GivenFact, GivenHistory,
    GivenWindow, ModelCase, TestCase, TestCustomer, TestEvent, TestTime,
};
use super::words::cases::{Case, EventWords, ExpectWords, GivenWords, ScoreCase};
use super::words::trigger::Trigger as Raw;
use crate::engine::decision::Reason;
use crate::engine::time::{Span, Timestamp};
use crate::engine::value::Value;

/// Most tests of one file, events or expectations of one test, or events given of one kind.
const PARTS_MAX: usize = 1_000;

/// What tests are checked against.
#[derive(Debug)]
pub(crate) struct Reading<'r, 'f> {
    /// Names of the policy.
    pub(crate) registry: &'r Registry,
    /// Names of models.
    pub(crate) symbols: &'r Symbols,
    /// Where faults go.
    pub(crate) faults: &'r mut Faults<'f>,
}

impl Reading<'_, '_> {
    /// The tests of a trigger.
    pub(crate) fn trigger(&mut self, raw: &Raw) -> Vec<TestCase> {
        let cases = raw.tests.as_ref().map_or(&[][..], Vec::as_slice);
        self.bounded(cases.len(), raw.extent);
        cases.iter().filter_map(|case| self.case(case, raw)).collect()
    }

    /// The tests of a scorecard.
    pub(crate) fn model(&mut self, cases: &[ScoreCase], bands: &[&str]) -> Vec<ModelCase> {
        cases.iter().filter_map(|case| self.score_case(case, bands)).collect()
    }

    fn case(&mut self, case: &Case, raw: &Raw) -> Option<TestCase> {
        let customers = self.customers(case);
        let names: Vec<&str> = customers.iter().map(|customer| &*customer.name).collect();
        let events = case.events.as_ref().map_or(&[][..], Vec::as_slice);
        self.bounded(events.len(), case.extent);
        let events: Vec<_> = events.iter().map(|event| self.event(event, &names)).collect();
        let expect = case.expect.0.as_ref();
        self.bounded(expect.map_or(0, |expect| expect.value.len()), case.extent);
        let expect_extent = expect?.extent;
        let expect: Vec<_> =
            expect?.value.iter().map(|line| self.expectation(line, &names, raw)).collect();
        Some(TestCase {
            name: text(case.name.0.as_ref()?),
            given: self.given(case.given.as_ref()),
            start: self.time_word(case.start.as_ref()),
            until: self.time_word(case.until.as_ref()),
            arm: self.arm(case.arm.as_ref(), raw),
            events: events.into_iter().collect::<Option<_>>()?,
            expect: expect.into_iter().collect::<Option<_>>()?,
            expect_extent,
            customers,
        })
    }

    fn customers(&mut self, case: &Case) -> Vec<TestCustomer> {
        let only = |entries: &Entries<Anything>| TestCustomer {
            name: TestCustomer::ONLY.into(),
            traits: values(entries),
        };
        match (&case.customer, &case.customers) {
            (Some(_), Some(_)) => {
                let message = "`customer` and `customers` do not go together";
                self.faults.error("E007", case.extent, message, None);
                Vec::new()
            }
            (one, None) => vec![one.as_ref().map_or_else(|| only(&Entries::default()), only)],
            (None, Some(several)) => several
                .0
                .iter()
                .map(|(key, traits)| TestCustomer {
                    name: key.text.clone(),
                    traits: values(traits),
                })
                .collect(),
        }
    }

    fn arm(&mut self, word: Option<&Words>, raw: &Raw) -> Option<Located<Box<str>>> {
        let word = word?;
        let arms = raw.experiment.as_ref().and_then(|experiment| experiment.arms.as_ref());
        let mut known: Vec<&str> =
            arms.iter().flat_map(|arms| &arms.0).map(|(key, _)| &*key.text).collect();
        known.extend(raw.experiment.as_ref().map(|_| "holdout"));
        if known.len() == 1 {
            known.push("treated");
        }
        if !known.contains(&&*word.text) {
            let help = suggest::help(&word.text, known.iter().copied());
            self.faults.error(
                "E060",
                word.extent,
                format!("there is no arm `{}`", word.text),
                help,
            );
        }
        Some(text(word))
    }

    fn event(&mut self, words: &EventWords, customers: &[&str]) -> Option<TestEvent> {
        let at = words.at.0.as_ref();
        let at = at.and_then(|word| self.time(word));
        let set = words.set.as_ref().map(changes).unwrap_or_default();
        let deed = match (&words.event, &words.score, &words.propose) {
            (Some(event), None, None) => Deed::Event {
                name: event.text.clone(),
                with: words.with.as_ref().map(values).unwrap_or_default(),
                set,
            },
            (None, Some(scores), None) => Deed::Score(self.scores(scores)),
            (None, None, Some(purpose)) => {
                self.registry.purpose(purpose, self.faults)?;
                Deed::Propose(purpose.text.clone())
            }
            (None, None, None) if words.set.is_some() => Deed::Set(set),
            _ => {
                let help = "write one of `event`, `set`, `score`, `propose`".to_owned();
                self.faults.lacks(words, "E060", "this is not one thing that happens", help);
                return None;
            }
        };
        let to = self.to(words.to.as_ref(), customers);
        Some(TestEvent { at: at?, to, deed, extent: words.extent })
    }

    fn to(&mut self, word: Option<&Words>, customers: &[&str]) -> Option<Located<Box<str>>> {
        let word = word?;
        if !customers.contains(&&*word.text) {
            let help = suggest::help(&word.text, customers.iter().copied());
            let message = format!("this test has no customer `{}`", word.text);
            self.faults.error("E060", word.extent, message, help);
        }
        Some(text(word))
    }

    fn expectation(
        &mut self,
        words: &ExpectWords,
        customers: &[&str],
        raw: &Raw,
    ) -> Option<Expectation> {
        let time = match (&words.at, &words.within) {
            (Some(at), None) => self.time(at).map(ExpectedTime::At),
            (None, Some(within)) => match Span::parse(&within.text) {
                Some(span) => Some(ExpectedTime::Within(span)),
                None => {
                    self.not_a_time(within);
                    None
                }
            },
            _ => {
                let help = "write `at: 3m` or `within: 5m`".to_owned();
                self.faults.lacks(words, "E060", "when is this expected?", help);
                None
            }
        };
        let to = self.to(words.to.as_ref(), customers);
        if words.to.is_none() && 1 < customers.len() {
            let help = suggest::help("", customers.iter().copied());
            self.faults.lacks(words, "E060", "for whom is this expected?", help);
        }
        let what = self.expected(words, raw);
        Some(Expectation { time: time?, to, what: what?, extent: words.extent })
    }

    fn expected(&mut self, words: &ExpectWords, raw: &Raw) -> Option<Expected> {
        let kinds = [&words.send, &words.task, &words.not_sent, &words.postponed, &words.allowed];
        if kinds.iter().filter(|word| word.is_some()).count() != 1 {
            let help = "write one of `send`, `task`, `not_sent`, `postponed`, `allowed`".to_owned();
            self.faults.lacks(words, "E060", "this does not expect one thing", help);
            return None;
        }
        if let Some(channel) = &words.send {
            self.registry.channel(channel, self.faults)?;
            let offer = words.offer.as_ref().map(|offer| self.offer(offer, raw));
            return Some(Expected::Send { channel: channel.text.clone(), offer });
        }
        if let Some(channel) = &words.task {
            self.registry.channel(channel, self.faults)?;
            let assign_to = words.assign_to.as_ref().map(|word| word.text.clone());
            return Some(Expected::Task { channel: channel.text.clone(), assign_to });
        }
        if let Some(word) = &words.not_sent {
            return Some(Expected::NotSent(self.reason(word)?));
        }
        if let Some(word) = &words.postponed {
            let reason = self.reason(word)?;
            let until = words.until.as_ref().map(|word| self.time(word));
            return Some(Expected::Postponed {
                reason,
                until: until.map_or(Some(None), |time| time.map(Some))?,
            });
        }
        let purpose = words.allowed.as_ref()?;
        self.registry.purpose(purpose, self.faults)?;
        Some(Expected::Allowed(purpose.text.clone()))
    }

    /// An offer that the trigger can make at all.
    fn offer(&mut self, word: &Words, raw: &Raw) -> ExpectedOffer {
        if &*word.text == "none" {
            return ExpectedOffer::Nothing;
        }
        let lines = raw.send.as_ref().and_then(|send| send.offer.as_ref());
        let codes =
            lines.iter().flat_map(|lines| &lines.0).filter_map(|line| line.r#use.0.as_ref());
        let arms = raw.experiment.as_ref().and_then(|experiment| experiment.arms.as_ref());
        let arms = arms.iter().flat_map(|arms| &arms.0).filter_map(|(_, arm)| arm.offer.as_ref());
        let known: Vec<&str> = codes.chain(arms).map(|code| &*code.text).collect();
        if !known.contains(&&*word.text) {
            let help = suggest::help(&word.text, known.iter().copied());
            let message = format!("this trigger never offers `{}`", word.text);
            self.faults.error("E060", word.extent, message, help);
        }
        ExpectedOffer::Code(word.text.clone())
    }

    fn reason(&mut self, word: &Words) -> Option<Reason> {
        let found = Reason::parse(&word.text);
        if found.is_none() {
            let known = Reason::ALL.iter().map(|reason| reason.as_str());
            let help = suggest::help(&word.text, known);
            self.faults.error(
                "E060",
                word.extent,
                format!("`{}` is not a reason", word.text),
                help,
            );
        }
        found
    }

    fn score_case(&mut self, case: &ScoreCase, bands: &[&str]) -> Option<ModelCase> {
        let expect = case.expect.0.as_ref()?;
        let score = expect.score.as_ref().map(|word| self.tolerance(word));
        if let Some(band) = expect.band.as_ref().filter(|band| !bands.contains(&&*band.text)) {
            let help = suggest::help(&band.text, bands.iter().copied());
            self.faults.error(
                "E060",
                band.extent,
                format!("there is no band `{}`", band.text),
                help,
            );
        }
        Some(ModelCase {
            name: text(case.name.0.as_ref()?),
            traits: case.customer.as_ref().map(values).unwrap_or_default(),
            given: self.given(case.given.as_ref()),
            start: self.time_word(case.start.as_ref()),
            score: score.map_or(Some(None), |score| score.map(Some))?,
            band: expect.band.as_ref().map(text),
        })
    }

    /// `91 ± 1`, `91 +- 1`, `91`.
    fn tolerance(&mut self, word: &Words) -> Option<Located<(f64, f64)>> {
        let (score, off) = word
            .text
            .split_once('±')
            .or_else(|| word.text.split_once("+-"))
            .unwrap_or((&word.text, "0.0001"));
        match (score.trim().parse(), off.trim().parse()) {
            (Ok(score), Ok(off)) => Some(Located::new((score, off), word.extent)),
            _ => {
                let help = "write `91`, or `91 ± 1`".to_owned();
                let message = format!("`{}` is not a score", word.text);
                self.faults.error("E060", word.extent, message, help);
                None
            }
        }
    }

    fn given(&mut self, words: Option<&GivenWords>) -> Given {
        let mut given = Given::default();
        let Some(words) = words else { return given };
        let windows = [(&words.count, "count"), (&words.distinct, "distinct"), (&words.sum, "sum")];
        for (entries, kind) in windows {
            for (key, facts) in entries.iter().flat_map(|entries| &entries.0) {
                self.windows(kind, key, facts, &mut given.history);
            }
        }
        for (key, value) in words.last.iter().flat_map(|entries| &entries.0) {
            if let (Some((event, property)), Some(value)) = (self.dotted(key), &value.0) {
                given.history.push(fact(
                    event,
                    Some(property),
                    GivenFact::Last(value.clone()),
                    key,
                ));
            }
        }
        for (key, word) in words.since.iter().flat_map(|entries| &entries.0) {
            match Span::parse(&word.text) {
                Some(ago) => given.history.push(fact(&key.text, None, GivenFact::Since(ago), key)),
                None => self.not_a_time(word),
            }
        }
        for (key, score) in words.score.iter().flat_map(|entries| &entries.0) {
            self.known_score(key);
            given.scores.push((Located::new(key.text.clone(), key.extent), *score));
        }
        given
    }

    fn windows(
        &mut self,
        kind: &str,
        key: &Key,
        facts: &Entries<Anything>,
        history: &mut Vec<GivenHistory>,
    ) {
        let (event, property) = if kind == "count" {
            (&*key.text, None)
        } else {
            match self.dotted(key) {
                Some((event, property)) => (event, Some(property)),
                None => return,
            }
        };
        let with = facts.0.iter().find(|(word, _)| &*word.text == "with");
        let with = match with.and_then(|(_, value)| value.0.clone()) {
            Some(Value::Map(fields)) => fields.into_vec(),
            _ => Vec::new(),
        };
        for (word, value) in facts.0.iter().filter(|(word, _)| &*word.text != "with") {
            let Some(window) = window(&word.text) else {
                let help = "write `last 14d`, `previous 14d`, or `with: {...}`".to_owned();
                let message = format!("`{}` is not a window", word.text);
                self.faults.error("E060", word.extent, message, help);
                continue;
            };
            let count = count(value);
            let given = match (kind, count, &value.0) {
                ("sum", _, Some(Value::Num(sum))) => GivenFact::Sum(window, *sum),
                ("distinct", Some(count), _) => GivenFact::Distinct(window, count),
                ("count", Some(count), _) => GivenFact::Count(window, count),
                _ => {
                    let message = "a number from 0 to 1000 is wanted here";
                    self.faults.error("E060", word.extent, message, None);
                    continue;
                }
            };
            history.push(GivenHistory { with: with.clone(), ..fact(event, property, given, key) });
        }
    }

    /// `Feature Used.feature`: an event and its property.
    fn dotted<'k>(&mut self, key: &'k Key) -> Option<(&'k str, &'k str)> {
        let parts = key
            .text
            .split_once('.')
            .filter(|(event, property)| !event.trim().is_empty() && !property.trim().is_empty());
        if parts.is_none() {
            let help = "write the event, a dot and its property: `Feature Used.feature`".to_owned();
            let message = format!("`{}` names no property", key.text);
            self.faults.error("E060", key.extent, message, help);
        }
        parts
    }

    fn scores(&mut self, entries: &Entries<f64>) -> Vec<(Box<str>, f64)> {
        for (key, _) in &entries.0 {
            self.known_score(key);
        }
        entries.0.iter().map(|(key, score)| (key.text.clone(), *score)).collect()
    }

    fn known_score(&mut self, key: &Key) {
        if self.symbols.score(&key.text).is_none() {
            let names = self.symbols.scores.iter().map(|score| &*score.name);
            let help = suggest::help(&key.text, names);
            self.faults.error(
                "E032",
                key.extent,
                format!("there is no model `{}`", key.text),
                help,
            );
        }
    }

    fn time_word(&mut self, word: Option<&Words>) -> Option<Located<TestTime>> {
        let word = word?;
        Some(Located::new(self.time(word)?, word.extent))
    }

    fn time(&mut self, word: &Words) -> Option<TestTime> {
        let text = word.text.trim();
        let found = Span::parse(text)
            .map(TestTime::After)
            .or_else(|| parse_local(text).map(TestTime::Local))
            .or_else(|| Timestamp::parse(text).map(TestTime::Exact));
        if found.is_none() {
            self.not_a_time(word);
        }
        found
    }

    fn not_a_time(&mut self, word: &Words) {
        let message = format!("`{}` is not a time", word.text);
        let help = if word.text.starts_with(|letter: char| letter.is_ascii_digit())
            && !word.text.contains('-')
        {
            span_help(&word.text)
        } else {
            "write `3m` after the start, or `2026-03-02T10:00`".to_owned()
        };
        self.faults.error("E060", word.extent, message, help);
    }

    fn bounded(&mut self, count: usize, extent: Extent) {
        if PARTS_MAX < count {
            let message = format!("there are {count} parts here; at most {PARTS_MAX} are read");
            self.faults.error("E070", extent, message, None);
        }
    }
}

fn text(word: &Words) -> Located<Box<str>> {
    Located::new(word.text.clone(), word.extent)
}

fn values(entries: &Entries<Anything>) -> Vec<(Box<str>, Value)> {
    entries.0.iter().filter_map(|(key, value)| Some((key.text.clone(), value.0.clone()?))).collect()
}

fn changes(entries: &Entries<Anything>) -> Vec<(Box<str>, Option<Value>)> {
    entries.0.iter().map(|(key, value)| (key.text.clone(), value.0.clone())).collect()
}

fn fact(event: &str, property: Option<&str>, fact: GivenFact, key: &Key) -> GivenHistory {
    GivenHistory {
        event: event.into(),
        property: property.map(Into::into),
        with: Vec::new(),
        fact,
        extent: key.extent,
    }
}

/// How many events may be given of one kind.
fn count(value: &Anything) -> Option<u32> {
    match &value.0 {
        Some(Value::Num(number)) if number.fract() == 0.0 && (0.0..=1_000.0).contains(number) => {
            format!("{number:.0}").parse().ok()
        }
        _ => None,
    }
}

fn window(text: &str) -> Option<GivenWindow> {
    let (which, span) = text.split_once(' ')?;
    let span = Span::parse(span)?;
    match which {
        "last" => Some(GivenWindow::Last(span)),
        "previous" => Some(GivenWindow::Previous(span)),
        _ => None,
    }
}
