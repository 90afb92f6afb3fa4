//! Appends outreach to tables that somebody works through: a file of CSV for each day, a line for
//! each decision, on disk when it is said to be, and once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use super::channel::Channel;
use super::outcome::CallResult;
use crate::config::CsvConfig;
use crate::engine::time::Timestamp;
use crate::sheet::cell;
use crate::store::record::OutboxRow;

/// The columns.
const HEAD: &str = "id,decided_at,expires_at,customer,address,trigger,purpose,locale,offer,arm,title,subject,\
                    body,other\r\n";
/// Bytes looked at in one go for the last end of a line.
const LOOK_BYTES: u64 = 64 * 1024;

/// A folder of tables.
#[derive(Debug)]
pub struct Tables {
    folder: PathBuf,
    name: String,
    /// One writer at a time, and the file that it wrote to last.
    open: Arc<Mutex<Option<Open>>>,
}

/// A file at whose end the next line goes.
#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Tables {
    /// Makes the folder.
    ///
    /// # Errors
    /// Why it cannot be made or written to.
    pub fn new(name: &str, config: &CsvConfig) -> Result<Self, String> {
        let folder = config.folder.clone();
        let shown = folder.display().to_string();
        let unusable = |error: io::Error| format!("the folder `{shown}` cannot be used: {error}");
        fs::create_dir_all(&folder).map_err(unusable)?;
        let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let name = name.chars().map(safe).collect();
        Ok(Self { folder, name, open: Arc::default() })
    }

    /// The file of a row: by when it was decided, so that it is the same at every attempt.
    fn path(&self, row: &OutboxRow) -> PathBuf {
        let at = Timestamp::from_millis(row.decided_at_ms).to_string();
        let day = at.split('T').next().unwrap_or_default();
        self.folder.join(format!("{}-{day}.csv", self.name))
    }
}

impl Channel for Tables {
    fn call<'a>(&'a self, row: &'a OutboxRow, _: Timestamp) -> BoxFuture<'a, CallResult> {
        let (path, line) = (self.path(row), line(row));
        let (open, id, attempt) = (Arc::clone(&self.open), row.decision.clone(), row.attempt);
        Box::pin(async move {
            let append = move || {
                // What a panic left half done is opened and looked at anew.
                let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
                append(&mut open, &path, &line, (&id, attempt))
            };
            let ended = |error| CallResult::Unknown { why: format!("the writer ended: {error}") };
            tokio::task::spawn_blocking(append).await.unwrap_or_else(ended)
        })
    }
}

/// Appends a line, unless an earlier attempt did.
fn append(
    open: &mut Option<Open>,
    path: &Path,
    line: &str,
    (id, attempt): (&str, u32),
) -> CallResult {
    let not_sent = |why: String| CallResult::NotSent { why, not_before: None };
    let said = |error: &io::Error| format!("`{}`: {error}", path.display());
    let known = open.take().filter(|known| known.path == path && path.exists());
    let mut table = match known.map_or_else(|| Open::at(path), Ok) {
        Ok(table) => table,
        Err(error) => return not_sent(said(&error)),
    };
    // The first attempt of a decision is begun with it: only a further one can find its line.
    if 1 < attempt {
        match holds(path, id) {
            Ok(false) => {}
            Ok(true) => {
                return match table.file.sync_data() {
                    Ok(()) => CallResult::Delivered,
                    Err(error) => CallResult::Unknown { why: said(&error) },
                };
            }
            Err(error) => return not_sent(said(&error)),
        }
    }
    if let Err(error) = table.file.write_all(line.as_bytes()) {
        // What was written of it is taken back; the file is looked at anew before the next line.
        return match table.file.set_len(table.length) {
            Ok(()) => not_sent(said(&error)),
            Err(_) => CallResult::Unknown { why: said(&error) },
        };
    }
    if let Err(error) = table.file.sync_data() {
        return CallResult::Unknown { why: said(&error) };
    }
    table.length += line.len() as u64;
    *open = Some(table);
    CallResult::Delivered
}

impl Open {
    /// Opens a table at the end of its last whole line; a new one gets its head.
    fn at(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let mut length = whole_lines(&mut file)?;
        file.set_len(length)?;
        if length == 0 {
            file.write_all(HEAD.as_bytes())?;
            length = HEAD.len() as u64;
            file.sync_all()?;
            // A file whose name is lost is lost itself.
            File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        }
        Ok(Self { path: path.to_owned(), file, length })
    }
}

