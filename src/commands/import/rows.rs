//! From the rows of a table to events in our own shape, one JSON text each.

use std::io::Read;

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::cell;
use super::columns::{Column, Meaning, Table};
use super::rejects::Reject;

/// A table whose columns are known.
#[derive(Debug)]
pub(super) struct Rows {
    /// What its rows are.
    pub(super) table: Table,
    /// Its columns.
    pub(super) columns: Vec<Column>,
    /// The zone of times that name none.
    pub(super) zone: TimeZone,
    /// What the ids of its rows begin with.
    pub(super) origin: String,
}

/// A row in our own shape, or why it is none.
pub(super) type Row = Result<String, Reject>;

impl Rows {
    /// Looks at all cells once, to know what each column holds.
    pub(super) fn look(&mut self, records: &mut csv::Reader<impl Read>) {
        let mut record = csv::ByteRecord::new();
        // What cannot be read is refused when the rows are taken.
        while records.read_byte_record(&mut record).unwrap_or(false) {
            for (column, cell) in self.columns.iter_mut().zip(&record) {
                if let Ok(cell) = std::str::from_utf8(cell) {
                    column.guess.see(cell);
                }
            }
        }
    }

    /// Makes an event of a row. `number` is its place among the rows, from 1.
    pub(super) fn row(&self, record: &csv::ByteRecord, number: u64) -> Row {
        let reject = |reason, what: String| self.reject(record, reason, what);
        if record.len() != self.columns.len() {
            let (cells, columns) = (record.len(), self.columns.len());
            let what = format!("it has {cells} cells, the heading {columns}");
            return Err(reject("bad_row", what));
        }
        let mut row = Draft::default();
        for (column, cell) in self.columns.iter().zip(record) {
            let Ok(cell) = std::str::from_utf8(cell) else {
                let what = format!("`{}` is not UTF-8: say `--encoding gb18030`", column.heading);
                return Err(reject("not_utf8", what));
            };
            if !cell.trim().is_empty() {
                self.cell(column, cell.trim(), &mut row)
                    .map_err(|what| reject("bad_cell", what))?;
            }
        }
        self.finish(row, number, record).map_err(|what| reject("bad_row", what))
    }

    /// A row that is refused.
    pub(super) fn reject(
        &self,
        record: &csv::ByteRecord,
        reason: &'static str,
        what: String,
    ) -> Reject {
        let line = record.position().map_or(0, csv::Position::line);
        Reject { line, reason, what, row: joined(record) }
    }

    fn cell(&self, column: &Column, cell: &str, row: &mut Draft) -> Result<(), String> {
        match &column.meaning {
            Meaning::Customer => row.customer = Some(cell.to_owned()),
            Meaning::Event => row.event = Some(cell.to_owned()),
            Meaning::Id => row.id = Some(cell.to_owned()),
            Meaning::At => {
                let at = cell::instant(cell, &self.zone);
                let what = || format!("`{cell}` is not a time like `2026-03-01 12:00`");
                row.at = Some(at.ok_or_else(what)?);
            }
            Meaning::Consent(path) => {
                let answer = cell::answer(cell);
                let what = || format!("`{cell}` in `{}` is neither yes nor no", column.heading);
                let answer = Value::Bool(answer.ok_or_else(what)?);
                let whole: Vec<&str> =
                    std::iter::once("consent").chain(path.iter().map(String::as_str)).collect();
                put_consent(&mut row.values, &whole, answer)?;
            }
            Meaning::Proof(path) => {
                let whole: Vec<&str> =
                    std::iter::once("consent").chain(path.iter().map(String::as_str)).collect();
                put_consent(&mut row.values, &whole, Value::String(cell.to_owned()))?;
            }
            Meaning::Value(path) => {
                // A cell of another kind than its column cannot be: the kind was made to fit all.
                let value = cell::read(cell, column.kind(), &self.zone);
                let value = value.unwrap_or_else(|| Value::String(cell.to_owned()));
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                put(&mut row.values, &path, value)?;
            }
            Meaning::Nothing => {}
        }
        Ok(())
    }

