//! The results of tests, for people and for programs.

use serde_json::{Value, json};

use super::Told;
use crate::commands::console::{BAD, Console, DIM, Error, GOOD, STRONG};
use crate::commands::plural;
use crate::rehearse::{Difference, Happening, Outcome, Report};

/// Most happenings shown under a failed test.
const HAPPENED_SHOWN: usize = 40;

/// One line per test, and under each that failed what differs and what happened.
pub(super) fn human(
    told: &Told<'_>,
    reports: &[Report],
    console: &mut Console,
) -> Result<(), Error> {
    let mut file = "";
    for report in reports {
        if *report.path != *file {
            file = &report.path;
            console.line(format!("{STRONG}{file}{STRONG:#}"))?;
        }
        match &report.outcome {
            Outcome::Passed => console.line(format!("  {GOOD}ok{GOOD:#}    {}", report.case))?,
            Outcome::Failed { differences, happened } => {
                console.line(format!("  {BAD}FAIL{BAD:#}  {}", report.case))?;
                for difference in differences {
                    differs(told, report, difference, console)?;
                }
                story(told, happened, console)?;
            }
            Outcome::Broken { extent, why } => {
                console.line(format!("  {BAD}FAIL{BAD:#}  {}", report.case))?;
                let place = told.set.place(&report.path, *extent);
                console.line(format!("        {DIM}{place}{DIM:#}"))?;
                console.line(format!("          the test cannot be run: {why}"))?;
            }
        }
    }
    console.line(summary(reports))
}

fn differs(
    told: &Told<'_>,
    report: &Report,
    difference: &Difference,
    console: &mut Console,
) -> Result<(), Error> {
    let place = told.set.place(&report.path, difference.extent);
    console.line(format!("        {DIM}{place}{DIM:#}"))?;
    console.line(format!("          expected  {}", difference.expected))?;
    console.line(format!("          found     {}", difference.found))?;
    match told.because(difference) {
        Some(because) => console.line(format!("          because   {because}")),
        None => Ok(()),
    }
}

/// Everything that happened, so that nobody has to guess.
fn story(told: &Told<'_>, happened: &[Happening], console: &mut Console) -> Result<(), Error> {
    if happened.is_empty() {
        return Ok(());
    }
    console.line(format!("        {DIM}what happened{DIM:#}"))?;
    let width = happened.iter().map(|line| line.after.to_string().len()).max().unwrap_or(0);
    let whom = happened.iter().map(|line| line.customer.len()).max().unwrap_or(0);
    for line in happened.iter().take(HAPPENED_SHOWN) {
        let after = line.after.to_string();
        let local = line.local.strftime("%a %Y-%m-%d %H:%M:%S");
        console.line(format!(
            "          +{after:<width$}  {DIM}{local}{DIM:#}  {:<whom$}  {}",
            line.customer, line.what
        ))?;
        let why = told.why(line);
        if !why.is_empty() {
            let indent = width + 40 + whom;
            console.line(format!("{:indent$}{DIM}{why}{DIM:#}", ""))?;
        }
    }
    let more = happened.len().saturating_sub(HAPPENED_SHOWN);
    if more != 0 {
        console.line(format!("          {DIM}and {more} more{DIM:#}"))?;
    }
    Ok(())
}

fn summary(reports: &[Report]) -> String {
    let failed = count_failed(reports);
    let passed = reports.len() - failed;
    let tests = plural(reports.len(), "test");
    match failed {
        0 => format!("{tests}: {GOOD}all ok{GOOD:#}"),
        _ => format!("{tests}: {passed} ok, {BAD}{failed} failed{BAD:#}"),
    }
}

pub(super) fn count_failed(reports: &[Report]) -> usize {
    reports.iter().filter(|report| !matches!(report.outcome, Outcome::Passed)).count()
}

/// The same for programs.
pub(super) fn json(told: &Told<'_>, reports: &[Report]) -> Value {
    let tests: Vec<Value> = reports.iter().map(|report| json_test(told, report)).collect();
    json!({
        "tests": tests,
        "passed": reports.len() - count_failed(reports),
        "failed": count_failed(reports),
    })
}

fn json_test(told: &Told<'_>, report: &Report) -> Value {
    let place = told.set.place(&report.path, report.extent);
    let (outcome, differences, happened) = match &report.outcome {
        Outcome::Passed => ("ok", Vec::new(), &[][..]),
        Outcome::Failed { differences, happened } => {
            let differences = differences.iter().map(|difference| {
                let place = told.set.place(&report.path, difference.extent);
                json!({
                    "line": place.line,
                    "column": place.column,
                    "expected": difference.expected,
                    "found": difference.found,
                    "because": told.because(difference),
                })
            });
            ("failed", differences.collect(), &happened[..])
        }
        Outcome::Broken { extent, why } => {
            let place = told.set.place(&report.path, *extent);
            let fault = json!({ "line": place.line, "column": place.column, "found": why });
            ("broken", vec![fault], &[][..])
        }
    };
    let happened: Vec<Value> = happened
        .iter()
        .map(|line| {
            json!({
                "at": line.at.to_string(),
                "after": line.after.to_string(),
                "customer": line.customer,
                "what": line.what.to_string(),
                "why": told.why(line),
            })
        })
        .collect();
    json!({
        "file": report.path,
        "line": place.line,
        "subject": report.subject,
        "name": report.case,
        "outcome": outcome,
        "differences": differences,
        "happened": happened,
    })
}
