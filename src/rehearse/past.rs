//! From what a test says of the past (`last 14d: 6`) to events that make it true.
//!
//! Events stand in the middle of the stretch they are given for, so that what is said of the start
//! still holds when the test has run for a while.

use std::ops::{Add, Sub};

use super::Broken;
use crate::declare::fault::Extent;
use crate::declare::tests::{GivenFact, GivenHistory, GivenWindow};
use crate::engine::time::Span;
use crate::engine::value::Value;

/// Most events that the past of one customer in one test is made of.
const EVENTS_MAX: usize = 10_000;
/// How old an event is that is given without a window.
const RECENT: Span = Span::HOUR;

type Properties = Vec<(Box<str>, Value)>;

/// An event of the past.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PastEvent {
    pub(super) name: Box<str>,
    /// So long before the start.
    pub(super) age: Span,
    pub(super) with: Properties,
}

impl PastEvent {
    fn has(&self, property: &str) -> bool {
        self.with.iter().any(|(name, _)| **name == *property)
    }

    fn set(&mut self, property: &str, value: Value) {
        self.with.retain(|(name, _)| **name != *property);
        self.with.push((property.into(), value));
    }
}

/// The events of the past, oldest first.
pub(super) fn events(given: &[GivenHistory]) -> Result<Vec<PastEvent>, Broken> {
    let mut events = Vec::new();
    let mut done: Vec<(&str, &Properties)> = Vec::new();
    for line in given {
        // Lines about the same events must be met by the same events.
        let kind = (&*line.event, &line.with);
        if done.contains(&kind) {
            continue;
        }
        done.push(kind);
        let lines: Vec<_> =
            given.iter().filter(|other| (&*other.event, &other.with) == kind).collect();
        events.extend(of_one_kind(&lines)?);
        if EVENTS_MAX < events.len() {
            let why = format!("the past has more than {EVENTS_MAX} events");
            return Err(Broken::new(line.extent, why));
        }
    }
    events.sort_by_key(|event: &PastEvent| std::cmp::Reverse(event.age));
    Ok(events)
}

/// The facts given of one kind of event.
struct Lines<'a> {
    lines: &'a [&'a GivenHistory],
    /// Whether the number of events is given: then values go onto those, else events are added.
    counted: bool,
}

fn of_one_kind(lines: &[&GivenHistory]) -> Result<Vec<PastEvent>, Broken> {
    let Some(first) = lines.first() else { return Ok(Vec::new()) };
    let fresh = |age| PastEvent { name: first.event.clone(), age, with: first.with.clone() };
    let counts = windows(lines, None, |fact| match fact {
        GivenFact::Count(window, count) => Some((*window, *count)),
        _ => None,
    });
    let lines = Lines { lines, counted: !counts.is_empty() };
    let mut events = Vec::new();
    for (stretch, count, extent) in nested(&counts)? {
        if EVENTS_MAX < usize::try_from(count).unwrap_or(usize::MAX) {
            return Err(Broken::new(extent, format!("more than {EVENTS_MAX} events")));
        }
        events.extend((0..count).map(|_| fresh(stretch.middle())));
    }
    for property in lines.properties() {
        lines.give_distinct(property, &mut events, &fresh)?;
        lines.give_sums(property, &mut events, &fresh)?;
    }
    lines.give_latest(&mut events, &fresh)?;
    // Lines about values may have added or moved events: what was said of counts must still hold.
    for (window, count, extent) in counts {
        let found = events.iter().filter(|event| window_holds(window, event.age)).count();
        if found != usize::try_from(count).unwrap_or(usize::MAX) {
            let why = "the lines about this event contradict each other";
            return Err(Broken::new(extent, why));
        }
    }
    Ok(events)
}

fn window_holds(window: GivenWindow, age: Span) -> bool {
    match window {
        GivenWindow::Last(span) => age < span,
        GivenWindow::Previous(span) => span <= age && age < span.times(2),
    }
}

