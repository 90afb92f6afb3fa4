//! What breakers had counted before a restart, found again in the store.

use std::collections::BTreeMap;

use super::{BY, Counts, Turn, What, what_of};
use crate::engine::catalog::Catalog;
use crate::engine::operation::{Order, Scope};
use crate::engine::policy::Breaker;
use crate::engine::time::{Span, Timestamp};
use crate::store::decisions::DecisionFilter;
use crate::store::listed::Cause;
use crate::store::record::DecisionRecord;
use crate::store::{Error, Store};

/// Most decisions looked through, the newest first.
const LOOKED_AT_MAX: usize = 100_000;
/// Decisions read at a time.
const PAGE: usize = 1_000;
/// How long a decision may have waited that counts when it is sent.
const WAITED: Span = Span::DAY;

/// The counts of the triggers that have a breaker.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn counts(
    store: &Store,
    catalog: &Catalog,
    now: Timestamp,
) -> Result<BTreeMap<String, Counts>, Error> {
    let with = catalog.triggers.iter();
    let breakers: BTreeMap<&str, Breaker> =
        with.filter_map(|trigger| Some((trigger.id.as_str(), trigger.breaker?))).collect();
    let Some(longest) = breakers.values().map(Breaker::looks_back).max() else {
        return Ok(BTreeMap::new());
    };
    let mut found = decided(store, now - longest - WAITED)?;
    if breakers.values().any(|breaker| breaker.complaints.or(breaker.unsubscribes).is_some()) {
        found.extend(unwanted(store, now - Breaker::OVER)?);
    }
    // Windows take what happened in its order.
    found.sort_by_key(|(at, ..)| *at);
    let pauses = pauses(store)?;
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for (at, trigger, what) in found {
        let Some(breaker) = breakers.get(&*trigger) else { continue };
        let paused_at = pauses.get(&trigger).copied();
        let counts = counts.entry(trigger).or_insert_with(|| Counts::new(breaker, paused_at));
        counts.recall(breaker, what, at.min(now));
    }
    Ok(counts)
}

type Found = Vec<(Timestamp, String, What)>;

/// What decisions came to, each when it did.
fn decided(store: &Store, since: Timestamp) -> Result<Found, Error> {
    let filter = DecisionFilter { since: Some(since), ..DecisionFilter::default() };
    let (mut found, mut looked_at, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.decisions(&filter, after.as_deref(), PAGE)?;
        looked_at += page.items.len();
        page.items.iter().filter(|record| !record.dry_run).for_each(|record| {
            found.extend(each(record));
        });
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
        if LOOKED_AT_MAX <= looked_at {
            tracing::warn!(looked_at, "breakers do not count what was decided before");
            return Ok(found);
        }
    }
}

/// What one decision came to, verdict by verdict.
fn each(record: &DecisionRecord) -> Found {
    let past = record.history.iter();
    let past = past.map(|past| (&past.at, &past.verdict, past.reason.as_deref()));
    let last = (&record.ruled_at, &record.verdict, record.reason.as_deref());
    let all = past.chain(std::iter::once(last)).enumerate();
    let all = all.filter_map(|(index, (at, verdict, reason))| {
        Some((Timestamp::parse(at)?, what_of(verdict, reason, Turn::after(index))))
    });
    all.flat_map(|(at, what)| what.into_iter().map(move |what| (at, record.trigger.clone(), what)))
        .collect()
}

/// What customers did not want: the suppression list knows from which sends it has its addresses.
fn unwanted(store: &Store, since: Timestamp) -> Result<Found, Error> {
    let mut found = Vec::new();
    for (at, decision, cause) in store.listed_by_receipts(since)? {
        let what = match cause {
            Cause::Unsubscribed => What::Unsubscribed,
            Cause::Complained => What::Complained,
            Cause::Bounced | Cause::Added => continue,
        };
        if let Some(record) = store.decision(decision)? {
            found.push((at, record.trigger, what));
        }
    }
    Ok(found)
}

