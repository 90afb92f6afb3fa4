//! Purchases as rows: what was known of each customer at a moment, and whether he came again.
//!
//! The columns are those of the point-in-time tables beside the events; a difference is an error.

use std::collections::BTreeMap;

use heedful::stats::table::{Column, Table};

use crate::Fallible;
use crate::rows::{Cells, folder};

/// Days in which a customer must come again.
pub(crate) const HORIZON: i32 = 90;
/// Windows of counts and amounts, in days.
const WINDOWS: [i32; 6] = [7, 14, 30, 60, 90, 180];

/// One purchase (amount above 0) or return.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purchase {
    customer: u32,
    /// Days since 1970, with fractions.
    at: f64,
    amount: f64,
    quantity: f64,
    lines: f64,
}

/// The day number of a date, days since 1970 (Hinnant's algorithm, public domain).
pub(crate) fn day(year: i32, month: i32, date: i32) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + date - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

pub(crate) fn cdnow() -> Fallible<Vec<Purchase>> {
    let text = std::fs::read_to_string(folder()?.join("cdnow/CDNOW_master.txt"))?;
    let mut purchases = Vec::new();
    for line in text.lines().skip(1) {
        let [customer, date, quantity, amount] = *line.split_whitespace().collect::<Vec<_>>()
        else {
            continue;
        };
        let date: i32 = date.parse()?;
        let at = f64::from(day(date / 10_000, date / 100 % 100, date % 100));
        let (customer, amount, quantity) = (customer.parse()?, amount.parse()?, quantity.parse()?);
        purchases.push(Purchase { customer, at, amount, quantity, lines: 1.0 });
    }
    Ok(purchases)
}

/// Invoices of the online retailer; the lines of one invoice at one moment are one purchase.
pub(crate) fn retail() -> Fallible<Vec<Purchase>> {
    let cells = Cells::read("online_retail/online_retail_events.csv")?;
    let texts = [cells.texts("invoice")?, cells.texts("ts")?, cells.texts("customer_id")?];
    let [invoices, times, customers] = texts;
    let (quantities, prices) = (cells.numbers("quantity")?, cells.numbers("unit_price")?);
    let mut orders: BTreeMap<(&str, &str, &str, bool), Purchase> = BTreeMap::new();
    let keys = invoices.iter().zip(times).zip(customers);
    for (((invoice, time), customer), (quantity, price)) in keys.zip(quantities.iter().zip(&prices))
    {
        let amount = quantity * price;
        if amount == 0.0 {
            continue;
        }
        let number = |range: std::ops::Range<usize>| -> Fallible<i32> {
            Ok(time.get(range).ok_or("a time is too short")?.parse()?)
        };
        let seconds = number(11..13)? * 3_600 + number(14..16)? * 60 + number(17..19)?;
        let day = day(number(0..4)?, number(5..7)?, number(8..10)?);
        let at = f64::from(day) + f64::from(seconds) / 86_400.0;
        let customer_number = customer.parse()?;
        let key = (&**customer, &**time, &**invoice, 0.0 < amount);
        let order = orders.entry(key).or_insert(Purchase {
            customer: customer_number,
            at,
            amount: 0.0,
            quantity: 0.0,
            lines: 0.0,
        });
        order.amount += amount;
        order.quantity += quantity;
        order.lines += 1.0;
    }
    Ok(orders.into_values().collect())
}

/// The rows of some moments (days, labels known 90 days later), oldest first.
pub(crate) fn rolling(purchases: &[Purchase], days: &[i32]) -> Table {
    let mut histories: BTreeMap<u32, Vec<Purchase>> = BTreeMap::new();
    for purchase in purchases {
        histories.entry(purchase.customer).or_default().push(*purchase);
    }
    for history in histories.values_mut() {
        history.sort_by(|left, right| left.at.total_cmp(&right.at));
    }
    let mut table = Table::default();
    let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
    for day in days {
        for (customer, history) in &histories {
            let Some((row, label)) = row(history, *day) else { continue };
            if columns.is_empty() {
                columns = row.iter().map(|(name, _)| (name.clone(), Vec::new())).collect();
            }
            for ((_, column), (_, value)) in columns.iter_mut().zip(row) {
                column.push(value);
            }
            table.labels.push(label);
            table.groups.push(*customer);
            table.days.push(*day);
        }
    }
    table.columns =
        columns.into_iter().map(|(name, values)| Column::numbers(&name, values)).collect();
    table
}

