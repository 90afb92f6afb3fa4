//! The results of tests as `JUnit` XML, which every CI system can show.

use std::fmt::Write;

use super::Told;
use crate::rehearse::{Outcome, Report};

/// One suite per file.
pub(super) fn write(told: &Told<'_>, reports: &[Report]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let failed = super::output::count_failed(reports);
    xml.push_str(&format!("<testsuites tests=\"{}\" failures=\"{failed}\">\n", reports.len()));
    for suite in reports.chunk_by(|left, right| left.path == right.path) {
        let Some(first) = suite.first() else { continue };
        let failed = super::output::count_failed(suite);
        let name = escape(&first.path);
        let count = suite.len();
        xml.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{count}\" failures=\"{failed}\">\n"
        ));
        for report in suite {
            case(told, report, &mut xml);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(told: &Told<'_>, report: &Report, xml: &mut String) {
    let line = told.set.place(&report.path, report.extent).line;
    xml.push_str(&format!(
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{line}\"",
        escape(&report.subject),
        escape(&report.case),
        escape(&report.path),
    ));
    let Some((message, text)) = failure(told, report) else {
        xml.push_str("/>\n");
        return;
    };
    xml.push_str(&format!(
        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
        escape(&message),
        escape(&text),
    ));
}

/// The first difference in a sentence, and everything.
fn failure(told: &Told<'_>, report: &Report) -> Option<(String, String)> {
    match &report.outcome {
        Outcome::Passed => None,
        Outcome::Broken { extent, why } => {
            let place = told.set.place(&report.path, *extent);
            Some((why.clone(), format!("{place}: {why}")))
        }
        Outcome::Failed { differences, happened } => {
            let first = differences.first()?;
            let message = format!("expected {}, found {}", first.expected, first.found);
            let mut text = String::new();
            for difference in differences {
                let place = told.set.place(&report.path, difference.extent);
                let expected = &difference.expected;
                // Writing to a `String` cannot fail.
                let _infallible =
                    writeln!(text, "{place}: expected {expected}, found {}", difference.found);
            }
            for line in happened {
                let (after, customer, what) = (line.after, &line.customer, &line.what);
                let _infallible = writeln!(text, "+{after} {customer} {what} {}", told.why(line));
            }
            Some((message, text))
        }
    }
}

/// XML knows no way to write most control characters, so they are left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}
