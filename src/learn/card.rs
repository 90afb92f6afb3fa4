//! The model card: what a model is, what it was learned from, how good it is, and what it must not
//! be used for. The same lesson gives the same text.

use std::fmt::{self, Write as _};

use super::duel::{Duel, Winner};
use super::fit::{self, Honest, Recipe};
use super::lesson::Lesson;
use super::looks::date;
use super::table::HALF_LIFE_DAYS;
use crate::engine::classifier::{Classifier, FeatureKind, MissingFeature, Monotone};
use crate::engine::model::Scale;
use crate::engine::terms::Method;
use crate::stats::interval::Interval;

/// The card of a lesson, in Markdown; `hash` is that of the model's file.
pub fn card(lesson: &Lesson, classifier: &Classifier, hash: &str) -> String {
    let mut text = String::new();
    match write(&mut text, lesson, classifier, hash) {
        // Writing into a text does not fail.
        Ok(()) | Err(fmt::Error) => text,
    }
}

fn write(out: &mut String, lesson: &Lesson, classifier: &Classifier, hash: &str) -> fmt::Result {
    let content = &lesson.content;
    writeln!(out, "# Model card: {}\n", content.model)?;
    if !classifier.about.is_empty() {
        writeln!(out, "{}\n", classifier.about)?;
    }
    writeln!(out, "Predicts {}.\n", classifier.predicts)?;
    writeln!(out, "File `{}.model.json`, blake3 `{hash}`.", content.model)?;
    writeln!(out, "Definition `{}`.\n", content.definition)?;
    data(out, lesson)?;
    method(out, lesson)?;
    quality(out, lesson)?;
    honesty(out, lesson)?;
    features(out, lesson, classifier)?;
    limits(out, lesson, classifier)
}

fn data(out: &mut String, lesson: &Lesson) -> fmt::Result {
    let from = &lesson.content.learned_from;
    writeln!(out, "## Learned from\n")?;
    writeln!(out, "| | |\n|---|---|")?;
    writeln!(out, "| rows | {} ({} positive) |", from.rows, from.positives)?;
    writeln!(out, "| customers | {} |", from.customers)?;
    writeln!(
        out,
        "| looks | {} taken, with rows from {} to {} |",
        lesson.looks, from.first, from.last
    )?;
    let passed = lesson.passed;
    writeln!(
        out,
        "| not judged | {} too new, {} outside of the population, {} forgotten |",
        passed.too_new, passed.outside, passed.forgotten
    )?;
    writeln!(out, "| seed | {} |\n", from.seed)
}

fn method(out: &mut String, lesson: &Lesson) -> fmt::Result {
    writeln!(out, "## How\n\n{}", recipe(&lesson.recipe))?;
    writeln!(out, "\n{}", aged(lesson.half_life))?;
    writeln!(out, "{}", honest(lesson))?;
    if let Some(duel) = &lesson.duel {
        writeln!(out, "\n{}", fought(duel))?;
    }
    let (first, last) = lesson.judged;
    writeln!(
        out,
        "\nWhat is said below of its quality was found by the same recipe, learned from looks up to \
         {} and judged on those from {} to {}: what it learned from was known by then, labels \
         included. The model in the file then learned from everything.\n",
        date(lesson.learned_to),
        date(first),
        date(last)
    )
}

/// How fast the past ages, in a sentence.
pub fn aged(half_life: f64) -> String {
    let why = if half_life < HALF_LIFE_DAYS {
        "so older rows foretold newer ones best"
    } else {
        "as usual; older rows did not foretell newer ones clearly better otherwise"
    };
    format!("A row counts half after {half_life} days: {why}.")
}

/// What was fitted, in a sentence.
pub fn recipe(recipe: &Recipe) -> String {
    match recipe {
        Recipe::Logistic(plan) => {
            let curves = match plan.knots {
                0..3 => "straight lines".to_owned(),
                knots => format!("curves of {knots} knots"),
            };
            let axis = match plan.scale {
                Scale::Plain => "as they are",
                Scale::Log => "on a logarithmic axis",
            };
            format!(
                "Logistic regression: numbers as {curves}, {axis}, ridge {}; chosen on parts of the \
                 customers that it did not learn from.",
                plan.ridge
            )
        }
        Recipe::Trees => {
            "Boosted trees, as many as parts of the customers that they did not learn \
                          from asked for. Reasons are TreeSHAP values."
                .to_owned()
        }
    }
}

/// What came of a comparison, in words.
pub fn fought(duel: &Duel) -> String {
    let Duel { difference, error, halves: [older, newer], calibration: [old, new], .. } = duel;
    let challenger = match duel.challenger {
        Method::Logistic => "Logistic regression",
        Method::Trees => "Boosted trees",
    };
    let winner = match duel.winner {
        Winner::Champion => "not clearly better in both halves and as honest: the champion stays",
        Winner::Challenger => "clearly better in both halves, and as honest: promoted",
    };
    format!(
        "{challenger} as challenger on the same rows: log-loss {difference:+.4} (standard error \
         {error:.4}; {older:+.4} in the older half, {newer:+.4} in the newer), calibration error {new:.4} \
         against {old:.4}; {winner}."
    )
}

