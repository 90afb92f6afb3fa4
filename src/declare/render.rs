//! Faults as people read them: message, place, the line with a caret, help.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};

use super::Source;
use super::fault::{Fault, Severity};

/// How faults are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// For a terminal.
    Colours,
    /// For files, logs and tests.
    Plain,
}

/// Columns of a report where the terminal does not say.
const WIDTH_COLUMNS: usize = 100;

/// Draws faults, one after the other.
pub fn render(faults: &[Fault], sources: &[Source], drawing: Drawing) -> String {
    let theme = match drawing {
        Drawing::Colours => GraphicalTheme::unicode(),
        Drawing::Plain => GraphicalTheme::none(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_width(WIDTH_COLUMNS)
        .with_context_lines(1)
        .without_syntax_highlighting();
    let mut drawn = String::new();
    for fault in faults {
        let text = sources.iter().find(|source| source.path == fault.place.file);
        let shown = Shown { fault, source: text.map(|source| named(fault, &source.text)) };
        let fits = shown.source.is_none() || shown_width(fault, text) <= LINE_CHARS_MAX;
        if !fits || handler.render_report(&mut drawn, &shown).is_err() {
            drawn.push_str(&line(fault));
            drawn.push('\n');
        }
        drawn.push('\n');
    }
    drawn
}

/// Characters of a line that is still drawn; a longer one would bury its caret.
const LINE_CHARS_MAX: usize = 400;

/// Characters of the longest of the lines that would be drawn.
fn shown_width(fault: &Fault, source: Option<&Source>) -> usize {
    let text = source.map_or("", |source| &*source.text);
    let first = (fault.place.line as usize).saturating_sub(2);
    text.lines().skip(first).take(3).map(|line| line.chars().count()).max().unwrap_or(0)
}

/// A fault on one line: `file:line:column: E012: message; help`.
pub fn line(fault: &Fault) -> String {
    let severity = match fault.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = fault.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
    let place = &fault.place;
    if place.file.is_empty() {
        return format!("{severity}[{}]: {}{help}", fault.code, fault.message);
    }
    format!(
        "{}:{}:{}: {severity}[{}]: {}{help}",
        place.file, place.line, place.column, fault.code, fault.message
    )
}

fn named(fault: &Fault, text: &Arc<str>) -> NamedSource<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A tab moves the caret: one column in the file, several on screen.
    NamedSource::new(&*fault.place.file, text.replace('\t', " "))
}

#[derive(Debug)]
struct Shown<'f> {
    fault: &'f Fault,
    source: Option<NamedSource<String>>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fault.message)
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.fault.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.fault.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.fault.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source.as_ref()?;
        let extent = self.fault.extent;
        let (start, length) = (extent.start as usize, extent.end.saturating_sub(extent.start));
        let label = LabeledSpan::new(None, start, length as usize);
        Some(Box::new(std::iter::once(label)))
    }
}
