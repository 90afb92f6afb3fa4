//! The card of a model of texts: what it is, what it was learned from, how good it is, and what it
//! must not be used for. The same lesson gives the same text.

use std::fmt::{self, Write as _};

use super::lesson::TextLesson;
use crate::engine::reading::Reader;
use crate::stats::interval::Interval;

/// The card of a lesson, in Markdown; `hash` is that of the model's file.
pub fn card(lesson: &TextLesson, reader: &Reader, hash: &str) -> String {
    let mut text = String::new();
    match write(&mut text, lesson, reader, hash) {
        // Writing into a text does not fail.
        Ok(()) | Err(fmt::Error) => text,
    }
}

fn write(out: &mut String, lesson: &TextLesson, reader: &Reader, hash: &str) -> fmt::Result {
    let content = &lesson.content;
    writeln!(out, "# Model card: {}\n\n{}\n", content.model, reader.about)?;
    writeln!(out, "Tells what a text is: `{}`.\n", reader.classes.join("`, `"))?;
    writeln!(out, "File `{}.model.json`, blake3 `{hash}`.", content.model)?;
    writeln!(out, "Definition `{}`.\n", content.definition)?;
    data(out, lesson, reader)?;
    method(out, lesson)?;
    quality(out, lesson)?;
    classes(out, lesson, reader)?;
    honesty(out, lesson, reader)?;
    limits(out, reader)
}

fn data(out: &mut String, lesson: &TextLesson, reader: &Reader) -> fmt::Result {
    let (from, passed) = (&lesson.content.learned_from, &lesson.passed);
    let each = reader.classes.iter().zip(&from.classes);
    let each: Vec<String> = each.map(|(class, rows)| format!("{rows} `{class}`")).collect();
    writeln!(out, "## Learned from\n\n| | |\n|---|---|")?;
    writeln!(out, "| rows | {} ({}) |", from.rows, each.join(", "))?;
    writeln!(out, "| different texts | {} |", from.texts)?;
    writeln!(
        out,
        "| not taken | {} without a text that is long enough, {} without a label |",
        passed.short, passed.unlabelled
    )?;
    writeln!(
        out,
        "| odd | {} rows repeat the text of another one, {} texts have several labels |",
        passed.repeated, passed.contradicted
    )?;
    writeln!(out, "| seed | {} |\n", from.seed)
}

fn method(out: &mut String, lesson: &TextLesson) -> fmt::Result {
    let scheme = lesson.content.text.scheme;
    let (slope, intercept) = (lesson.line.slope, lesson.line.intercept);
    writeln!(
        out,
        "## How\n\nLogistic regression on runs of up to {} characters and {} words in {} hashed \
         buckets: no dictionary, no language. Chances were made honest on texts that were not \
         learned from: slope {slope:.3}, intercept {intercept:.3}.\n",
        scheme.chars,
        scheme.words,
        scheme.buckets()
    )?;
    writeln!(
        out,
        "What is said below of its quality was found in five parts of the texts, each judged by a \
         model that learned from the other four. Texts that differ in nothing but case, stops, spaces and \
         numbers are in one part. The model in the file then learned from everything.\n"
    )
}

/// The measures with their names and how many decimals they want.
pub fn measures(lesson: &TextLesson) -> Vec<(&'static str, Interval, usize)> {
    let judgement = &lesson.judgement;
    let mut all = vec![
        ("accuracy", judgement.accuracy, 3),
        ("F1, mean over classes", judgement.f1, 3),
        ("log-loss", judgement.log_loss, 4),
        ("Brier", judgement.brier, 4),
        ("calibration error (ECE)", judgement.calibration_error, 4),
    ];
    all.extend(judgement.auc.map(|auc| ("AUC", auc, 3)));
    all
}

fn quality(out: &mut String, lesson: &TextLesson) -> fmt::Result {
    let judgement = &lesson.judgement;
    writeln!(out, "## How good\n")?;
    writeln!(
        out,
        "On {} rows; intervals hold 95 %, texts that say the same drawn together.\n",
        judgement.rows
    )?;
    writeln!(out, "| measure | value | from | to |\n|---|---:|---:|---:|")?;
    for (name, Interval { value, low, high }, places) in measures(lesson) {
        writeln!(out, "| {name} | {value:.places$} | {low:.places$} | {high:.places$} |")?;
    }
    writeln!(
        out,
        "\nAlways naming the commonest has an accuracy of {:.3}; always saying how common each is has a \
         log-loss of {:.4}.\n",
        judgement.accuracy_of_commonest, judgement.log_loss_of_rate
    )
}

fn classes(out: &mut String, lesson: &TextLesson, reader: &Reader) -> fmt::Result {
    writeln!(out, "| class | rows | precision | recall | F1 |\n|---|---:|---:|---:|---:|")?;
    for (class, told) in reader.classes.iter().zip(&lesson.judgement.classes) {
        let (rows, precision, recall, f1) = (told.rows, told.precision, told.recall, told.f1);
        writeln!(out, "| {class} | {rows} | {precision:.3} | {recall:.3} | {f1:.3} |")?;
    }
    writeln!(out)?;
    let name = |class: usize| reader.classes.get(class).map_or("?", |name| name);
    for (truth, said, count) in &lesson.judgement.confused {
        writeln!(out, "- `{}` was taken for `{}` {count} times.", name(*truth), name(*said))?;
    }
    writeln!(out)
}

fn honesty(out: &mut String, lesson: &TextLesson, reader: &Reader) -> fmt::Result {
    let what = match &*reader.classes {
        [_, second] => format!("of `{second}`"),
        _ => "of the likeliest class".to_owned(),
    };
    writeln!(out, "## What was said, and what came\n\nThe chance {what}.\n")?;
    writeln!(out, "| rows | said | came |\n|---:|---:|---:|")?;
    for bin in &lesson.judgement.bins {
        let (said, came) = (100.0 * bin.chance, 100.0 * bin.happened);
        writeln!(out, "| {} | {said:.1} % | {came:.1} % |", bin.rows)?;
    }
    writeln!(out)
}

fn limits(out: &mut String, reader: &Reader) -> fmt::Result {
    writeln!(out, "## What it must not be used for\n")?;
    writeln!(
        out,
        "- Decisions that weigh on people, and judging those who answer customers: it sees words, not \
         what happened."
    )?;
    writeln!(
        out,
        "- Texts unlike those it was learned from: another language, product or channel. It has no idea \
         of irony, and none of words that it never met."
    )?;
    writeln!(
        out,
        "- Answers that only fit one class: where it is wrong, `{}` must do no harm.",
        reader.classes.last().map_or("?", |class| class)
    )
}
