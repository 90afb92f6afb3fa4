//! The end of a storm: everything comes to rest, and the log alone tells the same.

use std::collections::BTreeMap;

use super::World;
use crate::app::storm::oracle::{Breach, words};
use crate::app::storm::shop::CUSTOMERS;
use crate::decode::Record;
use crate::engine::decision::Decision;
use crate::engine::time::Span;
use crate::worker::shard::Shard;

impl World {
    /// Lets the world come to rest: everything due fires, everything waiting is sent or given up.
    pub(in super::super) fn rest(&mut self) -> Result<(), Breach> {
        for _ in 0..60 {
            self.wall = self.wall + Span::DAY;
            self.apply_all();
            self.tick();
            for _ in 0..self.disk.outbox.len() + 4 {
                self.dispatch()?;
            }
            self.apply_all();
            self.commit()?;
        }
        let (all, waiting, _) = self.oracle.sums();
        if waiting != 0 {
            return Err(("I4", format!("{waiting} of {all} decisions wait for ever")));
        }
        match self.disk.outbox.keys().next() {
            Some(row) => Err(("I4", format!("{row} is in the outbox for ever"))),
            None => self.replay(),
        }
    }

    /// The log alone gives the same decisions and states.
    fn replay(&self) -> Result<(), Breach> {
        if self.went_back {
            return Ok(());
        }
        let mut shard = Shard::new(self.rules.catalog.clone());
        let mut histories: BTreeMap<&str, Vec<String>> =
            CUSTOMERS.iter().map(|name| (*name, Vec::new())).collect();
        let mut note = |customer: &'static str, decision: &Decision| {
            histories.entry(customer).or_default().extend(decision.rulings.iter().map(words));
        };
        for (index, (at, bytes, customer, _)) in self.log.iter().enumerate() {
            let record = Record::parse(bytes).unwrap();
            let stepped = shard.apply(&record, *at, index as u64 + 1).unwrap();
            for (number, decision) in stepped.iter() {
                let id = shard.state(number).unwrap().id.as_str();
                let whose = CUSTOMERS.iter().find(|name| **name == id).unwrap_or(customer);
                note(whose, decision);
            }
        }
        while let Some((number, decision)) = shard.tick(self.wall) {
            let id = shard.state(number).unwrap().id.as_str().to_owned();
            let customer = CUSTOMERS.iter().find(|name| **name == id).unwrap();
            note(customer, &decision);
        }
        for (customer, history) in self.oracle.histories() {
            let again = &histories[customer];
            if let Some((was, is)) = history.iter().zip(again).find(|(was, is)| was != is) {
                return Err(("I10", format!("{customer}: {was}; from the log alone: {is}")));
            }
            if history.len() != again.len() {
                return Err(("I10", format!("{customer}: another number of rulings")));
            }
            if shard.find(customer) != self.shard.find(customer) {
                return Err(("I11", format!("{customer}: another state from the log alone")));
            }
        }
        Ok(())
    }
}