/// Bytes up to the end of the last whole line: one that a crash cut off is no line.
fn whole_lines(file: &mut File) -> io::Result<u64> {
    let mut end = file.seek(SeekFrom::End(0))?;
    while 0 < end {
        let start = end.saturating_sub(LOOK_BYTES);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        Read::by_ref(file).take(end - start).read_to_end(&mut bytes)?;
        if let Some(place) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + place as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Whether a table has the line of a decision. A line is one line of the file, whatever it says.
fn holds(path: &Path, id: &str) -> io::Result<bool> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? != 0 {
        let is_it = line.strip_prefix(id.as_bytes()).is_some_and(|rest| rest.starts_with(b","));
        if is_it && line.ends_with(b"\n") {
            return Ok(true);
        }
        line.clear();
    }
    Ok(false)
}

/// A row as one line.
fn line(row: &OutboxRow) -> String {
    let instant = |millis| Timestamp::from_millis(millis).to_string();
    let own = ["title", "subject", "body"];
    let field = |name: &str| {
        let found = row.content.iter().find(|field| field.name == name);
        found.map_or("", |field| &field.text)
    };
    let others = row.content.iter().filter(|field| !own.contains(&field.name.as_str()));
    let others: serde_json::Map<String, serde_json::Value> =
        others.map(|field| (field.name.clone(), field.text.clone().into())).collect();
    let others =
        if others.is_empty() { String::new() } else { serde_json::Value::from(others).to_string() };
    let (decided, expires) = (instant(row.decided_at_ms), instant(row.expires_at_ms));
    let cells = [
        &row.decision,
        &decided,
        &expires,
        &row.customer,
        row.address.as_deref().unwrap_or_default(),
        &row.trigger,
        &row.purpose,
        &row.locale,
        row.offer.as_deref().unwrap_or_default(),
        row.arm.as_deref().unwrap_or_default(),
        field("title"),
        field("subject"),
        field("body"),
        &others,
    ];
    // One line of the file each: a break inside a cell would hide where a torn line begins.
    let cells = cells.map(|text| cell(&text.replace("\r\n", " ").replace(['\r', '\n'], " ")));
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::tests::row;
    use crate::store::record::Field;

    fn field(name: &str, text: &str) -> Field {
        Field { name: name.to_owned(), text: text.to_owned() }
    }

    fn tables(folder: &Path) -> Tables {
        Tables::new("care list", &CsvConfig { folder: folder.to_owned() }).unwrap()
    }

    fn numbered(number: u8, attempt: u32) -> OutboxRow {
        let decision = format!("{number:02x}").repeat(16);
        let content =
            vec![field("title", "=1+1"), field("body", "Call,\r\nplease"), field("x", "y")];
        OutboxRow { decision, attempt, content, ..row() }
    }

    async fn call(tables: &Tables, row: &OutboxRow) -> CallResult {
        tables.call(row, Timestamp::MIN).await
    }

    fn only_file(folder: &Path) -> PathBuf {
        let mut all = fs::read_dir(folder).unwrap();
        let path = all.next().unwrap().unwrap().path();
        assert!(all.next().is_none());
        path
    }

    #[tokio::test]
    async fn a_line_for_each_decision_below_a_head_and_no_formula() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("made/here");
        let tables = tables(&place);
        for number in [1, 2] {
            assert_eq!(call(&tables, &numbered(number, 1)).await, CallResult::Delivered);
        }
        let path = only_file(&place);
        assert_eq!(path.file_name().unwrap(), "care_list-2026-03-01.csv");
        let text = fs::read_to_string(&path).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().len(), 14);
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(&rows[1][0], "02".repeat(16));
        assert_eq!((&rows[1][3], &rows[1][10], &rows[1][12]), ("ada", "'=1+1", "Call, please"));
        assert_eq!(&rows[1][13], r#"{"x":"y"}"#);
        let tomorrow =
            OutboxRow { decided_at_ms: row().decided_at_ms + 86_400_000, ..numbered(3, 1) };
        assert_eq!(call(&tables, &tomorrow).await, CallResult::Delivered);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 2, "each day has its own");
        // And yesterday's is yesterday's, also when today's has begun.
        assert_eq!(call(&tables, &numbered(4, 1)).await, CallResult::Delivered);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4);
        // What a line that fails would leave there is cut off behind the last whole one.
        let length = tables.open.lock().unwrap().as_ref().map(|open| open.length);
        assert_eq!(length, Some(text.len() as u64));
    }

    #[tokio::test]
    async fn what_was_under_way_is_found_and_not_written_twice() {
        let folder = tempfile::tempdir().unwrap();
        for number in [1, 2] {
            call(&tables(folder.path()), &numbered(number, 1)).await;
        }
        let path = only_file(folder.path());
        let before = fs::read_to_string(&path).unwrap();
        // After a restart: the line is there.
        let again = tables(folder.path());
        for number in [1, 2] {
            assert_eq!(call(&again, &numbered(number, 2)).await, CallResult::Delivered);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        let short = OutboxRow { decision: "01".to_owned(), ..numbered(1, 2) };
        assert!(matches!(holds(&path, &short.decision), Ok(false)), "it is another's beginning");
        // It was cut off: what is left of it goes, and it is written whole.
        let torn = before.len() - 9;
        fs::write(&path, before.get(..torn).unwrap()).unwrap();
        assert_eq!(call(&tables(folder.path()), &numbered(2, 2)).await, CallResult::Delivered);
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
        // Even its head may be.
        fs::write(&path, HEAD.get(..20).unwrap()).unwrap();
        for (number, attempt) in [(1, 2), (2, 1)] {
            let tables = tables(folder.path());
            assert_eq!(call(&tables, &numbered(number, attempt)).await, CallResult::Delivered);
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), before);
    }

    #[tokio::test]
    async fn a_file_that_somebody_took_away_is_made_anew_and_no_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let tables = tables(folder.path());
        call(&tables, &numbered(1, 1)).await;
        let path = only_file(folder.path());
        fs::remove_file(&path).unwrap();
        assert_eq!(call(&tables, &numbered(2, 1)).await, CallResult::Delivered);
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
        fs::remove_dir_all(folder.path()).unwrap();
        assert_eq!(call(&tables, &numbered(3, 1)).await.word(), "retry");
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Tables::new("x", &CsvConfig { folder: file.path().to_owned() }).unwrap_err();
        assert!(error.contains("cannot be used"), "{error}");
    }
}
