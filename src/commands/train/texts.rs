//! Learning what texts mean: from files of labelled rows to a model, its card, and what is said.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Args, output, write_both};
use crate::commands::console::{Console, Error, Format, STRONG, WARM};
use crate::commands::{Ending, lines, progress};
use crate::engine::reading::Reader;
use crate::learn::texts::card::{self, measures};
use crate::learn::texts::{Gathering, TextLesson, TextRefusal, TextWish, learn};
use crate::stats::interval::Interval;

/// Rows at most.
const ROWS_MAX: usize = 500_000;
/// The mark that some programs put before a text in UTF-8.
const MARK: &str = "\u{feff}";

/// Learns a model of texts.
///
/// # Errors
/// When files cannot be read or written.
pub(super) fn run(
    args: &Args,
    reader: &Reader,
    (model, card): (&Path, &Path),
    console: &mut Console,
) -> Result<Ending, Error> {
    fits(args)?;
    let mut gathering = Gathering::new(reader);
    let mut refused = 0;
    for path in &args.rows {
        refused += file(path, reader, &mut gathering)?;
    }
    let labelled = gathering.settle().map_err(|labels| TextRefusal::Strange {
        labels,
        known: reader.lesson.said.iter().flatten().cloned().collect(),
    });
    let bar = progress::over_parts("learning");
    let wish = TextWish { seed: args.seed, trusted: args.trust.clone() };
    let mut part = |part: f64| progress::set_part(&bar, part);
    let lesson = labelled.and_then(|labelled| learn(reader, &labelled, &wish, &mut part));
    bar.finish_and_clear();
    let lesson = match lesson {
        Ok(lesson) => lesson,
        Err(refusal) => {
            not_learned(&args.model, &refusal, args.format, console)?;
            return Ok(Ending::Faults);
        }
    };
    let text = lesson.content.to_text();
    let text = text.map_err(|why| Error::refused(why.to_string(), ""))?;
    if !args.dry_run {
        let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
        write_both((model, &text), (card, &card::card(&lesson, reader, &hash)))?;
    }
    let written = (!args.dry_run).then_some((model, card));
    match args.format {
        Format::Human => human(&lesson, reader, refused, written, console)?,
        Format::Json => console.json(&as_json(&lesson, reader, refused, written))?,
    }
    Ok(Ending::Clean)
}

/// What has no meaning for texts is refused, not passed over.
fn fits(args: &Args) -> Result<(), Error> {
    let what = if !args.events.is_empty() {
        "it learns from labelled texts, not from events"
    } else if args.challenger.is_some() || args.beside.is_some() || args.promote {
        "models of texts have one method and no challenger"
    } else if args.rows.is_empty() {
        "it learns from labelled texts"
    } else {
        return Ok(());
    };
    let help = format!("bring a table or NDJSON: `heedful train {} --rows FILE`", args.model);
    Err(Error::refused(format!("`{}` reads texts: {what}", args.model), help))
}

/// Takes the rows of a file; gives how many could not be read.
fn file(path: &Path, reader: &Reader, gathering: &mut Gathering<'_>) -> Result<u64, Error> {
    let size = std::fs::metadata(path).map_err(|source| Error::read(path, source))?.len();
    let bar = progress::over_bytes(size, "reading");
    let mut text = Vec::new();
    let failed = |source| Error::read(path, source);
    lines::open(path, &bar)?.read_to_end(&mut text).map_err(failed)?;
    bar.finish_and_clear();
    let text = String::from_utf8(text).map_err(|_| {
        let what = format!("`{}` is not in UTF-8", path.display());
        Error::refused(what, "convert it: `iconv -f gb18030 -t utf-8`")
    })?;
    let text = text.strip_prefix(MARK).unwrap_or(&text);
    let refused = match kind(path, text) {
        Kind::Table(delimiter) => table(path, text, delimiter, reader, gathering)?,
        Kind::Lines => of_lines(text, reader, gathering),
    };
    if ROWS_MAX < gathering.len() {
        let what = format!("there are more than {ROWS_MAX} labelled texts");
        return Err(Error::refused(what, "bring a part of them"));
    }
    Ok(refused)
}

/// What a file is made of.
enum Kind {
    Table(u8),
    Lines,
}

fn kind(path: &Path, text: &str) -> Kind {
    let name = path.with_extension("");
    let inner = if path.extension().is_some_and(|it| it == "gz") { &name } else { path };
    match inner.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Kind::Table(b','),
        Some("tsv") => Kind::Table(b'\t'),
        Some("ndjson" | "jsonl" | "json") => Kind::Lines,
        _ if text.trim_start().starts_with('{') => Kind::Lines,
        _ => Kind::Table(b','),
    }
}