fn honest(lesson: &Lesson) -> String {
    let calibration = fit::calibration(&lesson.content.body);
    match lesson.honest {
        Honest::Line => format!(
            "Calibrated on the newest rows, as models that learned from other customers saw them: \
             slope {:.3}, intercept {:.3}.",
            calibration.slope, calibration.intercept
        ),
        Honest::Isotonic => format!(
            "Calibrated on the newest rows by a rising table of {} corners.",
            calibration.isotonic.len()
        ),
        Honest::NotAsked => "Not calibrated: `calibrate: none`.".to_owned(),
        Honest::OneCase => "Not calibrated: the newest rows were all of one case.".to_owned(),
    }
}

/// The measures with their names and how many decimals they want.
pub fn measures(lesson: &Lesson) -> [(&'static str, Interval, usize); 6] {
    let judgement = &lesson.judgement;
    [
        ("log-loss", judgement.log_loss, 4),
        ("Brier", judgement.brier, 4),
        ("calibration error (ECE)", judgement.calibration_error, 4),
        ("AUC", judgement.auc, 3),
        ("PR-AUC", judgement.pr_auc, 3),
        ("lift of the highest tenth", judgement.lift, 2),
    ]
}

fn quality(out: &mut String, lesson: &Lesson) -> fmt::Result {
    let judgement = &lesson.judgement;
    writeln!(out, "## How good\n")?;
    let (rows, positives) = (judgement.rows, judgement.positives);
    writeln!(
        out,
        "On {rows} rows, {positives} of them positive; intervals hold 95 %, customers drawn whole.\n"
    )?;
    writeln!(out, "| measure | value | from | to |\n|---|---:|---:|---:|")?;
    for (name, Interval { value, low, high }, places) in measures(lesson) {
        writeln!(out, "| {name} | {value:.places$} | {low:.places$} | {high:.places$} |")?;
    }
    writeln!(
        out,
        "\nAlways saying how often it happened has a log-loss of {:.4}.\n",
        judgement.log_loss_of_rate
    )
}

fn honesty(out: &mut String, lesson: &Lesson) -> fmt::Result {
    writeln!(out, "## What was said, and what came\n")?;
    writeln!(out, "| rows | said | came |\n|---:|---:|---:|")?;
    for bin in &lesson.judgement.bins {
        let (said, came) = (100.0 * bin.chance, 100.0 * bin.happened);
        writeln!(out, "| {} | {said:.1} % | {came:.1} % |", bin.rows)?;
    }
    writeln!(out)
}

fn features(out: &mut String, lesson: &Lesson, classifier: &Classifier) -> fmt::Result {
    writeln!(out, "## What it looks at\n")?;
    writeln!(out, "| feature | is | missing | AUC alone | weight |\n|---|---|---:|---:|---:|")?;
    for (feature, told) in classifier.features.iter().zip(&lesson.features) {
        let mut is = format!("`{}`", feature.text.replace('|', "\\|"));
        match feature.kind {
            FeatureKind::Category => is.push_str(", a category"),
            FeatureKind::Number => {}
        }
        match feature.monotone {
            Monotone::Free => {}
            Monotone::Rising => is.push_str(", never lowers it"),
            Monotone::Falling => is.push_str(", never raises it"),
        }
        let missing = match feature.missing {
            MissingFeature::Flag => String::new(),
            MissingFeature::Mean => " (as the mean)".to_owned(),
            MissingFeature::Value(value) => format!(" (as {value})"),
        };
        let (share, alone, weight) = (100.0 * told.missing, told.alone, told.weight);
        let name = &feature.name;
        writeln!(out, "| {name} | {is} | {share:.1} %{missing} | {alone:.3} | {weight:.3} |")?;
    }
    writeln!(
        out,
        "\n`AUC alone` is how well the feature tells the cases apart without the others; `weight` is \
         the average size of its part in the logit.\n"
    )
}

fn limits(out: &mut String, lesson: &Lesson, classifier: &Classifier) -> fmt::Result {
    writeln!(out, "## What it must not be used for\n")?;
    writeln!(
        out,
        "- Decisions that weigh on people: prices, credit, work, insurance, refusing a service. It \
         was made to decide whether to reach out."
    )?;
    writeln!(out, "- Anybody else than those it was learned for: {}.", classifier.predicts)?;
    writeln!(out, "- Another time ahead, or another event: its chances hold for this one only.")?;
    writeln!(
        out,
        "- Saying what to change: reasons tell what the model looks at, not what causes what. \
         Whether outreach helps is for experiments to say."
    )?;
    writeln!(
        out,
        "- Times unlike those from {} to {}: learn it again when customers, prices or the product \
         change, and look at the drift.",
        lesson.content.learned_from.first, lesson.content.learned_from.last
    )?;
    if !classifier.never_use.is_empty() {
        let banned = classifier.never_use.join("`, `");
        writeln!(
            out,
            "- With `{banned}`: its file says that they are never used, and they are not."
        )?;
    }
    Ok(())
}
