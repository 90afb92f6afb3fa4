//! The times of a test: written as `3m` after the start, as a wall clock, or as an instant.

use super::Broken;
use crate::declare::fault::Located;
use crate::declare::tests::{ExpectedTime, START_DEFAULT, TestCase, TestTime};
use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::time::{Timestamp, Zone};
use crate::engine::value::Value;

/// How the times of one test are to be read.
#[derive(Clone, Debug)]
pub(super) struct Times {
    pub(super) zone: Zone,
    pub(super) start: Timestamp,
    /// `until:`.
    pub(super) until: Option<Timestamp>,
    /// The latest time that the test names.
    pub(super) latest: Timestamp,
}

impl Times {
    pub(super) fn of_case(catalog: &Catalog, case: &TestCase) -> Result<Self, Broken> {
        let traits = case.customers.first().map_or(&[][..], |customer| &customer.traits);
        let mut times = Self::new(catalog, traits, case.start.as_ref());
        times.until = case.until.as_ref().map(|until| times.instant(until.value));
        let events = case.events.iter().map(|event| times.instant(event.at));
        let expected = case.expect.iter().map(|line| times.expected(line.time).1);
        times.latest = events.chain(expected).max().unwrap_or(times.start).max(times.start);
        if let (Some(end), Some(written)) = (times.until, &case.until)
            && end < times.latest
        {
            return Err(Broken::new(written.extent, "it ends before the last time it names"));
        }
        Ok(times)
    }

    /// In the zone of a customer with these traits, else in the policy's.
    pub(super) fn new(
        catalog: &Catalog,
        traits: &[(Box<str>, Value)],
        start: Option<&Located<TestTime>>,
    ) -> Self {
        let zone = traits.iter().find_map(|(name, value)| match value {
            Value::Str(zone) if **name == *"timezone" => Zone::parse(zone),
            _ => None,
        });
        let zone = zone.unwrap_or_else(|| catalog.policy.zone.clone());
        let start = match start.map(|start| start.value) {
            Some(TestTime::Exact(at)) => at,
            Some(TestTime::Local(local)) => Timestamp::from_local(local, &zone),
            Some(TestTime::After(span)) => Timestamp::from_local(START_DEFAULT, &zone) + span,
            None => Timestamp::from_local(START_DEFAULT, &zone),
        };
        Self { zone, start, until: None, latest: start }
    }

    pub(super) fn instant(&self, time: TestTime) -> Timestamp {
        match time {
            TestTime::After(span) => self.start + span,
            TestTime::Local(local) => Timestamp::from_local(local, &self.zone),
            TestTime::Exact(at) => at,
        }
    }

    /// The first and the last instant at which a line is met.
    pub(super) fn expected(&self, time: ExpectedTime) -> (Timestamp, Timestamp) {
        match time {
            ExpectedTime::At(time) => (self.instant(time), self.instant(time)),
            ExpectedTime::Within(span) => (self.start, self.start + span),
        }
    }
}

/// The zone in which a customer lives, else the policy's.
pub(super) fn zone(catalog: &Catalog, state: &CustomerState) -> Zone {
    let known = state.text_trait(catalog.known.timezone).and_then(Zone::parse);
    known.unwrap_or_else(|| catalog.policy.zone.clone())
}
