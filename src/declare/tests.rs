//! The `tests:` blocks of trigger and model files, read and typed. Who runs them is elsewhere.

use std::sync::Arc;

use jiff::civil;

use super::fault::{Extent, Located};
use crate::engine::decision::Reason;
use crate::engine::time::{Span, Timestamp};
use crate::engine::value::Value;

/// The wall clock (in the zone of the test's customer, else the policy's) at which a test without
/// `start:` begins: a Monday morning, so that quiet hours are far away.
pub const START_DEFAULT: civil::DateTime = civil::date(2026, 1, 5).at(10, 0, 0, 0);

/// The tests of one file.
#[derive(Clone, Debug)]
pub struct TestFile {
    /// Path as given to the loader.
    pub path: Arc<str>,
    /// What they test.
    pub subject: Subject,
}

/// What a file's tests are about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A trigger.
    Trigger {
        /// Its name.
        trigger: Arc<str>,
        /// Its tests.
        cases: Vec<TestCase>,
    },
    /// A scorecard.
    Model {
        /// Its name.
        model: Arc<str>,
        /// Its tests.
        cases: Vec<ModelCase>,
    },
}

/// One test of a trigger.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// What it shows, in a sentence.
    pub name: Located<Box<str>>,
    /// Who takes part. `customer:` gives one, called [`TestCustomer::ONLY`].
    pub customers: Vec<TestCustomer>,
    /// What happened before.
    pub given: Given,
    /// The first instant; [`START_DEFAULT`] if the file names none.
    pub start: Option<Located<TestTime>>,
    /// The last instant; without it, the latest time in `expect` and `events`.
    pub until: Option<Located<TestTime>>,
    /// The arm that all customers are in, `holdout` included. Without it no holdout and no arm
    /// of the trigger under test is drawn: everyone is treated as the file says without arms.
    pub arm: Option<Located<Box<str>>>,
    /// What happens, in the order of the file.
    pub events: Vec<TestEvent>,
    /// What must come of it. Empty: nothing is sent, handed over, or would have been.
    pub expect: Vec<Expectation>,
    /// The whole of `expect:`, to point at when something happened that no line names.
    pub expect_extent: Extent,
}

/// A customer of a test.
#[derive(Clone, Debug)]
pub struct TestCustomer {
    /// Its id.
    pub name: Box<str>,
    /// Its traits at the start.
    pub traits: Vec<(Box<str>, Value)>,
}

impl TestCustomer {
    /// The id of the customer of a test that has only one.
    pub const ONLY: &'static str = "customer";
}

/// A time in a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TestTime {
    /// So long after the start.
    After(Span),
    /// On the wall clock of the test's (first) customer, else of the policy's zone.
    Local(civil::DateTime),
    /// An exact instant.
    Exact(Timestamp),
}

/// What happened before a test begins. It holds for each customer of the test.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// History.
    pub history: Vec<GivenHistory>,
    /// Scores, as if pushed in just before the start.
    pub scores: Vec<(Located<Box<str>>, f64)>,
}

/// One line of history.
#[derive(Clone, Debug)]
pub struct GivenHistory {
    /// The event.
    pub event: Box<str>,
    /// The property that carries the value; `None` for a mere count.
    pub property: Option<Box<str>>,
    /// Properties that each of the events carries besides.
    pub with: Vec<(Box<str>, Value)>,
    /// What is given.
    pub fact: GivenFact,
    /// Where it stands.
    pub extent: Extent,
}

/// What is given of one event's history.
#[derive(Clone, Debug, PartialEq)]
pub enum GivenFact {
    /// So many events in a window.
    Count(GivenWindow, u32),
    /// So many different values in a window.
    Distinct(GivenWindow, u32),
    /// Events in a window whose values sum to this (one event is enough).
    Sum(GivenWindow, f64),
    /// The latest value.
    Last(Value),
    /// It last happened so long before the start.
    Since(Span),
}

/// A window before the start of a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenWindow {
    /// `last 14d`: ends at the start.
    Last(Span),
    /// `previous 14d`: ends where `last 14d` begins.
    Previous(Span),
}

/// Something that happens in a test.
#[derive(Clone, Debug)]
pub struct TestEvent {
    /// When.
    pub at: TestTime,
    /// To whom. `None` with one customer: to that one, unless the event is one that the trigger's
    /// `affects:` listens to; `None` with several customers: to no one in particular (broadcast).
    pub to: Option<Located<Box<str>>>,
    /// What.
    pub deed: Deed,
    /// Where it stands.
    pub extent: Extent,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Deed {
    /// An event, which may set traits as well.
    Event {
        /// Its name.
        name: Box<str>,
        /// Its properties.
        with: Vec<(Box<str>, Value)>,
        /// Traits it sets; `None` clears.
        set: Vec<(Box<str>, Option<Value>)>,
    },
    /// Traits change without an event; `None` clears.
    Set(Vec<(Box<str>, Option<Value>)>),
    /// Scores are pushed in.
    Score(Vec<(Box<str>, f64)>),
    /// The governor is asked what it would say to an outreach of this purpose.
    Propose(Box<str>),
}

/// One line of `expect:`.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// When.
    pub time: ExpectedTime,
    /// For whom; `None` for the only customer.
    pub to: Option<Located<Box<str>>>,
    /// What.
    pub what: Expected,
    /// Where it stands.
    pub extent: Extent,
}

/// When something is expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExpectedTime {
    /// At that very instant.
    At(TestTime),
    /// At any instant from the start to then.
    Within(Span),
}

/// What is expected.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// It is sent.
    Send {
        /// On this channel.
        channel: Box<str>,
        /// With this offer; `None`: with any or none.
        offer: Option<ExpectedOffer>,
    },
    /// It becomes a task.
    Task {
        /// On this list.
        channel: Box<str>,
        /// For this person; `None`: for anyone.
        assign_to: Option<Box<str>>,
    },
    /// It is held out, suppressed, expired or cancelled for this reason.
    NotSent(Reason),
    /// It waits.
    Postponed {
        /// Why.
        reason: Reason,
        /// Until then; `None`: until any time.
        until: Option<TestTime>,
    },
    /// The governor would allow an outreach of this purpose (answer to `propose`).
    Allowed(Box<str>),
}

/// The offer expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedOffer {
    /// This code.
    Code(Box<str>),
    /// None (`offer: none`).
    Nothing,
}

/// One test of a scorecard.
#[derive(Clone, Debug)]
pub struct ModelCase {
    /// What it shows, in a sentence.
    pub name: Located<Box<str>>,
    /// Traits.
    pub traits: Vec<(Box<str>, Value)>,
    /// What happened before.
    pub given: Given,
    /// When it is scored; [`START_DEFAULT`] if the file names none.
    pub start: Option<Located<TestTime>>,
    /// The score expected and how far off it may be.
    pub score: Option<Located<(f64, f64)>>,
    /// The band expected.
    pub band: Option<Located<Box<str>>>,
}
