//! What a replay found, for people and for programs.

use std::time::Duration;

use serde_json::{Value, json};

use super::RefusedLine;
use crate::commands::console::{Console, DIM, Error, STRONG, WARM};
use crate::engine::decision::{Reason, VerdictKind};
use crate::store::view::Funnel;
use crate::worker::replay::Report;

/// Counts by trigger, verdict and reason, then the hashes and the rate.
pub(super) fn human(
    report: &Report,
    refused: &[RefusedLine],
    elapsed: Duration,
    console: &mut Console,
) -> Result<(), Error> {
    let (events, customers) = (grouped(report.applied), grouped(report.customers));
    console.line(format!("{events} events of {customers} customers, until {}", report.last_at))?;
    if report.duplicates != 0 {
        console.line(format!("{} of them came twice", grouped(report.duplicates)))?;
    }
    for (reason, count) in &report.refused {
        console.line(format!("{WARM}{} refused{WARM:#}: {reason}", grouped(*count)))?;
    }
    for line in refused {
        console.line(format!("  {DIM}line {}: {}{DIM:#}", line.number, line.what))?;
    }
    for funnel in report.funnels.values() {
        one(report, funnel, console)?;
    }
    if report.funnels.is_empty() {
        console.line("\nno trigger matched")?;
    }
    console.line(format!("\ndecisions  {}", report.decisions_hash))?;
    console.line(format!("state      {}", report.state_hash))?;
    let seconds = elapsed.as_secs_f64();
    let rate = per_second(report.applied, elapsed);
    console.line(format!("{DIM}{seconds:.1} s, {} events a second{DIM:#}", grouped(rate)))
}

/// A trigger: where its matches ended up, and every verdict on the way there.
fn one(report: &Report, funnel: &Funnel, console: &mut Console) -> Result<(), Error> {
    let name = &funnel.trigger;
    console.line(format!("\n{STRONG}{name}{STRONG:#}  {} matched", grouped(funnel.matched)))?;
    for kind in VerdictKind::ALL {
        let standing = funnel.standing(kind);
        let rulings: Vec<(Option<Reason>, u64)> = report
            .rulings
            .iter()
            .filter(|((trigger, verdict, _), _)| trigger == name && *verdict == kind)
            .map(|((_, _, reason), count)| (*reason, *count))
            .collect();
        if standing == 0 && rulings.is_empty() {
            continue;
        }
        console.line(format!("  {:>12} {}", grouped(standing), kind.as_str()))?;
        for (reason, count) in rulings {
            if let Some(reason) = reason {
                let count = grouped(count);
                console.line(format!("  {DIM}{count:>16} {}{DIM:#}", reason.as_str()))?;
            }
        }
    }
    Ok(())
}

/// The same for programs.
pub(super) fn json(report: &Report, elapsed: Duration) -> Value {
    let rulings: Vec<Value> = report
        .rulings
        .iter()
        .map(|((trigger, verdict, reason), count)| {
            json!({
                "trigger": trigger,
                "verdict": verdict.as_str(),
                "reason": reason.map(Reason::as_str),
                "count": count,
            })
        })
        .collect();
    json!({
        "events": report.applied,
        "duplicates": report.duplicates,
        "refused": report.refused,
        "customers": report.customers,
        "until": report.last_at.to_string(),
        "triggers": report.funnels.values().collect::<Vec<_>>(),
        "rulings": rulings,
        "decisions": report.decisions_hash.to_string(),
        "state": report.state_hash.to_string(),
        "seconds": elapsed.as_secs_f64(),
    })
}

fn per_second(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000) / millis
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
