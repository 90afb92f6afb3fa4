//! Where a move writes to, and how the counts of triggers are shared out among other shards.

use std::collections::BTreeMap;

use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::super::Error;
use super::super::output::Message;
use crate::engine::decision::VerdictKind;
use crate::kafka;
use crate::kafka::settings::Settings;
use crate::kafka::topics::Names;
use crate::kafka::transaction::Transactions;
use crate::store::changes::{Change, Kind};
use crate::store::record::DecisionRecord;
use crate::store::view::Funnel;

/// Takes the messages of a move.
pub(super) trait Target {
    /// Adds one.
    fn send(&mut self, topic: &str, partition: u16, message: &Message) -> Result<(), Error>;
}

/// Writes nothing.
pub(super) struct Counting;

impl Target for Counting {
    fn send(&mut self, _: &str, _: u16, _: &Message) -> Result<(), Error> {
        Ok(())
    }
}

/// Writes into one transaction.
pub(super) struct Writing(Transactions);

impl Writing {
    pub(super) fn begin(settings: &Settings) -> Result<Self, Error> {
        let transactions = Transactions::begin_long(settings, "migrate")?;
        transactions.begin()?;
        Ok(Self(transactions))
    }

    pub(super) fn commit(self, settings: &Settings, names: &Names) -> Result<(), Error> {
        // No offsets are committed with it, so whose group it is does not matter.
        let reader: BaseConsumer = settings
            .reader()
            .create()
            .map_err(|error| kafka::Error::of("the properties of a reader", &error))?;
        let group = reader.group_metadata().ok_or_else(|| kafka::Error::Failed {
            doing: "committing the move",
            why: "there is no group".to_owned(),
        })?;
        self.0.commit(&[], &group, &names.changelog)?;
        Ok(())
    }

    pub(super) fn abort(self) -> Result<(), Error> {
        Ok(self.0.abort()?)
    }
}

impl Target for Writing {
    fn send(&mut self, topic: &str, partition: u16, message: &Message) -> Result<(), Error> {
        Ok(message.lend(topic, partition, |outgoing| self.0.send(outgoing))?)
    }
}

/// The counts of triggers: those of what may still be ruled again go with the customer, because the
/// next ruling takes them back where the customer is then; the others only add up.
#[derive(Debug)]
pub(super) struct Funnels {
    same_shards: bool,
    /// As they were, by shard and trigger.
    before: BTreeMap<(u16, String), Funnel>,
    /// What may still be ruled again, by new shard and trigger.
    open: BTreeMap<(u16, String), Funnel>,
}

impl Funnels {
    pub(super) fn new(shards: u16, partitions: u16) -> Self {
        let (before, open) = (BTreeMap::new(), BTreeMap::new());
        Self { same_shards: shards == partitions, before, open }
    }

    /// The counts of a trigger in an old shard.
    pub(super) fn add(&mut self, shard: u16, value: &[u8]) -> Result<(), Error> {
        let funnel: Funnel = super::read(value)?;
        // Without shards of their own, all are summed up.
        let shard = if self.same_shards { shard } else { 0 };
        let sum = self.before.entry((shard, funnel.trigger.clone()));
        sum.or_insert_with_key(|(_, trigger)| Funnel::new(trigger)).add(&funnel);
        Ok(())
    }

    /// A decision of a customer of a new shard may still be ruled again.
    pub(super) fn is_open(&mut self, shard: u16, record: &DecisionRecord) {
        let Some(kind) = VerdictKind::parse(&record.verdict) else { return };
        let key = (shard, record.trigger.clone());
        let open = self.open.entry(key).or_insert_with_key(|(_, trigger)| Funnel::new(trigger));
        open.matched = open.matched.saturating_add(1);
        match kind {
            VerdictKind::Defer => open.deferred = open.deferred.saturating_add(1),
            VerdictKind::Send => open.sent = open.sent.saturating_add(1),
            // Nothing else is open.
            _ => open.matched = open.matched.saturating_sub(1),
        }
    }

    /// The counts of every new shard, as changes.
    pub(super) fn shared_out(mut self) -> Result<Vec<Change>, Error> {
        if !self.same_shards {
            for ((shard, trigger), open) in &self.open {
                let Some(rest) = self.before.get_mut(&(0, trigger.clone())) else { continue };
                if *shard == 0 {
                    continue;
                }
                // A count that is not there cannot be taken away: both would be wrong then.
                if rest.deferred < open.deferred || rest.sent < open.sent {
                    continue;
                }
                rest.matched = rest.matched.saturating_sub(open.matched);
                rest.deferred = rest.deferred.saturating_sub(open.deferred);
                rest.sent = rest.sent.saturating_sub(open.sent);
                self.before.insert((*shard, trigger.clone()), open.clone());
            }
        }
        let change = |((shard, id), funnel): ((u16, String), Funnel)| {
            let value = serde_json::to_vec(&funnel).map_err(|error| super::not_json(&error))?;
            Ok(Change { shard, kind: Kind::Funnel, id, value: Some(value) })
        };
        self.before.into_iter().map(change).collect()
    }
}
