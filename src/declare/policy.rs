//! From the words of the policy to the engine's policy; what a file leaves out is built in.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::condition::{self, Sight};
use super::fault::{Fault, Located, Text};
use super::loop_guard;
use super::read::{Entries, Faults, Read};
use super::registry::{BITS_MAX, Registry};
use super::scalar::{Words, is_name, life_time, some_time};
use super::symbols::Symbols;
use super::words::policy::{
    BlackoutWords, CapWords, ChannelWords, ConsentWord, CountWord, FreezeWords, Policy as Raw,
    ProfilingWord, PurposeWords, QuietWord, QuietWords, TogetherWord, WeekdayWord, WithholdWord,
    ZoneWord,
};
use super::words::trigger::{OnCapWord, UnitWord};
use super::{hash, pools, yaml};
use crate::engine::policy::{
    AT_MOST_MAX, Blackout, Cap, CapLimit, CapRule, CapScope, Channel, ConsentRule, FreezeRule,
    HandledBy, HoldoutRule, OnCap, Period, Policy, ProfilingRule, Purpose, QuietHours, QuietRule,
    Shared, Together, UnknownZone,
};
use crate::engine::slot::PurposeSlot;
use crate::engine::step::CONSENT_WORDS;
use crate::engine::time::{Span, Zone};

/// The policy in force without a file.
pub(crate) const BUILT_IN: &str = include_str!("policy.yaml");

/// A policy as read, with its text.
#[derive(Debug)]
pub(crate) struct File<'t> {
    /// Its words.
    pub(crate) raw: Raw,
    /// Its text.
    pub(crate) text: &'t Text,
}

/// Reads the built-in policy.
pub(crate) fn built_in(text: &Text) -> Option<Raw> {
    let node = yaml::parse(text).ok()?;
    Raw::read(&node, &mut Faults { text, list: &mut Vec::new() })
}

/// The names that a policy gives: purposes and channels.
pub(crate) fn register(
    base: &File<'_>,
    given: Option<&File<'_>>,
    registry: &mut Registry,
    list: &mut Vec<Fault>,
) {
    for file in [Some(base), given].into_iter().flatten() {
        let mut faults = Faults { text: file.text, list };
        if let Some(purposes) = &file.raw.purposes {
            registry.purposes = names(purposes, &mut faults);
        }
        for name in file.raw.channels.iter().flat_map(|channels| names(channels, &mut faults)) {
            if !registry.channels.contains(&name) {
                registry.channels.push(name);
            }
        }
        if BITS_MAX < registry.purposes.len() {
            let message = format!("there are more than {BITS_MAX} purposes");
            faults.error("E070", file.raw.extent, message, None);
        }
    }
}

fn names<T>(entries: &Entries<T>, faults: &mut Faults<'_>) -> Vec<Arc<str>> {
    for (key, _) in &entries.0 {
        if !is_name(&key.text) {
            let help = "use lower-case letters, digits, `-`, `_` and `.`".to_owned();
            faults.error("E005", key.extent, format!("`{}` cannot be a name", key.text), help);
        } else if CONSENT_WORDS.contains(&&*key.text) {
            let message = format!("`{}` has a meaning of its own in the trait `consent`", key.text);
            faults.error("E100", key.extent, message, "choose another name".to_owned());
        }
    }
    entries.0.iter().map(|(key, _)| Arc::from(&*key.text)).collect()
}

