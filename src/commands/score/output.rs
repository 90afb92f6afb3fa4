//! What `heedful score` writes: a table of everybody, or everything about one customer.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Scored;
use crate::commands::console::{Console, DIM, Error, Format, STRONG};
use crate::engine::catalog::ScoreSource;
use crate::engine::customer::CustomerState;
use crate::engine::health::Contribution;
use crate::engine::time::Timestamp;

/// A table under way.
pub(super) struct Table<'c> {
    writer: csv::Writer<Box<dyn Write + 'c>>,
    path: Option<PathBuf>,
    rows: u64,
}

impl<'c> Table<'c> {
    /// In a file, or on standard output.
    pub(super) fn open(path: Option<&Path>, console: &'c mut Console) -> Result<Self, Error> {
        let inner: Box<dyn Write> = match path {
            Some(path) => {
                let file = File::create(path).map_err(|source| Error::write(path, source))?;
                Box::new(BufWriter::new(file))
            }
            None => Box::new(console.writer()),
        };
        let path = path.map(Path::to_owned);
        let mut table = Self { writer: csv::Writer::from_writer(inner), path, rows: 0 };
        table.write(["customer", "model", "value", "band", "reasons"])?;
        Ok(table)
    }

    /// One score of one customer.
    pub(super) fn row(&mut self, state: &CustomerState, scored: &Scored<'_>) -> Result<(), Error> {
        let value = scored.value.map(|value| value.to_string()).unwrap_or_default();
        let reasons: Vec<&str> = scored.reasons().map(|part| &*part.plain).collect();
        let (band, reasons) = (scored.band.unwrap_or_default(), reasons.join("; "));
        self.rows += 1;
        self.write([state.id.as_str(), &scored.model.name, &value, band, &reasons])
    }

    /// Ends it; how many rows it has.
    pub(super) fn close(mut self) -> Result<u64, Error> {
        let flushed = self.writer.flush();
        flushed.map_err(|source| self.failed(source))?;
        Ok(self.rows)
    }

    fn write(&mut self, cells: [&str; 5]) -> Result<(), Error> {
        self.writer.write_record(cells).map_err(|error| {
            let source = match error.into_kind() {
                csv::ErrorKind::Io(source) => source,
                _ => io::Error::other("a row has other columns"),
            };
            self.failed(source)
        })
    }

    fn failed(&self, source: io::Error) -> Error {
        match &self.path {
            Some(path) => Error::write(path, source),
            None => Error::from(source),
        }
    }
}

/// Tells of one customer where every part of each score comes from.
pub(super) fn explain(
    state: &CustomerState,
    scored: &[Scored<'_>],
    now: Timestamp,
    format: Format,
    console: &mut Console,
) -> Result<(), Error> {
    if format == Format::Json {
        let scores: Vec<_> = scored.iter().map(as_json).collect();
        return console.json(&json!({
            "customer": state.id.as_str(), "at": now.to_string(), "scores": scores,
        }));
    }
    console.line(format!("{STRONG}{}{STRONG:#} at {now}", state.id))?;
    for scored in scored {
        let (name, band) = (&scored.model.name, scored.band.map(|band| format!(" ({band})")));
        let band = band.unwrap_or_default();
        console.line("")?;
        match scored.value {
            Some(value) => console.line(format!("{STRONG}{name}{STRONG:#}  {value}{band}"))?,
            None => console.line(format!("{STRONG}{name}{STRONG:#}  {}", silence(scored)))?,
        }
        if let ScoreSource::StandIn(stand_in) = &scored.model.source {
            let why = &stand_in.why;
            console.line(format!("  {DIM}the scorecard speaks for the model: {why}{DIM:#}"))?;
        }
        if let Some(average) = scored.average {
            console
                .line(format!("  {average:>+7.3}  {DIM}the average customer, in logits{DIM:#}"))?;
        }
        for part in &scored.parts {
            console.line(line(scored, part))?;
        }
        if let (Some(average), Some(_)) = (scored.average, scored.value) {
            let sum = scored.parts.iter().fold(average, |sum, part| sum + part.contribution);
            console.line(format!("  {sum:>+7.3}  {DIM}together{DIM:#}"))?;
        }
        if let Some(value) = scored.challenger {
            let why = "says the challenger, which no trigger hears";
            console.line(format!("  {value:>7}  {DIM}{why}{DIM:#}"))?;
        }
    }
    Ok(())
}

/// Why there is no value.
fn silence(scored: &Scored<'_>) -> &'static str {
    match scored.model.source {
        ScoreSource::Learned(_) | ScoreSource::StandIn(_) => "the model does not judge them now",
        ScoreSource::Scorecard(_) => "nothing that it measures is known",
        ScoreSource::Pushed | ScoreSource::Learning(_) => "nothing came",
    }
}

fn line(scored: &Scored<'_>, part: &Contribution) -> String {
    let plain = &part.plain;
    match scored.model.source {
        ScoreSource::Learned(_) => format!("  {:>+7.3}  {plain}", part.contribution),
        ScoreSource::Scorecard(_)
        | ScoreSource::StandIn(_)
        | ScoreSource::Pushed
        | ScoreSource::Learning(_) => {
            let points = part.points.map_or("-".to_owned(), |points| format!("{points:.0}"));
            format!("  {points:>7}  {plain}")
        }
    }
}

fn as_json(scored: &Scored<'_>) -> serde_json::Value {
    let part = |part: &Contribution| {
        json!({
            "name": part.measure, "value": part.value, "points": part.points, "weight": part.weight,
            "contribution": part.contribution, "plain": part.plain,
        })
    };
    json!({
        "model": scored.model.name, "value": scored.value, "band": scored.band,
        "average": scored.average, "challenger": scored.challenger,
        "parts": scored.parts.iter().map(part).collect::<Vec<_>>(),
    })
}
