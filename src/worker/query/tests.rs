//! Lists against a naive sort of everybody, and what a page tells, with our own files.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::declare::{Source, SourceKind, load};
use crate::decode::Arrival;
use crate::engine::catalog::{Catalog, Sending};
use crate::store::Options;
use crate::worker::testing::{Dice, after};

/// The health scorecard and the triggers of this repository.
fn catalog() -> Arc<Catalog> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str, kind| {
        let text = std::fs::read_to_string(root.join(path)).unwrap();
        Source { path: path.into(), text: text.into(), kind }
    };
    let sources = [
        read("triggers/policy.yaml", SourceKind::Policy),
        read("triggers/shipment-delayed.yaml", SourceKind::Trigger),
        read("models/health.yaml", SourceKind::Model),
    ];
    Arc::new(load(&sources, Sending::DryRun).unwrap_or_else(|faults| panic!("{faults:?}")).catalog)
}

fn apply(shard: &mut Shard, customer: &str, event: &str, at: i64, with: &str) {
    let at = after(at);
    let id = format!("{customer}{event}{at}");
    let line = format!(
        r#"{{"customer":"{customer}","event":"{event}","id":"{id}","at":"{at}","with":{with}}}"#
    );
    shard.apply_line(line.as_bytes(), (Arrival::replay(), 0), String::new).unwrap();
}

/// Customers of all bands, some without a score, with owners and names.
fn shop_of(count: u64, shards: &mut [Shard]) {
    let mut dice = Dice(5);
    for number in 0..count {
        let customer = format!("c{number:03}");
        let home = crate::decode::shard_of(&customer, u16::try_from(shards.len()).unwrap());
        let shard = &mut shards[usize::from(home)];
        let owner = ["ann", "bob"][usize::try_from(number % 2).unwrap()];
        let line = format!(
            r#"{{"customer":"{customer}","id":"t","at":"{}","traits":{{"owner":"{owner}","name":"Name {number}"}}}}"#,
            after(0)
        );
        shard.apply_line(line.as_bytes(), (Arrival::replay(), 0), String::new).unwrap();
        if number % 5 == 0 {
            continue;
        }
        for use_ in 0..dice.below(9) {
            let seconds = i64::try_from(number + use_).unwrap();
            let with = format!(r#"{{"feature":"f{use_}"}}"#);
            apply(shard, &customer, "Feature Used", seconds, &with);
        }
        for ticket in 0..dice.below(4) {
            apply(shard, &customer, "Ticket Opened", i64::try_from(100 + ticket).unwrap(), "{}");
        }
    }
}

fn shards(count: u16) -> Vec<Shard> {
    let catalog = catalog();
    let mut shards: Vec<_> = (0..count).map(|_| Shard::new(catalog.clone())).collect();
    shop_of(60, &mut shards);
    shards
}

/// All lines of a list, page by page.
fn listed(
    shards: &[Shard],
    filter: &CustomerFilter,
    sort: CustomerSort,
    limit: usize,
) -> Vec<CustomerLine> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let mut lines = Vec::new();
    let mut after = None;
    loop {
        let query = ListQuery { filter: filter.clone(), sort, after, limit };
        let pages = (0..).zip(shards).map(|(number, shard)| {
            let page = list(shard, number, &store, &query).unwrap();
            assert!(page.lines.len() <= limit, "no shard tells more than a page");
            page
        });
        let page = merge(pages.collect(), limit);
        assert!(page.items.len() <= limit);
        lines.extend(page.items);
        let Some(next) = page.next else { return lines };
        after = Some(Place::parse(&next).unwrap());
    }
}

#[test]
fn lists_by_risk_are_a_sort_of_everybody_whatever_the_pages_and_shards() {
    for count in [1, 3] {
        let shards = shards(count);
        for limit in [1, 7, 60, 500] {
            let lines = listed(&shards, &CustomerFilter::default(), CustomerSort::Risk, limit);
            let scores: Vec<f64> =
                lines.iter().map(|line| line.health.unwrap_or(f64::INFINITY)).collect();
            assert!(scores.is_sorted(), "{scores:?}");
            let mut ids: Vec<_> = lines.iter().map(|line| line.id.clone()).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 60, "everybody once");
        }
        let unknown = listed(&shards, &CustomerFilter::default(), CustomerSort::Risk, 9);
        assert!(unknown.iter().filter(|line| line.health.is_none()).count() >= 12);
    }
}