impl Lines<'_> {
    fn properties(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.lines.iter().filter_map(|line| line.property.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn give_distinct(
        &self,
        property: &str,
        events: &mut Vec<PastEvent>,
        fresh: &impl Fn(Span) -> PastEvent,
    ) -> Result<(), Broken> {
        let given = windows(self.lines, Some(property), |fact| match fact {
            GivenFact::Distinct(window, count) => Some((*window, *count)),
            _ => None,
        });
        let mut value = 0;
        for (stretch, count, extent) in nested(&given)? {
            for _ in 0..count.min(u32::try_from(EVENTS_MAX).unwrap_or(u32::MAX)) {
                value += 1;
                let event = self.place(stretch, property, events, fresh, extent)?;
                event.set(property, Value::Str(format!("{property} {value}").into()));
            }
        }
        Ok(())
    }

    fn give_sums(
        &self,
        property: &str,
        events: &mut Vec<PastEvent>,
        fresh: &impl Fn(Span) -> PastEvent,
    ) -> Result<(), Broken> {
        let given = windows(self.lines, Some(property), |fact| match fact {
            GivenFact::Sum(window, sum) => Some((*window, *sum)),
            _ => None,
        });
        for (stretch, sum, extent) in stretches(&given) {
            if sum != 0.0 {
                let event = self.place(stretch, property, events, fresh, extent)?;
                event.set(property, Value::Num(sum));
            }
        }
        Ok(())
    }

    /// An event of a stretch that has no value of the property yet.
    fn place<'e>(
        &self,
        stretch: Stretch,
        property: &str,
        events: &'e mut Vec<PastEvent>,
        fresh: &impl Fn(Span) -> PastEvent,
        extent: Extent,
    ) -> Result<&'e mut PastEvent, Broken> {
        let free =
            events.iter().position(|event| stretch.contains(event.age) && !event.has(property));
        let index = match free {
            Some(index) => index,
            None if self.counted => {
                let why = "more values than `count` gives events for";
                return Err(Broken::new(extent, why));
            }
            None => {
                events.push(fresh(stretch.middle()));
                events.len() - 1
            }
        };
        events.get_mut(index).ok_or_else(|| Broken::new(extent, "no event to carry the value"))
    }

    /// The latest value, and when it last happened.
    fn give_latest(
        &self,
        events: &mut Vec<PastEvent>,
        fresh: &impl Fn(Span) -> PastEvent,
    ) -> Result<(), Broken> {
        for line in self.lines {
            if let GivenFact::Since(age) = line.fact {
                let youngest = events.iter_mut().min_by_key(|event| event.age);
                match youngest {
                    Some(event) if self.counted => event.age = age,
                    Some(event) if event.age < age => {
                        let why = "other lines give a later event of the same name";
                        return Err(Broken::new(line.extent, why));
                    }
                    _ => events.push(fresh(age)),
                }
            }
        }
        for line in self.lines {
            let (GivenFact::Last(value), Some(property)) = (&line.fact, &line.property) else {
                continue;
            };
            if let Some(event) = events.iter_mut().min_by_key(|event| event.age) {
                event.set(property, value.clone());
            } else if self.counted {
                let why = "there is a last value and `count` says there is no event";
                return Err(Broken::new(line.extent, why));
            } else {
                let mut event = fresh(RECENT);
                event.set(property, value.clone());
                events.push(event);
            }
        }
        Ok(())
    }
}

/// Ages in `[from, to)`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stretch {
    from: Span,
    to: Span,
}

impl Stretch {
    fn middle(self) -> Span {
        Span::from_millis(i64::midpoint(self.from.as_millis(), self.to.as_millis()))
    }

    fn contains(self, age: Span) -> bool {
        self.from <= age && age < self.to
    }
}

/// The windows given of one measure, with the lines they come from.
fn windows<T>(
    lines: &[&GivenHistory],
    property: Option<&str>,
    pick: impl Fn(&GivenFact) -> Option<(GivenWindow, T)>,
) -> Vec<(GivenWindow, T, Extent)> {
    lines
        .iter()
        .filter(|line| line.property.as_deref() == property)
        .filter_map(|line| pick(&line.fact).map(|(window, value)| (window, value, line.extent)))
        .collect()
}

/// What each stretch between window edges holds for itself; a negative part is a contradiction.
fn nested(given: &[(GivenWindow, u32, Extent)]) -> Result<Vec<(Stretch, u32, Extent)>, Broken> {
    let wide: Vec<_> =
        given.iter().map(|(window, count, extent)| (*window, i64::from(*count), *extent)).collect();
    stretches(&wide)
        .into_iter()
        .map(|(stretch, count, extent)| {
            let count = u32::try_from(count).map_err(|_| {
                let why = format!("`last {}` holds more than `last {}`", stretch.from, stretch.to);
                Broken::new(extent, why)
            })?;
            Ok((stretch, count, extent))
        })
        .collect()
}

