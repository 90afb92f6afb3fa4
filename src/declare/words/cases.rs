//! The words of `tests:`.

use crate::declare::fault::Located;
use crate::declare::read::{Entries, Need, record};
use crate::declare::scalar::{Anything, Words};

record! {
    /// A test of a trigger: what is known, what happens, what must come of it. Time is virtual.
    Case {
        /// What it shows, in a sentence.
        name: Need<Words>,
        /// The traits of the only customer.
        customer: Option<Entries<Anything>>,
        /// Several customers by id, with their traits.
        customers: Option<Entries<Entries<Anything>>>,
        /// What happened before the test begins, to each of its customers.
        given: Option<GivenWords>,
        /// When it begins, on the customer's wall clock: `2026-03-02T10:00`. Default: a Monday at
        /// 10:00.
        start: Option<Words>,
        /// When it ends. Default: with the last line of `expect` or `events`.
        until: Option<Words>,
        /// The arm that every customer is in; `holdout` for the holdout.
        arm: Option<Words>,
        /// What happens.
        events: Option<Vec<EventWords>>,
        /// What must come of it. `[]`: nothing at all is sent or handed over.
        expect: Need<Located<Vec<ExpectWords>>>,
    }

    /// What happened before a test begins.
    GivenWords {
        /// Events by name and window: `{Logged In: {last 14d: 6, previous 14d: 12}}`.
        count: Option<Entries<Entries<Anything>>>,
        /// Different values: `{Feature Used.feature: {last 28d: 8}}`.
        distinct: Option<Entries<Entries<Anything>>>,
        /// Sums: `{Order Completed.total: {last 28d: 120}}`.
        sum: Option<Entries<Entries<Anything>>>,
        /// The latest value: `{Survey Answered.score: 9}`.
        last: Option<Entries<Anything>>,
        /// When it last happened: `{Invoice Overdue: 12d}` before the start.
        since: Option<Entries<Words>>,
        /// Scores by model: `{churn: 0.65}`.
        score: Option<Entries<f64>>,
    }

    /// Something that happens in a test.
    EventWords {
        /// So long after the start (`3m`), or on the wall clock (`2026-05-13T09:30`).
        at: Need<Words>,
        /// An event of this name.
        event: Option<Words>,
        /// Its properties.
        with: Option<Entries<Anything>>,
        /// Traits that it sets; an empty value clears.
        set: Option<Entries<Anything>>,
        /// Scores that are pushed in: `{churn: 0.74}`.
        score: Option<Entries<f64>>,
        /// Asks what would be said to an outreach of this purpose.
        propose: Option<Words>,
        /// To which customer.
        to: Option<Words>,
    }

    /// One line of what must come of a test.
    ExpectWords {
        /// At this very time.
        at: Option<Words>,
        /// At any time from the start to then.
        within: Option<Words>,
        /// For which customer.
        to: Option<Words>,
        /// It is sent on this channel.
        send: Option<Words>,
        /// It is handed over to this list.
        task: Option<Words>,
        /// For this person.
        assign_to: Option<Words>,
        /// With this offer; `none` for none.
        offer: Option<Words>,
        /// It is not sent, for this reason.
        not_sent: Option<Words>,
        /// It waits, for this reason.
        postponed: Option<Words>,
        /// Until then.
        until: Option<Words>,
        /// An outreach of this purpose would be allowed.
        allowed: Option<Words>,
    }

    /// A test of a scorecard.
    ScoreCase {
        /// What it shows, in a sentence.
        name: Need<Words>,
        /// The traits of the customer.
        customer: Option<Entries<Anything>>,
        /// What happened before.
        given: Option<GivenWords>,
        /// When it is scored. Default: a Monday at 10:00.
        start: Option<Words>,
        /// What must come of it.
        expect: Need<ScoreExpect>,
    }

    /// What a test of a scorecard expects.
    ScoreExpect {
        /// The score, exact or with a tolerance: `91 ± 1`.
        score: Option<Words>,
        /// The band.
        band: Option<Words>,
    }
}