/// When breakers paused triggers last: they count anew from there.
fn pauses(store: &Store) -> Result<BTreeMap<String, Timestamp>, Error> {
    let mut pauses = BTreeMap::new();
    for shard in 0..store.shards() {
        let Some(mark) = store.mark(shard)? else { continue };
        for standing in mark.operations.all() {
            let operation = &standing.operation;
            if let (BY, Order::Pause, Scope::Trigger(trigger)) =
                (&*operation.by, operation.order, &operation.scope)
            {
                let at = pauses.entry(trigger.to_string()).or_insert(standing.since);
                *at = standing.since.max(*at);
            }
        }
    }
    Ok(pauses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::declare::{Source, SourceKind, load};
    use crate::engine::catalog::Sending;
    use crate::engine::id::DecisionId;
    use crate::store::batch::{Batch, Ruled};
    use crate::store::listed::{AddressKey, BY_RECEIPT, Listing, Stands, Whose};
    use crate::store::record::PastVerdict;
    use crate::store::{Options, Store};

    fn past(at: &str, verdict: &str, reason: Option<&str>) -> PastVerdict {
        PastVerdict {
            at: at.to_owned(),
            verdict: verdict.to_owned(),
            reason: reason.map(str::to_owned),
            until: None,
        }
    }

    fn record() -> DecisionRecord {
        let versions =
            serde_json::json!({"trigger": "", "policy": "", "catalog": "", "engine": ""});
        let record = serde_json::json!({
            "id": "", "customer": "ada", "trigger": "welcome", "occurrence": "", "caused_at": "",
            "decided_at": "", "ruled_at": "", "verdict": "", "why": "", "versions": versions,
            "dry_run": false,
        });
        serde_json::from_value(record).unwrap()
    }

    #[test]
    fn each_verdict_counts_when_it_was_given() {
        let (one, two, three) =
            ("2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z", "2026-03-02T14:00:00Z");
        let at = |text| Timestamp::parse(text).unwrap();
        let record = DecisionRecord {
            ruled_at: three.to_owned(),
            verdict: "suppressed".to_owned(),
            reason: Some("rejected".to_owned()),
            history: vec![past(one, "deferred", Some("capped")), past(two, "sent", None)],
            ..record()
        };
        let told = |at, what| (at, "welcome".to_owned(), what);
        let expected = [
            told(at(one), What::Decided),
            told(at(two), What::Sent),
            told(at(three), What::Failed),
        ];
        assert_eq!(each(&record), expected);
        let sent = DecisionRecord {
            verdict: "sent".to_owned(),
            reason: None,
            history: Vec::new(),
            ..record.clone()
        };
        assert_eq!(each(&sent), [told(at(three), What::Decided), told(at(three), What::Sent)]);
        let held = DecisionRecord {
            verdict: "suppressed".to_owned(),
            reason: Some("opted_out".to_owned()),
            history: vec![past(one, "deferred", Some("held"))],
            ..record
        };
        assert_eq!(each(&held), []);
    }

    #[test]
    fn counts_are_as_they_were_in_their_windows() {
        let now = Timestamp::parse("2026-03-02T12:00:00Z").unwrap();
        let before = |minutes| now - Span::MINUTE.times(minutes);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        store.hash_addresses_with(AddressKey::new(&[7; 32]).unwrap());
        let id = |number: u8| DecisionId::from_bytes([number; 16]);
        let sent = |number: u8, minutes, trigger: &str, dry_run| {
            let at = before(minutes).to_string();
            let record = DecisionRecord {
                id: id(number).to_string(),
                trigger: trigger.to_owned(),
                caused_at: at.clone(),
                decided_at: at.clone(),
                ruled_at: at,
                verdict: "sent".to_owned(),
                dry_run,
                ..record()
            };
            Ruled { id: id(number), at: before(minutes), replaces: None, record }
        };
        let rulings = vec![
            sent(1, 100, "welcome", false),
            sent(2, 90, "welcome", false),
            sent(3, 50, "welcome", false),
            sent(4, 10, "welcome", true),
            sent(5, 10, "other", false),
            sent(6, 3 * 1_440, "welcome", false),
        ];
        let listing = |number: u8, cause, purpose: Option<&str>| Listing {
            whose: Whose::Address(format!("{number}@x.example")),
            channel: "email".to_owned(),
            purpose: purpose.map(str::to_owned),
            cause,
            by: format!("{BY_RECEIPT}{}", id(number)),
            at: before(5),
            stands: Stands::On,
        };
        let listings = vec![
            listing(1, Cause::Complained, None),
            listing(2, Cause::Unsubscribed, Some("marketing")),
            // A word to stop; what came back; what nobody knows of.
            listing(3, Cause::Unsubscribed, None),
            listing(4, Cause::Bounced, None),
            listing(9, Cause::Complained, None),
        ];
        store.commit(&mut [Batch { rulings, listings, ..Batch::default() }]).unwrap();
        let text = "trigger: welcome\nkind: behavior\nabout: a\nowner: o@x.example\nwhen: {event: E}\n\
                    breaker: {at_most: 9, per: 1h, complaints: 1%}\n\
                    send: {purpose: transactional, via: [email], message: {en: {subject: a, body: b}}}\n";
        let source = |text: &str| {
            [Source { path: "t.yaml".into(), text: text.into(), kind: SourceKind::Trigger }]
        };
        let catalog = load(&source(text), Sending::On).unwrap().catalog;
        let mut counts = counts(&store, &catalog, now).unwrap();
        assert_eq!(counts.keys().collect::<Vec<_>>(), ["welcome"]);
        let welcome = counts.get_mut("welcome").unwrap();
        let sums = [
            &mut welcome.decided,
            &mut welcome.sent,
            &mut welcome.complained,
            &mut welcome.unsubscribed,
            &mut welcome.failed,
        ]
        .map(|window| window.sum(now));
        assert_eq!(sums, [1, 3, 1, 1, 0]);
        let none = load(&source(&text.replace("breaker:", "# breaker:")), Sending::On).unwrap();
        assert!(super::counts(&store, &none.catalog, now).unwrap().is_empty());
    }
}