/// What is known of a customer at the beginning of a day, and 1 if he did not come again.
fn row(history: &[Purchase], day: i32) -> Option<(Vec<(String, f64)>, f64)> {
    let now = f64::from(day);
    let known: Vec<&Purchase> = history.iter().filter(|p| 0.0 < p.amount && p.at < now).collect();
    let (first, last) = (known.first()?, known.last()?);
    let end = now + f64::from(HORIZON);
    let again = history.iter().any(|p| 0.0 < p.amount && now <= p.at && p.at < end);
    let sum = |of: fn(&Purchase) -> f64| known.iter().map(|purchase| of(purchase)).sum::<f64>();
    let count = sum(|_| 1.0);
    let mut days: Vec<f64> = known.iter().map(|purchase| purchase.at.floor()).collect();
    days.dedup();
    let active = days.iter().map(|_| 1.0).sum::<f64>();
    let (recency, tenure) = ((now - last.at).floor(), (now - first.at).floor());
    let mut row = vec![
        ("recency".to_owned(), recency),
        ("tenure".to_owned(), tenure),
        ("orders".to_owned(), count),
        ("monetary".to_owned(), sum(|p| p.amount)),
        ("avg_amount".to_owned(), sum(|p| p.amount) / count),
        ("max_amount".to_owned(), known.iter().map(|p| p.amount).fold(0.0, f64::max)),
        ("qty".to_owned(), sum(|p| p.quantity)),
        ("lines".to_owned(), sum(|p| p.lines)),
        ("days_active".to_owned(), active),
    ];
    let within = |days: i32, of: fn(&Purchase) -> f64| {
        let recent = known.iter().filter(|p| now - f64::from(days) <= p.at);
        recent.map(|purchase| of(purchase)).sum::<f64>()
    };
    for window in WINDOWS {
        row.push((format!("orders_{window}"), within(window, |_| 1.0)));
        row.push((format!("amt_{window}"), within(window, |p| p.amount)));
    }
    let (month, before) = (within(30, |_| 1.0), within(60, |_| 1.0) - within(30, |_| 1.0));
    row.push(("orders_30_60".to_owned(), before));
    let returns = history.iter().filter(|p| p.amount < 0.0 && p.at < now);
    row.push(("returns".to_owned(), returns.map(|_| 1.0).sum()));
    let gaps: Vec<f64> = known.iter().zip(known.iter().skip(1)).map(|(a, b)| b.at - a.at).collect();
    let mean = if gaps.is_empty() { tenure } else { gaps.iter().sum::<f64>() / (count - 1.0) };
    let squares: f64 = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum();
    let deviation = if gaps.len() < 2 { 0.0 } else { (squares / (count - 2.0)).sqrt() };
    let longest = if gaps.is_empty() { tenure } else { gaps.iter().copied().fold(0.0, f64::max) };
    row.extend([
        ("gap_mean".to_owned(), mean),
        ("gap_sd".to_owned(), deviation),
        ("gap_max".to_owned(), longest),
        ("rec_over_gap".to_owned(), recency / (mean + 1.0)),
        ("rate".to_owned(), count / (tenure + 1.0)),
        ("trend".to_owned(), (month + 0.5) / (before + 0.5)),
        ("last_amount".to_owned(), last.amount),
        ("bg_x".to_owned(), active - 1.0),
        ("bg_tx".to_owned(), last.at.floor() - first.at.floor()),
        ("bg_T".to_owned(), now - first.at.floor()),
    ]);
    Some((row, if again { 0.0 } else { 1.0 }))
}