#[test]
fn filters_give_what_a_look_at_everybody_gives() {
    let shards = shards(2);
    let everybody = listed(&shards, &CustomerFilter::default(), CustomerSort::Risk, 100);
    type Passes = fn(&CustomerLine) -> bool;
    let with = |change: fn(&mut CustomerFilter)| {
        let mut filter = CustomerFilter::default();
        change(&mut filter);
        filter
    };
    let cases: [(CustomerFilter, Passes); 4] = [
        (with(|f| f.band = Some("watch".into())), |line| line.band.as_deref() == Some("watch")),
        (with(|f| f.owner = Some("ann".into())), |line| line.owner.as_deref() == Some("ann")),
        (with(|f| f.search = Some("NAME 1".into())), |line| {
            line.name.as_deref().is_some_and(|name| name.starts_with("Name 1"))
        }),
        (with(|f| f.trigger = Some("shipment-delayed".into())), |_| false),
    ];
    for (filter, passes) in cases {
        let wanted: Vec<_> = everybody.iter().filter(|line| passes(line)).cloned().collect();
        for limit in [2, 100] {
            assert_eq!(listed(&shards, &filter, CustomerSort::Risk, limit), wanted, "{filter:?}");
        }
        assert!(filter.trigger.is_some() || !wanted.is_empty(), "{filter:?}");
    }
}

#[test]
fn the_last_seen_come_first() {
    let shards = shards(2);
    let lines = listed(&shards, &CustomerFilter::default(), CustomerSort::LastSeen, 7);
    let seen: Vec<_> = lines.iter().map(|line| line.last_seen.clone()).collect();
    assert!(seen.is_sorted_by(|left, right| left >= right), "{seen:?}");
    assert_eq!(lines.len(), 60);
}

#[test]
fn a_search_that_finds_little_gives_up_with_a_place_and_goes_on_there() {
    let catalog = catalog();
    let mut shard = Shard::new(catalog);
    let count = LOOK_MAX + 100;
    for number in 0..count {
        apply(&mut shard, &format!("c{number}"), "Other", 0, "{}");
    }
    let last = format!("c{}", count - 1);
    let filter = CustomerFilter { search: Some(last.clone()), ..CustomerFilter::default() };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let mut query = ListQuery { filter, sort: CustomerSort::Risk, after: None, limit: 5 };
    let first = list(&shard, 0, &store, &query).unwrap();
    assert_eq!(first.lines.len(), 0);
    query.after = first.looked_up_to;
    assert!(query.after.is_some());
    let rest = list(&shard, 0, &store, &query).unwrap();
    assert_eq!((&*rest.lines[0].1.id, &rest.looked_up_to), (&*last, &None));
}

#[test]
fn a_shard_that_gave_up_early_hides_what_lies_behind() {
    let line = |id: &str| CustomerLine {
        id: id.into(),
        name: None,
        owner: None,
        health: None,
        band: None,
        trend_7d: None,
        trend_28d: None,
        reasons: Vec::new(),
        scores: Vec::new(),
        last_seen: String::new(),
        last_contact: None,
    };
    let place = |rank| Place::Ranked(rank, 0, 0);
    let early = ListPage { lines: vec![(place(2), line("b"))], looked_up_to: Some(place(4)) };
    let whole =
        ListPage { lines: vec![(place(1), line("a")), (place(9), line("z"))], looked_up_to: None };
    let page = merge(vec![early, whole], 10);
    let ids: Vec<_> = page.items.iter().map(|line| &*line.id).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(page.next, Some(place(4).to_cursor()));
}

#[test]
fn cursors_are_checked() {
    for place in [Place::Ranked(7, 3, 9), Place::Id("i7".into())] {
        assert_eq!(Place::parse(&place.to_cursor()).unwrap(), place);
    }
    for wrong in ["", "x", "r1", "r1.2", "r1.fffff.1", "rz.1.1"] {
        assert!(Place::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_page_explains_the_health_of_a_customer() {
    let mut shard = Shard::new(catalog());
    let traits = r#"{"customer":"a","id":"t","at":"2026-03-02T08:00:00Z","traits":{"name":"Ann","plan":"pro","consent":{"marketing":true}}}"#;
    shard.apply_line(traits.as_bytes(), (Arrival::replay(), 0), String::new).unwrap();
    for day in 0..4 {
        apply(&mut shard, "a", "Feature Used", day * 86_400, r#"{"feature":"x"}"#);
    }
    apply(&mut shard, "a", "Ticket Opened", 4 * 86_400, "{}");
    let page = page::page(&shard, "a", after(5 * 86_400)).unwrap();
    let health = page.line.health.unwrap();
    let sum: f64 = page.contributions.iter().map(|each| each.contribution).sum();
    assert!((sum - health).abs() < 0.01, "{sum} of {health}");
    assert!((1..=3).contains(&page.line.reasons.len()), "{:?}", page.line.reasons);
    assert_eq!(page.traits["plan"], "pro");
    assert_eq!((&*page.consents[0].purpose, page.consents[0].granted), ("marketing", true));
    assert_eq!(page.timeline[0].event, "Ticket Opened");
    assert_eq!(page.health_history.last().unwrap().day, "2026-03-07");
    assert!(!page.caps.is_empty());
    assert!(page::page(&shard, "nobody", after(0)).is_none());
}