fn stretches<T>(given: &[(GivenWindow, T, Extent)]) -> Vec<(Stretch, T, Extent)>
where
    T: Copy + Default + Add<Output = T> + Sub<Output = T>,
{
    let mut totals: Vec<(Span, T, Extent)> = Vec::new();
    for (window, value, extent) in given {
        if let GivenWindow::Last(span) = window {
            totals.push((*span, *value, *extent));
        }
    }
    for (window, value, extent) in given {
        if let GivenWindow::Previous(span) = window {
            let recent = totals.iter().find(|(other, ..)| other == span);
            let recent = recent.map_or_else(T::default, |(_, recent, _)| *recent);
            if !totals.iter().any(|(other, ..)| other == span) {
                totals.push((*span, recent, *extent));
            }
            totals.push((span.times(2), recent + *value, *extent));
        }
    }
    totals.sort_by_key(|(span, ..)| *span);
    let mut from = (Span::ZERO, T::default());
    totals
        .into_iter()
        .map(|(to, total, extent)| {
            let stretch = Stretch { from: from.0, to };
            let part = total - from.1;
            from = (to, total);
            (stretch, part, extent)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Span = Span::DAY;

    fn line(property: Option<&str>, fact: GivenFact) -> GivenHistory {
        let property = property.map(Into::into);
        GivenHistory { event: "E".into(), property, with: vec![], fact, extent: Extent::default() }
    }

    fn last(days: i64) -> GivenWindow {
        GivenWindow::Last(DAY.times(days))
    }

    fn count_in(events: &[PastEvent], from: i64, to: i64) -> usize {
        events
            .iter()
            .filter(|event| DAY.times(from) <= event.age && event.age < DAY.times(to))
            .count()
    }

    #[test]
    fn nested_windows_hold_their_own_numbers() {
        let given = [
            line(None, GivenFact::Count(last(28), 20)),
            line(None, GivenFact::Count(GivenWindow::Previous(DAY.times(7)), 5)),
            line(None, GivenFact::Count(last(7), 3)),
        ];
        let events = events(&given).unwrap();
        assert_eq!(count_in(&events, 0, 7), 3);
        assert_eq!(count_in(&events, 7, 14), 5);
        assert_eq!(count_in(&events, 14, 28), 12);
        assert!(events.is_sorted_by(|left, right| right.age <= left.age), "oldest first");
    }

    #[test]
    fn a_wider_window_cannot_hold_less() {
        let given =
            [line(None, GivenFact::Count(last(7), 3)), line(None, GivenFact::Count(last(28), 2))];
        assert_eq!(events(&given).unwrap_err().why, "`last 7d` holds more than `last 28d`");
    }

    #[test]
    fn values_go_onto_the_events_that_are_counted() {
        let given = [
            line(None, GivenFact::Count(last(28), 10)),
            line(Some("feature"), GivenFact::Distinct(last(28), 8)),
            line(Some("score"), GivenFact::Last(Value::Num(9.0))),
            line(Some("total"), GivenFact::Sum(last(28), 50.0)),
        ];
        let events = events(&given).unwrap();
        assert_eq!(events.len(), 10);
        let values = |name: &str| {
            let values = events.iter().flat_map(|event| &event.with);
            let mut values: Vec<_> = values
                .filter(|(other, _)| **other == *name)
                .map(|(_, value)| format!("{value:?}"))
                .collect();
            values.sort();
            values.dedup();
            values.len()
        };
        assert_eq!((values("feature"), values("score"), values("total")), (8, 1, 1));
    }

    #[test]
    fn more_values_than_events_is_a_contradiction() {
        let given = [
            line(None, GivenFact::Count(last(28), 2)),
            line(Some("feature"), GivenFact::Distinct(last(28), 3)),
        ];
        assert!(events(&given).unwrap_err().why.contains("more values"));
    }

    #[test]
    fn the_last_time_may_not_contradict_a_count() {
        let since = |days| line(None, GivenFact::Since(DAY.times(days)));
        let fits = [line(None, GivenFact::Count(last(28), 1)), since(12)];
        assert_eq!(events(&fits).unwrap()[0].age, DAY.times(12));
        let older = [line(None, GivenFact::Count(last(28), 0)), since(40)];
        assert_eq!(events(&older).unwrap()[0].age, DAY.times(40));
        let never = [line(None, GivenFact::Count(last(28), 1)), since(40)];
        assert!(events(&never).unwrap_err().why.contains("contradict"));
    }
}
