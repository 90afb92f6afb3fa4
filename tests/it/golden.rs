//! The features of two real shops, taken from their events by the engine, against tables that were
//! computed from the same events by other means.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heedful::declare::{self, Source, SourceKind};
use heedful::engine::catalog::{Catalog, ScoreSource};
use heedful::engine::time::Timestamp;
use heedful::learn::{Harvest, Rows};
use heedful::worker::replay::Replay;

use crate::skip::skip;

/// How far a number may be off.
const TOLERANCE: f64 = 1e-9;

/// A purchase or a return.
struct Order {
    customer: String,
    at: Timestamp,
    amount: f64,
    quantity: i64,
    lines: u32,
}

fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    folder.is_dir().then_some(folder)
}

/// The features of the tables. A window of theirs holds its first instant, ours does not: one
/// millisecond more makes them the same.
fn model() -> String {
    let paid = "event.amount > 0";
    let orders = format!("count('Order', 'ever', '{paid}')");
    let tenure = format!("floor(days_since_first('Order', '{paid}'))");
    let recency = format!("floor(days_since('Order', '{paid}'))");
    // Without a gap the time since the only order stands for it, but a day at least.
    let since = format!("({tenure} < 1 ? 1 : {tenure})");
    let gap_mean = format!("({orders} < 2 ? {since} : gap_mean('Order', '{paid}'))");
    let window = |days: u32| format!("count('Order', '{days}d 1ms', '{paid}')");
    let mut features = vec![
        ("recency".to_owned(), recency.clone()),
        ("tenure".into(), tenure.clone()),
        ("orders".into(), orders.clone()),
        ("monetary".into(), format!("sum('Order', 'amount', 'ever', '{paid}')")),
        ("avg_amount".into(), format!("avg('Order', 'amount', 'ever', '{paid}')")),
        ("max_amount".into(), format!("max('Order', 'amount', 'ever', '{paid}')")),
        ("qty".into(), format!("sum('Order', 'quantity', 'ever', '{paid}')")),
        ("lines".into(), format!("sum('Order', 'lines', 'ever', '{paid}')")),
        ("days_active".into(), format!("active_days('Order', '{paid}')")),
        ("orders_30_60".into(), format!("{} - {}", window(60), window(30))),
        ("returns".into(), "count('Order', 'ever', 'event.amount < 0')".into()),
        ("gap_mean".into(), gap_mean.clone()),
        ("gap_sd".into(), format!("{orders} < 3 ? 0 : gap_sd('Order', '{paid}')")),
        ("gap_max".into(), format!("{orders} < 2 ? {tenure} : gap_max('Order', '{paid}')")),
        ("rec_over_gap".into(), format!("{recency} / ({gap_mean} + 1)")),
        ("rate".into(), format!("{orders} / ({tenure} + 1)")),
        (
            "trend".into(),
            format!("({} + 0.5) / ({} - {} + 0.5)", window(30), window(60), window(30)),
        ),
        ("last_amount".into(), format!("last('Order', 'amount', '{paid}')")),
        ("bg_x".into(), format!("active_days('Order', '{paid}') - 1")),
        (
            "bg_tx".into(),
            format!(
                "calendar_days_since_first('Order', '{paid}') - calendar_days_since('Order', '{paid}')"
            ),
        ),
        ("bg_T".into(), format!("calendar_days_since_first('Order', '{paid}')")),
    ];
    for days in [7, 14, 30, 60, 90, 180] {
        features.push((format!("orders_{days}"), window(days)));
        let amount = format!("sum('Order', 'amount', '{days}d 1ms', '{paid}')");
        features.push((format!("amt_{days}"), amount));
    }
    let mut text = format!(
        "model: silence\ntype: classifier\nabout: Nothing bought for 90 days.\nlabel:\n  \
         population: \"{orders} > 0\"\n  without: Order\n  where: {paid}\n  within: 90d\nfeatures:\n"
    );
    for (name, expression) in features {
        writeln!(text, "  {name}: \"{expression}\"").unwrap();
    }
    text
}

fn catalog() -> Arc<Catalog> {
    let source = Source {
        kind: SourceKind::Model,
        path: "models/silence.yaml".into(),
        text: model().into(),
    };
    let loaded = declare::load_to_learn(&[source], "silence");
    Arc::new(loaded.unwrap_or_else(|faults| panic!("{faults:#?}")).catalog)
}

/// Replays the orders and takes the rows of all snapshots.
fn rows(catalog: &Arc<Catalog>, orders: &[Order], snapshots: &[&str]) -> Rows {
    let ScoreSource::Learning(classifier) = &catalog.scores[0].source else { panic!() };
    let instant = |day: &&str| Timestamp::parse(&format!("{day}T00:00:00Z")).unwrap();
    let mut harvest = Harvest::new(classifier, snapshots.iter().map(instant).collect());
    let mut replay = Replay::new(catalog, 1, |_| ());
    let look = |harvest: &mut Harvest<'_>, replay: &mut Replay<_>, until: Timestamp| {
        while let Some(at) = harvest.next_look().filter(|at| *at <= until) {
            replay.pass(at);
            harvest.look(catalog, at, replay.states());
        }
    };
    for (number, order) in orders.iter().enumerate() {
        look(&mut harvest, &mut replay, order.at);
        let line = serde_json::json!({
            "type": "track", "event": "Order", "userId": order.customer, "messageId": format!("o{number}"),
            "timestamp": order.at.to_string(),
            "properties": {"amount": order.amount, "quantity": order.quantity, "lines": order.lines},
        });
        replay.line(line.to_string().as_bytes()).unwrap();
    }
    look(&mut harvest, &mut replay, Timestamp::MAX);
    harvest.finish().0
}