/// Builds the policy. Names must have been registered.
pub(crate) fn build(
    base: &File<'_>,
    given: Option<&File<'_>>,
    registry: &Registry,
    symbols: &mut Symbols,
    list: &mut Vec<Fault>,
) -> Policy {
    let raw = given.map_or(&base.raw, |file| &file.raw);
    let text = given.map_or(base.text, |file| file.text);
    let mut faults = Faults { text, list };
    let purposes = raw.purposes.as_ref().or(base.raw.purposes.as_ref());
    let mut building = Building { registry, symbols, faults: &mut faults };
    let purposes: Vec<Purpose> = purposes
        .iter()
        .flat_map(|purposes| &purposes.0)
        .map(|(key, words)| building.purpose(&key.text, words))
        .collect();
    let act_within = raw.act_within.as_ref().and_then(|span| some_time(span, building.faults));
    let act_within = act_within.unwrap_or(Span::HOUR);
    let blind_after = raw.blind_after.as_ref().and_then(|span| some_time(span, building.faults));
    let quiet = raw.quiet_hours.as_ref().or(base.raw.quiet_hours.as_ref());
    Policy {
        version: hash(&text.text),
        zone: raw.timezone.clone().or(base.raw.timezone.clone()).unwrap_or(Zone::utc()),
        locale: raw.locale.as_ref().map_or_else(|| Arc::from("en"), |word| Arc::from(&*word.text)),
        act_within,
        blind_after,
        channels: building.channels(base, raw),
        tags: registry.tags.clone().into(),
        quiet_hours: quiet
            .iter()
            .flat_map(|hours| &hours.0)
            .filter_map(|words| building.quiet_hours(words))
            .collect(),
        blackouts: raw
            .blackouts
            .iter()
            .flatten()
            .filter_map(|words| building.blackout(words))
            .collect(),
        shared: building.shared(raw),
        caps: raw
            .caps
            .iter()
            .flatten()
            .filter(|words| !of_account(words))
            .filter_map(|words| building.cap(words))
            .collect(),
        freezes: raw
            .freezes
            .iter()
            .flatten()
            .filter_map(|words| building.freeze(words, &purposes))
            .collect(),
        holdout: raw.holdout.unwrap_or_default(),
        loop_guard: raw.loop_guard.as_ref().and_then(|words| {
            loop_guard::build(words, &purposes, registry, building.symbols, building.faults)
        }),
        purposes: purposes.into(),
    }
}

struct Building<'b, 'f> {
    registry: &'b Registry,
    symbols: &'b mut Symbols,
    faults: &'b mut Faults<'f>,
}

impl Building<'_, '_> {
    fn purpose(&mut self, name: &str, words: &PurposeWords) -> Purpose {
        let expires_after = words.expires_after.as_ref();
        let expires_after = expires_after.and_then(|span| life_time(span, self.faults));
        Purpose {
            name: Arc::from(name),
            consent: match words.consent.0 {
                Some(ConsentWord::OptOut) => ConsentRule::OptOut,
                Some(ConsentWord::OptIn) | None => ConsentRule::OptIn,
            },
            profiling: match (words.profiling, words.caps) {
                (Some(ProfilingWord::Ignore), _) | (None, Some(CountWord::Exempt)) => {
                    ProfilingRule::Ignored
                }
                (Some(ProfilingWord::Heed), _) | (None, _) => ProfilingRule::Heeded,
            },
            quiet: quiet(words.quiet_hours),
            capped: match words.caps {
                Some(CountWord::Exempt) => CapRule::Exempt,
                Some(CountWord::Count) | None => CapRule::Counted,
            },
            holdout: match words.holdout {
                Some(WithholdWord::Exempt) => HoldoutRule::Exempt,
                Some(WithholdWord::Withhold) | None => HoldoutRule::Withheld,
            },
            unknown_zone: match words.unknown_zone {
                Some(ZoneWord::Assume) => UnknownZone::Assume,
                Some(ZoneWord::Refuse) | None => UnknownZone::Refuse,
            },
            expires_after: expires_after.unwrap_or(Span::DAY),
            together: match words.together {
                Some(TogetherWord::All) => Together::All,
                Some(TogetherWord::FirstOnly) | None => Together::FirstOnly,
            },
            handled_by: match words.human_only {
                Some(true) => HandledBy::People,
                Some(false) | None => HandledBy::Anyone,
            },
        }
    }

    /// Built-in channels, changed and added to by the file's.
    fn channels(&mut self, base: &File<'_>, raw: &Raw) -> Box<[Channel]> {
        let mut words: BTreeMap<&str, &ChannelWords> = BTreeMap::new();
        for entries in [base.raw.channels.as_ref(), raw.channels.as_ref()].into_iter().flatten() {
            words.extend(entries.0.iter().map(|(key, words)| (&*key.text, words)));
        }
        let channel = |name: &Arc<str>| {
            let words = words.get(&**name);
            let needs = words.and_then(|words| words.needs.as_ref());
            Channel {
                name: name.clone(),
                needs: needs.map(|word| (self.symbols.trait_(&word.text), Arc::from(&*word.text))),
                quiet: quiet(words.and_then(|words| words.quiet_hours)),
            }
        };
        self.registry.channels.iter().map(channel).collect()
    }

