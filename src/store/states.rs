//! Customers' states as a shard loads them when it starts.

use super::{Error, Store, keys};
use crate::engine::id::CustomerId;

impl Store {
    /// Calls `take` with id and written state of every customer of a shard, in order of the ids.
    ///
    /// # Errors
    /// When the store cannot be read, or what `take` says.
    pub fn load<E: From<Error>>(
        &self,
        shard: u16,
        mut take: impl FnMut(CustomerId, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for guard in self.spaces.customers.prefix(shard.to_be_bytes()) {
            let (key, value) = guard.into_inner().map_err(Error::from)?;
            take(CustomerId::new(customer_of(&key)?), &value)?;
        }
        Ok(())
    }

    /// Writes many states of a shard as one run, past the journal and the tables in memory, so that
    /// a start need not read them from there: for when the shard is left. `give` hands over ids
    /// and written states in order of the ids. Nothing of the shard may be on its way to a commit,
    /// and none of the states may hold more than the log brings back: they are there before any
    /// mark says so.
    ///
    /// # Errors
    /// When they cannot be written, the store being broken then; or what `give` says.
    pub fn write_states<E: From<Error>>(
        &self,
        shard: u16,
        give: impl FnOnce(&mut dyn FnMut(&CustomerId, &[u8]) -> Result<(), E>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.is_broken() {
            return Err(Error::Broken.into());
        }
        let mut run = self.spaces.customers.start_ingestion().map_err(Error::from)?;
        let mut key = Vec::new();
        give(&mut |id, state| {
            keys::put_customer(&mut key, shard, id.as_str());
            Ok(run.write(key.as_slice(), state).map_err(Error::from)?)
        })?;
        Ok(self.guarded(|| run.finish())?)
    }

    /// How many customers there are in all shards, about: for making room, not for counting.
    pub fn customers_about(&self) -> usize {
        // Every state that was written and not yet compacted away counts.
        self.spaces.customers.approximate_len()
    }

    /// Ids of a shard's customers, in their order, after one and at most so many.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn customer_ids(
        &self,
        shard: u16,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, Error> {
        let mut from = keys::customer(shard, after.unwrap_or_default());
        if after.is_some() {
            from.push(0);
        }
        let to = keys::after_all(&shard.to_be_bytes()).unwrap_or_default();
        let all = match to.is_empty() {
            true => self.spaces.customers.range(from..),
            false => self.spaces.customers.range(from..to),
        };
        all.take(limit).map(|guard| customer_of(&guard.key()?).map(str::to_owned)).collect()
    }

    /// The written state of one customer.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn state(&self, shard: u16, customer: &str) -> Result<Option<Vec<u8>>, Error> {
        let value = self.spaces.customers.get(keys::customer(shard, customer))?;
        Ok(value.map(|value| value.to_vec()))
    }
}

fn customer_of(key: &[u8]) -> Result<&str, Error> {
    let id = key.get(2..).and_then(|id| std::str::from_utf8(id).ok());
    id.ok_or_else(|| Error::Damaged {
        what: "the customer",
        key: String::from_utf8_lossy(key).into_owned(),
        why: "the id is no text".to_owned(),
    })
}