/// Every cell of a table; gives how many rows it has.
fn compare(catalog: &Catalog, rows: &Rows, orders: &[Order], table: &Path, day: &str) -> usize {
    let ScoreSource::Learning(classifier) = &catalog.scores[0].source else { panic!() };
    let at = Timestamp::parse(&format!("{day}T00:00:00Z")).unwrap();
    let ours: BTreeMap<&str, (&[f64], bool)> = rows
        .values()
        .enumerate()
        .filter(|(row, _)| rows.at()[*row] == at)
        .map(|(row, values)| {
            let customer = rows.customer(rows.groups()[row]).unwrap();
            (customer, (values, rows.positive()[row]))
        })
        .collect();
    // Whoever bought twice at their last instant: the table took either of the two.
    let mut lasts: BTreeMap<&str, (Timestamp, Vec<f64>)> = BTreeMap::new();
    for order in orders.iter().filter(|order| order.at < at && 0.0 < order.amount) {
        let last = lasts.entry(&order.customer).or_insert((order.at, Vec::new()));
        if last.0 < order.at {
            *last = (order.at, Vec::new());
        }
        last.1.push(order.amount);
    }
    let mut reader = csv::Reader::from_path(table).unwrap();
    let columns: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let mut count = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let cell = |name: &str| {
            let column = columns.iter().position(|column| column == name);
            let text = &record[column.unwrap_or_else(|| panic!("no column {name}"))];
            text.parse::<f64>().unwrap()
        };
        let customer = &record[0];
        let (values, positive) = ours.get(customer).unwrap_or_else(|| panic!("no {customer}"));
        for (feature, value) in classifier.features.iter().zip(*values) {
            let wanted = cell(&feature.name);
            let is_same = if &*feature.name == "last_amount" {
                let either = &lasts[customer].1;
                either.iter().any(|one| (one - wanted).abs() <= TOLERANCE)
                    && either.iter().any(|one| (one - value).abs() <= TOLERANCE)
            } else {
                (value - wanted).abs() <= TOLERANCE
            };
            assert!(is_same, "{day}, {customer}: {} is {value}, not {wanted}", feature.name);
        }
        assert_eq!(*positive, 0.5 < cell("y"), "{day}, {customer}");
        count += 1;
    }
    assert_eq!(ours.len(), count, "{day}: the same customers");
    // All columns but whose, what came of it, and what they spent then.
    assert_eq!(columns.len(), classifier.features.len() + 3);
    count
}

#[test]
fn features_of_a_music_shop_are_those_of_its_tables() {
    let Some(data) = data() else { return skip("golden features", "../shared/data is not there") };
    let text = fs::read_to_string(data.join("cdnow/CDNOW_master.txt")).unwrap();
    let mut orders: Vec<Order> = text
        .lines()
        .filter_map(|line| {
            let mut cells = line.split_whitespace();
            let customer: u32 = cells.next()?.parse().ok()?;
            let (year, day) = cells.next()?.split_at_checked(4)?;
            let (month, day) = day.split_at_checked(2)?;
            Some(Order {
                customer: customer.to_string(),
                at: Timestamp::parse(&format!("{year}-{month}-{day}T00:00:00Z"))?,
                quantity: cells.next()?.parse().ok()?,
                amount: cells.next()?.parse().ok()?,
                lines: 1,
            })
        })
        .collect();
    assert_eq!(orders.len(), 69_659);
    orders.sort_by_key(|order| order.at);
    let catalog = catalog();
    let days = ["1998-01-01", "1998-04-01"];
    let rows = rows(&catalog, &orders, &days);
    for day in days {
        let table = data.join(format!("cdnow/cdnow_pit_{day}_h90.csv"));
        assert_eq!(compare(&catalog, &rows, &orders, &table, day), 23_502);
    }
}

#[test]
fn features_of_a_gift_shop_are_those_of_its_tables() {
    let Some(data) = data() else { return skip("golden features", "../shared/data is not there") };
    let mut reader =
        csv::Reader::from_path(data.join("online_retail/online_retail_events.csv")).unwrap();
    // The lines of an invoice at one instant are one order, rounded to cents.
    let mut orders: Vec<Order> = Vec::new();
    let mut place: BTreeMap<(String, String), usize> = BTreeMap::new();
    for record in reader.records() {
        let record = record.unwrap();
        let key = (record[0].to_owned(), record[1].to_owned());
        let index = *place.entry(key).or_insert_with(|| {
            orders.push(Order {
                customer: record[2].to_owned(),
                at: Timestamp::parse(&format!("{}Z", &record[1])).unwrap(),
                amount: 0.0,
                quantity: 0,
                lines: 0,
            });
            orders.len() - 1
        });
        let order = &mut orders[index];
        let quantity: i64 = record[4].parse().unwrap();
        let price: f64 = record[5].parse().unwrap();
        order.amount += quantity as f64 * price;
        order.quantity += quantity;
        order.lines += 1;
    }
    for order in &mut orders {
        order.amount = (order.amount * 100.0).round() / 100.0;
    }
    orders.sort_by_key(|order| order.at);
    let catalog = catalog();
    let days = ["2011-06-12", "2011-07-12", "2011-09-10"];
    let rows = rows(&catalog, &orders, &days);
    for day in days {
        let table = data.join(format!("online_retail/retail_pit_{day}_h90.csv"));
        assert!(2_800 < compare(&catalog, &rows, &orders, &table, day));
    }
}
