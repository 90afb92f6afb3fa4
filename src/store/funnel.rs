//! Funnels: for each trigger what became of its matches. The sums add up, always.

use std::collections::BTreeMap;

use super::commit::from_json;
use super::view::{Funnel, ReasonCount};
use super::{Error, Store, keys};
use crate::engine::decision::{Ruling, VerdictKind};

/// A ruling that does not fit the counts: a fault of ours, to be reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a verdict `{}` was replaced, and none stood", .0.as_str())]
pub struct Unbalanced(pub VerdictKind);

impl Funnel {
    /// Of a trigger that has never matched.
    pub fn new(trigger: &str) -> Self {
        Self { trigger: trigger.to_owned(), ..Self::default() }
    }

    /// Takes in a ruling: a new match, or another verdict for one that stood under `replaces`.
    ///
    /// # Errors
    /// When no verdict of the kind that it replaces stands. It is then counted as a new match, so
    /// that the sums still add up.
    pub fn count(&mut self, ruling: &Ruling) -> Result<(), Unbalanced> {
        let mut balanced = Ok(());
        let replaced = ruling.replaces.filter(|kind| {
            let standing = self.of(*kind);
            let stood = *standing != 0;
            *standing = standing.saturating_sub(1);
            if !stood {
                balanced = Err(Unbalanced(*kind));
            }
            stood
        });
        if replaced.is_none() {
            self.matched = self.matched.saturating_add(1);
        }
        let count = self.of(ruling.verdict.kind());
        *count = count.saturating_add(1);
        if let Some(reason) = ruling.verdict.reason() {
            self.add_reason(reason.as_str(), 1);
        }
        balanced
    }

    /// Adds the counts of another shard.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        self.matched = self.matched.saturating_add(other.matched);
        for kind in VerdictKind::ALL {
            let more = *other.of(kind);
            let count = self.of(kind);
            *count = count.saturating_add(more);
        }
        for reason in &other.reasons {
            self.add_reason(&reason.reason, reason.count);
        }
    }

    /// Whether matched = sent + task + held out + suppressed + deferred + expired + cancelled +
    /// unknown.
    pub fn is_balanced(&self) -> bool {
        let mut counts = self.clone();
        self.matched == VerdictKind::ALL.iter().map(|kind| *counts.of(*kind)).sum::<u64>()
    }

    /// How many stand under a verdict.
    pub fn standing(&self, kind: VerdictKind) -> u64 {
        *self.clone().of(kind)
    }

    fn of(&mut self, kind: VerdictKind) -> &mut u64 {
        match kind {
            VerdictKind::Send => &mut self.sent,
            VerdictKind::Task => &mut self.task,
            VerdictKind::HoldOut => &mut self.held_out,
            VerdictKind::Defer => &mut self.deferred,
            VerdictKind::Suppress => &mut self.suppressed,
            VerdictKind::Expire => &mut self.expired,
            VerdictKind::Cancel => &mut self.cancelled,
            VerdictKind::Unknown => &mut self.unknown,
        }
    }

    fn add_reason(&mut self, reason: &str, more: u64) {
        match self.reasons.iter_mut().find(|count| count.reason == reason) {
            Some(found) => found.count = found.count.saturating_add(more),
            None => self.reasons.push(ReasonCount { reason: reason.to_owned(), count: more }),
        }
    }
}

impl Store {
    /// Counts of one shard by trigger.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn funnels_of(&self, shard: u16) -> Result<BTreeMap<String, Funnel>, Error> {
        let mut funnels = BTreeMap::new();
        for guard in self.spaces.meta.prefix(keys::funnels(shard)) {
            let (key, value) = guard.into_inner()?;
            let funnel: Funnel = from_json("the counts", &key, &value)?;
            funnels.insert(funnel.trigger.clone(), funnel);
        }
        Ok(funnels)
    }

    /// Counts of all shards by trigger, as of the last commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn funnels(&self) -> Result<BTreeMap<String, Funnel>, Error> {
        self.funnels_in(0..self.shards())
    }

    /// Counts of some shards by trigger, as of the last commit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn funnels_in(
        &self,
        shards: impl IntoIterator<Item = u16>,
    ) -> Result<BTreeMap<String, Funnel>, Error> {
        let mut sums: BTreeMap<String, Funnel> = BTreeMap::new();
        for shard in shards {
            for (trigger, funnel) in self.funnels_of(shard)? {
                sums.entry(trigger).or_insert_with_key(|name| Funnel::new(name)).add(&funnel);
            }
        }
        Ok(sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decision::{Reason, Verdict};
    use crate::engine::id::DecisionId;
    use crate::engine::slot::{ChannelSlot, TriggerSlot};
    use crate::engine::time::Timestamp;

    fn ruling(verdict: Verdict, replaces: Option<VerdictKind>) -> Ruling {
        Ruling {
            id: DecisionId::from_bytes([0; 16]),
            trigger: TriggerSlot(0),
            occurrence: "e1".into(),
            at: Timestamp::MIN,
            caused_at: Timestamp::MIN,
            verdict,
            replaces,
            arm: None,
            offer: None,
            conditions: Vec::new(),
            findings: Vec::new(),
        }
    }

    #[test]
    fn the_sums_add_up_over_replacements() {
        let mut funnel = Funnel::new("cart");
        let until = Timestamp::MIN;
        let defer = Verdict::Defer { until, reason: Reason::QuietHours };
        let sent = Verdict::Send { channel: ChannelSlot(0) };
        let unknown = Verdict::Unknown { reason: Reason::OutcomeUnknown };
        funnel.count(&ruling(defer.clone(), None)).unwrap();
        funnel.count(&ruling(defer, Some(VerdictKind::Defer))).unwrap();
        assert_eq!((funnel.matched, funnel.deferred), (1, 1));
        funnel.count(&ruling(sent.clone(), Some(VerdictKind::Defer))).unwrap();
        funnel.count(&ruling(unknown, Some(VerdictKind::Send))).unwrap();
        assert_eq!((funnel.deferred, funnel.sent, funnel.unknown), (0, 0, 1));
        assert!(funnel.is_balanced());
        let wrong = funnel.count(&ruling(sent, Some(VerdictKind::Task)));
        assert_eq!(wrong, Err(Unbalanced(VerdictKind::Task)));
        assert!(funnel.is_balanced());
        assert_eq!((funnel.matched, funnel.sent), (2, 1));
        let quiet = funnel.reasons.iter().find(|count| count.reason == "quiet_hours").unwrap();
        assert_eq!(quiet.count, 2);
        let mut twice = Funnel::new("cart");
        twice.add(&funnel);
        twice.add(&funnel);
        assert_eq!((twice.matched, twice.is_balanced()), (4, true));
        funnel.sent += 1;
        assert!(!funnel.is_balanced());
    }
}