    fn finish(&self, row: Draft, number: u64, record: &csv::ByteRecord) -> Result<String, String> {
        let customer = row.customer.ok_or("it does not say whose it is")?;
        let id = row.id.unwrap_or_else(|| self.id_of(record, number));
        let mut event = json!({ "customer": customer, "id": id });
        let Some(fields) = event.as_object_mut() else { return Err("not an object".to_owned()) };
        match self.table {
            Table::Customers => {
                fields.insert("traits".to_owned(), Value::Object(row.values));
            }
            Table::Events => {
                let name = row.event.ok_or("it does not name an event")?;
                let at = row.at.ok_or("it does not say when it happened")?;
                fields.insert("event".to_owned(), Value::String(name));
                fields.insert("at".to_owned(), Value::String(at));
                fields.insert("with".to_owned(), Value::Object(row.values));
            }
        }
        Ok(event.to_string())
    }

    /// The same row of the same file has the same id, so that a file may be imported twice.
    fn id_of(&self, record: &csv::ByteRecord, number: u64) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.origin.as_bytes());
        hasher.update(&number.to_le_bytes());
        hasher.update(record.as_slice());
        let hash = hasher.finalize().to_hex();
        format!("import-{}", hash.get(..24).unwrap_or_default())
    }
}

#[derive(Default)]
struct Draft {
    customer: Option<String>,
    event: Option<String>,
    at: Option<String>,
    id: Option<String>,
    values: Map<String, Value>,
}

/// Puts a value at the end of a path of objects.
fn put(object: &mut Map<String, Value>, path: &[&str], value: Value) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    if rest.is_empty() {
        object.insert((*first).to_owned(), value);
        return Ok(());
    }
    let inner = object.entry(*first).or_insert_with(|| Value::Object(Map::new()));
    match inner.as_object_mut() {
        Some(inner) => put(inner, rest, value),
        None => Err(format!("`{first}` is a value and an object at once")),
    }
}

/// Puts an answer, or what proves it, into the trait `consent`: where both are about one purpose, the
/// answer becomes the member `granted` beside the other.
fn put_consent(object: &mut Map<String, Value>, path: &[&str], value: Value) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    match (object.get_mut(*first), rest) {
        (Some(Value::Object(inner)), []) => {
            inner.insert("granted".to_owned(), value);
            Ok(())
        }
        (Some(Value::Object(inner)), rest) => put_consent(inner, rest, value),
        (Some(answer), [_, ..]) => {
            let granted = std::mem::take(answer);
            let mut inner = Map::from_iter([("granted".to_owned(), granted)]);
            put_consent(&mut inner, rest, value)?;
            *answer = Value::Object(inner);
            Ok(())
        }
        (None, _) | (Some(_), []) => put(object, path, value),
    }
}

/// A row as it was, to be mended and imported again.
fn joined(record: &csv::ByteRecord) -> String {
    let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
    let written = writer.write_byte_record(record).ok().and_then(|()| writer.into_inner().ok());
    String::from_utf8_lossy(written.unwrap_or_default().trim_ascii_end()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::import::columns;

    #[test]
    fn what_proves_an_answer_stands_beside_it_in_whatever_order() {
        for headings in [
            "id,consent_marketing,consent.marketing.evidence,consent_source",
            "id,consent.marketing.evidence,consent_marketing,consent_source",
        ] {
            let headings: Vec<String> = headings.split(',').map(str::to_owned).collect();
            let (table, columns) = columns::read(&headings, &[]).unwrap();
            let rows = Rows { table, columns, zone: TimeZone::UTC, origin: "a.csv".into() };
            let cells = headings.iter().map(|heading| match &**heading {
                "id" => "ada",
                "consent_marketing" => "yes",
                "consent_source" => "shop",
                _ => "doi-9",
            });
            let row = rows.row(&cells.collect::<Vec<_>>().into(), 1).ok().unwrap();
            let row: Value = serde_json::from_str(&row).unwrap();
            let marketing = json!({"granted": true, "evidence": "doi-9"});
            let wanted = json!({"consent": {"marketing": marketing, "source": "shop"}});
            assert_eq!(row["traits"], wanted);
        }
    }
}