fn table(
    path: &Path,
    text: &str,
    delimiter: u8,
    reader: &Reader,
    gathering: &mut Gathering<'_>,
) -> Result<u64, Error> {
    let mut builder = csv::ReaderBuilder::new();
    let mut records = builder.delimiter(delimiter).from_reader(text.as_bytes());
    let broken = |error: csv::Error| {
        Error::refused(format!("`{}` is no table: {error}", path.display()), "")
    };
    let headings: Vec<String> =
        records.headers().map_err(broken)?.iter().map(|own| own.trim().to_owned()).collect();
    let place = |column: &str| {
        headings.iter().position(|own| own == column).ok_or_else(|| {
            let what = format!("`{}` has no column `{column}`", path.display());
            let known = headings.join("`, `");
            let help =
                format!("it has `{known}`: say `learn: {{columns: {{text: ..., label: ...}}}}`");
            Error::refused(what, help)
        })
    };
    let (of_text, of_label) = (place(&reader.lesson.text)?, place(&reader.lesson.label)?);
    let mut refused = 0;
    for record in records.records() {
        match record {
            Ok(record) => gathering.add(
                record.get(of_text).unwrap_or_default(),
                record.get(of_label).unwrap_or_default(),
            ),
            Err(_) => refused += 1,
        }
    }
    Ok(refused)
}

fn of_lines(text: &str, reader: &Reader, gathering: &mut Gathering<'_>) -> u64 {
    let mut refused = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match serde_json::from_str::<Map<String, Value>>(line) {
            Ok(row) => gathering
                .add(&word(row.get(&*reader.lesson.text)), &word(row.get(&*reader.lesson.label))),
            Err(_) => refused += 1,
        }
    }
    refused
}

fn word(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => value.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

fn human(
    lesson: &TextLesson,
    reader: &Reader,
    refused: u64,
    written: Option<(&Path, &Path)>,
    console: &mut Console,
) -> Result<(), Error> {
    let (from, passed) = (&lesson.content.learned_from, &lesson.passed);
    let each = reader.classes.iter().zip(&from.classes);
    let each: Vec<String> = each.map(|(class, rows)| format!("{rows} {class}")).collect();
    let (rows, texts) = (from.rows, from.texts);
    console.line(format!("{rows} rows, {texts} different texts: {}", each.join(", ")))?;
    let odd = [
        (refused, "rows could not be read"),
        (passed.short as u64, "rows have no text that is long enough"),
        (passed.unlabelled as u64, "rows have no label"),
        (passed.contradicted as u64, "texts have several labels"),
    ];
    for (count, what) in odd.into_iter().filter(|(count, _)| *count != 0) {
        console.line(format!("{WARM}{count} {what}{WARM:#}"))?;
    }
    console.line(format!(
        "\n{STRONG}each text judged by a model that did not learn from it, nor from one that says the \
         same{STRONG:#}"
    ))?;
    let judgement = &lesson.judgement;
    let compared_with = [
        ("accuracy of the commonest", judgement.accuracy_of_commonest, 3),
        ("log-loss of the rate alone", judgement.log_loss_of_rate, 4),
    ];
    output::quality(measures(lesson), &compared_with, console)?;
    output::places(written, console)
}

fn as_json(
    lesson: &TextLesson,
    reader: &Reader,
    refused: u64,
    written: Option<(&Path, &Path)>,
) -> Value {
    let measured = measures(lesson).into_iter().map(|(name, interval, _)| {
        let Interval { value, low, high } = interval;
        (name.to_owned(), json!({"value": value, "low": low, "high": high}))
    });
    let told = reader.classes.iter().zip(&lesson.judgement.classes);
    let classes = told.map(|(class, told)| {
        let of = json!({"rows": told.rows, "precision": told.precision, "recall": told.recall});
        (class.to_string(), of)
    });
    let paths: Option<[PathBuf; 2]> = written.map(|(model, card)| [model.into(), card.into()]);
    json!({
        "model": lesson.content.model,
        "refused_rows": refused,
        "learned_from": lesson.content.learned_from,
        "measures": measured.collect::<Map<_, _>>(),
        "classes": classes.collect::<Map<_, _>>(),
        "accuracy_of_commonest": lesson.judgement.accuracy_of_commonest,
        "log_loss_of_rate": lesson.judgement.log_loss_of_rate,
        "written": paths.map(|paths| paths.map(|path| path.display().to_string())),
    })
}

fn not_learned(
    model: &str,
    refusal: &TextRefusal,
    format: Format,
    console: &mut Console,
) -> Result<(), Error> {
    let (why, help) = (refusal.to_string(), refusal.help());
    output::no_model(model, &why, &help, format, console)
}
