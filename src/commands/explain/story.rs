//! What is known of one customer at one instant, and what was decided until then.

use std::sync::Arc;

use crate::decode::{Arrival, Decoded, Decoder, Record, Refusal, Subject};
use crate::engine::catalog::Catalog;
use crate::engine::customer::CustomerState;
use crate::engine::decision::Decision;
use crate::engine::id::CustomerId;
use crate::engine::input::{Body, Input};
use crate::engine::names::Names;
use crate::engine::step::step;
use crate::engine::time::Timestamp;
use crate::store::format::{Format, Tables};
use crate::store::record::DecisionRecord;
use crate::store::record_of::Teller;

/// The story of one customer.
#[derive(Debug)]
pub(super) struct Story {
    decoder: Decoder,
    known: Known,
}

#[derive(Debug)]
struct Known {
    catalog: Arc<Catalog>,
    names: Names,
    format: Format,
    state: CustomerState,
    /// Newest first.
    decisions: Vec<DecisionRecord>,
    /// Engine time of the latest input looked at, also of other customers.
    latest: Timestamp,
    heard: bool,
}

impl Story {
    /// Of a customer of whom nothing is known yet.
    pub(super) fn new(catalog: Catalog, customer: &str) -> Self {
        let catalog = Arc::new(catalog);
        let known = Known {
            names: Names::new(&catalog.events, &catalog.traits),
            format: Format::new(Tables::of(&catalog)),
            state: CustomerState::new(CustomerId::new(customer), Timestamp::MIN),
            decisions: Vec::new(),
            latest: Timestamp::MIN,
            heard: false,
            catalog,
        };
        Self { decoder: Decoder::new(&known.catalog), known }
    }

    /// Begins with a state as it was stored.
    pub(super) fn load(&mut self, bytes: &[u8]) -> Result<(), crate::store::format::Error> {
        let known = &mut self.known;
        let id = known.state.id.clone();
        known.state = known.format.decode(&mut known.names, id, bytes)?;
        known.latest = known.state.now;
        known.heard = true;
        Ok(())
    }

    /// Begins with decisions as they were stored, newest first.
    pub(super) fn decided(&mut self, decisions: Vec<DecisionRecord>) {
        self.known.decisions = decisions;
    }

    /// Applies a recorded line, if it is this customer's and not after `until`.
    pub(super) fn line(
        &mut self,
        line: &[u8],
        number: u64,
        until: Option<Timestamp>,
    ) -> Result<(), Refusal> {
        let Self { decoder, known } = self;
        let mut names = std::mem::take(&mut known.names);
        let fresh_id = || format!("line {number}");
        let arrival = (Arrival::replay(), number);
        let told = decoder.decode_line(line, arrival, fresh_id, &mut names, |decoded| {
            let at = decoded.occurred_at.unwrap_or_default();
            (until.is_none_or(|until| at <= until)).then(|| known.apply(decoded, at)).flatten()
        });
        known.names = names;
        if let Some(told) = told?.flatten() {
            known.tell(&told);
        }
        Ok(())
    }

    /// Applies a record of the log, if it is this customer's.
    pub(super) fn record(
        &mut self,
        record: &Record<'_>,
        at: Timestamp,
        position: u64,
    ) -> Result<(), Refusal> {
        let Self { decoder, known } = self;
        let mut names = std::mem::take(&mut known.names);
        let told =
            decoder.decode(record, at, position, &mut names, |decoded| known.apply(decoded, at));
        known.names = names;
        if let Some(told) = told? {
            known.tell(&told);
        }
        Ok(())
    }

    /// Lets time pass until an instant.
    pub(super) fn pass_until(&mut self, at: Timestamp) {
        if self.known.heard {
            let input = Input { at, position: 0, body: Body::Tick };
            let known = &mut self.known;
            let decision = step(&known.catalog, &mut known.state, &input, &[]);
            known.latest = known.latest.max(at);
            known.tell(&decision);
        }
    }

    /// Whether anything was ever heard of the customer.
    pub(super) const fn is_heard(&self) -> bool {
        self.known.heard
    }

    /// The instant told of: the one asked for, else the last that was heard, else now.
    pub(super) fn now(&self, asked: Option<Timestamp>, wall: Timestamp) -> Timestamp {
        asked.unwrap_or(if self.known.latest == Timestamp::MIN { wall } else { self.known.latest })
    }

    pub(super) fn catalog(&self) -> &Catalog {
        &self.known.catalog
    }

    pub(super) const fn state(&self) -> &CustomerState {
        &self.known.state
    }

    /// Newest first.
    pub(super) fn decisions(&self) -> &[DecisionRecord] {
        &self.known.decisions
    }

    pub(super) fn teller(&self) -> Teller<'_> {
        let known = &self.known;
        let strangers = known.format.strangers();
        Teller { catalog: &known.catalog, names: &known.names, strangers }
    }
}

impl Known {
    fn apply(&mut self, decoded: &mut Decoded<'_>, at: Timestamp) -> Option<Decision> {
        self.latest = self.latest.max(at);
        let mine = match decoded.subject {
            Subject::Customer(customer) => customer == self.state.id.as_str(),
            // A customer who was not there yet is not concerned by what concerns all.
            Subject::Everyone => self.heard,
        };
        if !mine {
            return None;
        }
        if !self.heard {
            self.state = CustomerState::new(self.state.id.clone(), at);
            self.heard = true;
        }
        let input = decoded.input(|slot| self.state.trait_value(slot));
        Some(step(&self.catalog, &mut self.state, input, &[]))
    }

    fn tell(&mut self, decision: &Decision) {
        let strangers = self.format.strangers();
        let teller = Teller { catalog: &self.catalog, names: &self.names, strangers };
        let told = decision.rulings.iter();
        let told: Vec<_> =
            told.map(|ruling| teller.decision(&self.state, decision, ruling)).collect();
        self.decisions.splice(0..0, told.into_iter().rev());
    }
}