    fn quiet_hours(&mut self, words: &QuietWords) -> Option<QuietHours> {
        let (from, to) = (words.from.0.as_ref()?, words.to.0.as_ref()?);
        if from.value == to.value {
            let help = "for a whole day of peace use `blackouts`".to_owned();
            self.faults.error(
                "E007",
                to.extent,
                "quiet hours begin and end at the same time",
                help,
            );
            return None;
        }
        let days =
            words.days.as_ref().map(|days| days.0.iter().fold(0, |bits, day| bits | weekday(*day)));
        Some(QuietHours { weekdays: days.unwrap_or(0x7f), from: from.value.0, to: to.value.0 })
    }

    fn blackout(&mut self, words: &BlackoutWords) -> Option<Blackout> {
        let (name, from, to) =
            (words.name.0.as_ref()?, words.from.0.as_ref()?, words.to.0.as_ref()?);
        if to.value.0 <= from.value.0 {
            self.faults.error("E007", to.extent, "this blackout ends before it begins", None);
            return None;
        }
        Some(Blackout {
            name: Arc::from(&*name.text),
            from: from.value.0,
            to: to.value.0,
            purposes: self.purposes(words.purposes.iter().flat_map(|words| &words.0)),
        })
    }

    fn purposes<'w>(&mut self, words: impl Iterator<Item = &'w Words>) -> Box<[PurposeSlot]> {
        words.filter_map(|word| self.registry.purpose(word, self.faults)).collect()
    }

    fn freeze(&mut self, words: &FreezeWords, known: &[Purpose]) -> Option<FreezeRule> {
        let sight = Sight::Customer("a freeze holds while something is so, whatever happens");
        let line = words.r#while.0.as_ref();
        let condition =
            line.and_then(|line| condition::condition(line, sight, self.symbols, self.faults));
        let purposes = match &words.purposes {
            Some(purposes) => self.purposes(purposes.0.iter()),
            None => (0_u16..)
                .zip(known)
                .filter(|(_, purpose)| purpose.capped == CapRule::Counted)
                .map(|(slot, _)| PurposeSlot(slot))
                .collect(),
        };
        Some(FreezeRule {
            name: Arc::from(&*words.name.0.as_ref()?.text),
            purposes,
            condition: condition?,
        })
    }

    /// What customers share.
    fn shared(&mut self, raw: &Raw) -> Shared {
        let mut caps = Vec::new();
        for words in raw.caps.iter().flatten().filter(|words| of_account(words)) {
            if !matches!(words.on_cap, None | Some(OnCapWord::Defer)) {
                let message = "what the cap of an account stops can only wait";
                let help =
                    "leave `on_cap` out: its customers do not know when it is full".to_owned();
                self.faults.error("E092", words.extent, message, help);
            }
            caps.extend(self.cap(words).map(|cap| (cap, words.extent)));
        }
        pools::build(raw, caps, self.registry, self.faults)
    }

    fn cap(&mut self, words: &CapWords) -> Option<Cap> {
        let (scope, of) = self.cap_scope(words)?;
        let (limit, bound) = self.cap_limit(words)?;
        let on_cap = match words.on_cap {
            Some(OnCapWord::Drop) => OnCap::Drop,
            Some(OnCapWord::NextChannel) => OnCap::NextChannel,
            Some(OnCapWord::ReplaceLower) => OnCap::ReplaceLower,
            Some(OnCapWord::Defer) | None => OnCap::Defer,
        };
        Some(Cap { name: Arc::from(format!("{of}: {bound}")), scope, limit, on_cap })
    }

    fn cap_scope(&mut self, words: &CapWords) -> Option<(CapScope, String)> {
        let all = words.all.filter(|all| *all);
        let named = [&words.purpose, &words.channel, &words.trigger, &words.tag];
        let count = named.iter().filter(|word| word.is_some()).count() + usize::from(all.is_some());
        if count != 1 {
            let message = "a cap counts one thing";
            let help = "name one of `purpose`, `channel`, `trigger`, `tag`, or say `all: true`";
            self.faults.lacks(words, "E007", message, help.to_owned());
            return None;
        }
        if let Some(word) = &words.purpose {
            let slot = self.registry.purpose(word, self.faults)?;
            return Some((CapScope::Purpose(slot), word.text.to_string()));
        }
        if let Some(word) = &words.channel {
            let slot = self.registry.channel(word, self.faults)?;
            return Some((CapScope::Channel(slot), word.text.to_string()));
        }
        if let Some(word) = &words.trigger {
            let slot = self.registry.trigger(word, self.faults)?;
            return Some((CapScope::Trigger(slot), word.text.to_string()));
        }
        if let Some(word) = &words.tag {
            let slot = self.registry.tag(word, self.faults)?;
            return Some((CapScope::Tag(slot), format!("tag {}", word.text)));
        }
        Some((CapScope::All, "all".to_owned()))
    }

    fn cap_limit(&mut self, words: &CapWords) -> Option<(CapLimit, String)> {
        let (at_most, per) = match (&words.at_most, &words.per, &words.gap) {
            (None, None, Some(gap)) if gap.value == Span::ZERO => {
                self.faults.error(
                    "E007",
                    gap.extent,
                    "a gap of no length holds nothing back",
                    None,
                );
                return None;
            }
            (None, None, Some(gap)) => {
                life_time(gap, self.faults)?;
                return Some((CapLimit::Gap { gap: gap.value }, format!("{} apart", gap.value)));
            }
            (Some(at_most), Some(per), None) => {
                if AT_MOST_MAX < at_most.value.0 {
                    let message = format!("a cap counts up to {AT_MOST_MAX}");
                    let help = "more contacts are not remembered of a customer".to_owned();
                    self.faults.error("E070", at_most.extent, message, help);
                    return None;
                }
                (at_most.value.0, per)
            }
            _ => {
                let help = "write `at_most: 3, per: rolling 7d`, or `gap: 4h`".to_owned();
                let message = "a cap is either a number in a time, or a gap";
                self.faults.lacks(words, "E007", message, help);
                return None;
            }
        };
        let named = format!("{at_most} per {}", per.text.trim());
        let period = match per.text.trim() {
            "day" => Period::Day,
            "week" => Period::Week,
            "month" => Period::Month,
            text => {
                let window = text.strip_prefix("rolling ").and_then(Span::parse);
                if let Some(window) = window.filter(|window| Span::ZERO < *window) {
                    let window = life_time(&Located::new(window, per.extent), self.faults)?;
                    return Some((CapLimit::Rolling { at_most, window }, named));
                }
                let message = format!("`{text}` is not a period");
                let help = match Span::parse(text) {
                    Some(_) => format!("write `per: rolling {text}`"),
                    None => "one of `rolling 7d` (any length), `day`, `week`, `month`".to_owned(),
                };
                self.faults.error("E006", per.extent, message, help);
                return None;
            }
        };
        Some((CapLimit::Calendar { at_most, period }, named))
    }
}

fn of_account(words: &CapWords) -> bool {
    words.each == Some(UnitWord::Account)
}

fn quiet(word: Option<QuietWord>) -> QuietRule {
    match word {
        Some(QuietWord::Break) => QuietRule::Broken,
        Some(QuietWord::Keep) | None => QuietRule::Kept,
    }
}

/// One bit; Monday is the lowest.
pub(crate) const fn weekday(day: WeekdayWord) -> u8 {
    match day {
        WeekdayWord::Monday => 1,
        WeekdayWord::Tuesday => 2,
        WeekdayWord::Wednesday => 4,
        WeekdayWord::Thursday => 8,
        WeekdayWord::Friday => 16,
        WeekdayWord::Saturday => 32,
        WeekdayWord::Sunday => 64,
    }
}
