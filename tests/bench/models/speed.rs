//! How fast models are fitted and applied: the least of several rounds, in wall time of one thread.
#![expect(clippy::print_stdout, reason = "a bench reports by printing")]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use heedful::engine::input::{Event, Reach, View};
use heedful::engine::model::{Grams, Scale, Scheme, TextModel};
use heedful::engine::reading::{Asked, Length, Reader, Readers, Reads, TextLeast, TextTerms};
use heedful::engine::slot::{EventSlot, PropertySlot};
use heedful::engine::time::Timestamp;
use heedful::engine::value::Property;
use heedful::stats::folds::Fold;
use heedful::stats::layout::{Layout, Plan, Tail};
use heedful::stats::logistic::Problem;
use heedful::stats::table::Table;
use heedful::stats::text::{self, Texts};
use heedful::stats::trees::{self, Settings};
use heedful::stats::{additive, calibrate};

use crate::rows::{Cells, Kind, telco};
use crate::{Fallible, Figures, Goal};

/// Rounds; the quickest counts, for the others were disturbed.
const ROUNDS: usize = 9;

pub(crate) fn speed(figures: &mut Figures) -> Fallible<()> {
    let peers = peers()?;
    let (telco, _) = telco()?;
    let fits = [("telco", telco.clone(), Scale::Plain), ("cdnow", cdnow_table()?, Scale::Log)];
    for (name, table, scale) in fits {
        let (seconds, objective) = fit_plain(&table, scale)?;
        figures.add(&format!("{name} logistic fit, ms"), seconds * 1e3, None);
        figures.add(&format!("{name} objective"), objective, None);
        if let Some(peer) = peer(&peers, &format!("{name} lbfgs ms")) {
            let ratio = seconds * 1e3 / peer;
            figures.add(
                &format!("{name} fit time / lbfgs as it comes"),
                ratio,
                Some(Goal::AtMost(0.2)),
            );
        }
        if let Some(peer) = peer(&peers, &format!("{name} lbfgs to 1e-6 ms")) {
            let ratio = seconds * 1e3 / peer;
            figures.add(
                &format!("{name} fit time / lbfgs to the optimum"),
                ratio,
                Some(Goal::AtMost(0.1)),
            );
        }
        if let Some(peer) = peer(&peers, &format!("{name} objective")) {
            let gap = (objective - peer).abs() / peer;
            figures.add(&format!("{name} objective, relative gap"), gap, Some(Goal::AtMost(1e-6)));
        }
    }
    score(figures, &telco)?;
    boost(figures, &telco, peer(&peers, "telco lightgbm ms"))?;
    texts(figures)?;
    for (name, value) in peers {
        figures.add(&format!("peer: {name}"), value, None);
    }
    Ok(())
}

/// The quickest of some rounds, in seconds.
fn quickest<T>(mut run: impl FnMut() -> Fallible<T>) -> Fallible<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
        let start = Instant::now();
        black_box(run()?);
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least)
}

/// Seconds of the search alone on standardised columns with a charge of 1, as the peer is timed,
/// and the objective it reached.
fn fit_plain(table: &Table, scale: Scale) -> Fallible<(f64, f64)> {
    let plan = Plan { knots: 0, ridge: 1.0, scale, tail: Tail::Straight };
    let rows: Vec<usize> = (0..table.len()).collect();
    let layout = Layout::fit(table, &[], &plan, &rows)?;
    let design = layout.design(table, &rows);
    let penalty = layout.penalty(&design.moments(None), plan.ridge);
    let problem = Problem {
        design: &design,
        labels: &table.labels,
        weights: None,
        offset: None,
        penalty: &penalty,
    };
    let mut objective = 0.0;
    let seconds = quickest(|| {
        objective = problem.solve(None)?.objective;
        Ok(())
    })?;
    Ok((seconds, objective))
}

fn cdnow_table() -> Fallible<Table> {
    let cells = Cells::read("cdnow/cdnow_pit_1998-01-01_h90.csv")?;
    let mut table = Table { labels: cells.numbers("y")?, ..Table::default() };
    for name in cells.names().filter(|name| !["customer_id", "y", "future_amount"].contains(name)) {
        table.columns.push(cells.column(name, Kind::Number)?);
    }
    Ok(table)
}

fn score(figures: &mut Figures, table: &Table) -> Fallible<()> {
    let plan = Plan { knots: 14, ridge: 100.0, scale: Scale::Plain, tail: Tail::Flat };
    let rows: Vec<usize> = (0..table.len()).collect();
    let mut model = additive::fit(table, &[], &plan, &rows)?.model;
    let mut matrix = Vec::new();
    let mut row = Vec::new();
    for at in rows {
        table.row(at, &mut row);
        matrix.extend_from_slice(&row);
    }
    let width = table.columns.len();
    let logits: Vec<f64> = matrix.chunks_exact(width).map(|row| model.logit(row)).collect();
    model.calibration = calibrate::slope(&logits, &table.labels)?;
    let mut parts = vec![0.0; width];
    let seconds = quickest(|| {
        let mut sum = 0.0;
        for row in matrix.chunks_exact(width) {
            sum += model.calibration.chance(model.reasons(row, &mut parts));
            black_box(&parts);
        }
        Ok(sum)
    })?;
    let count = logits.iter().map(|_| 1.0).sum::<f64>();
    let rate = count / seconds / 1e6;
    figures.add("scoring with reasons, M rows/s", rate, Some(Goal::AtLeast(2.0)));
    Ok(())
}

fn boost(figures: &mut Figures, table: &Table, peer: Option<f64>) -> Fallible<()> {
    let settings = Settings {
        rounds: 600,
        leaves: 6,
        rate: 0.02,
        columns_share: 0.4,
        rows_share: 1.0,
        patience: 0,
        ..Settings::default()
    };
    let fold = Fold { learn: (0..table.len()).collect(), judge: Vec::new() };
    let seconds = quickest(|| Ok(trees::boost(table, &[], &fold, &settings)?))?;
    figures.add("telco 600 trees of 6 leaves, fit ms", seconds * 1e3, Some(Goal::AtMost(150.0)));
    if let Some(peer) = peer {
        figures.add("trees fit time / LightGBM", seconds * 1e3 / peer, Some(Goal::AtMost(0.5)));
    }
    let forest = trees::boost(table, &[], &fold, &settings)?.forest;
    let mut row = Vec::new();
    let rows: Vec<Vec<f64>> = (0..table.len())
        .map(|at| {
            table.row(at, &mut row);
            row.clone()
        })
        .collect();
    let seconds = quickest(|| Ok(rows.iter().map(|row| forest.logit(row)).sum::<f64>()))?;
    let count = rows.iter().map(|_| 1.0).sum::<f64>();
    figures.add("600 trees, seconds per 1M rows", seconds / count * 1e6, Some(Goal::AtMost(4.0)));
    Ok(())
}

fn texts(figures: &mut Figures) -> Fallible<()> {
    let cells = Cells::read("support_text/waimai_10k.csv")?;
    let reviews = cells.texts("review")?;
    let labels: Vec<usize> =
        cells.numbers("label")?.iter().map(|l| usize::from(0.5 < *l)).collect();
    let scheme = Scheme { bits: 18, chars: 2, words: 0 };
    let rows: Vec<usize> = (0..reviews.len()).collect();
    let cut = Texts::new(reviews.iter().map(String::as_str), scheme)?;
    let settings = text::Settings { scheme, ..text::Settings::usual() };
    let model = text::fit(&cut, &labels, &["bad", "good"], &settings, &rows)?;
    let mut grams = Grams::default();
    let seconds = quickest(|| {
        Ok(reviews.iter().map(|review| model.chance(review, &mut grams)).sum::<f64>())
    })?;
    let count = reviews.iter().map(|_| 1.0).sum::<f64>();
    figures.add("text, microseconds each", seconds / count * 1e6, Some(Goal::AtMost(20.0)));
    let bytes = serde_json::to_string(&model)?.bytes().map(|_| 1.0).sum::<f64>();
    figures.add("text model file, MB", bytes / 1e6, Some(Goal::AtMost(1.0)));
    let readers = readers(model);
    let own: Vec<[Property<'_>; 2]> =
        reviews.iter().map(|review| [Property::Str(review), Property::Missing]).collect();
    let seconds =
        quickest(|| Ok(own.iter().map(|own| told(&readers, EventSlot(0), own)).sum::<f64>()))?;
    figures.add("event with a text, microseconds", seconds / count * 1e6, Some(Goal::AtMost(20.0)));
    let seconds =
        quickest(|| Ok(own.iter().map(|own| told(&readers, EventSlot(1), own)).sum::<f64>()))?;
    figures.add("event without, nanoseconds", seconds / count * 1e9, Some(Goal::AtMost(10.0)));
    Ok(())
}

/// What the text of an event says of its second class.
fn told(readers: &Readers, event: EventSlot, properties: &[Property<'_>]) -> f64 {
    let (id, name, view, reach) = ("e", Some(event), View::Other, Reach::Live);
    let occurred_at = Timestamp::from_millis(1);
    let event = Event { id, name, view, occurred_at, properties, traits: &[], reach };
    match readers.read(&event).as_deref() {
        Some([_, Property::Num(chance)]) => *chance,
        _ => 0.0,
    }
}

/// The model as it is served: one event has texts for it, the other has none.
fn readers(model: TextModel) -> Readers {
    let least = TextLeast { accuracy: 0.0, labels: 10, calibration_error_at_most: 1.0 };
    let (text, said) = ("text".into(), Box::default());
    let lesson = TextTerms { definition: "".into(), text, label: "label".into(), said, least };
    let reader = Reader {
        name: "mood".into(),
        version: "".into(),
        about: "".into(),
        classes: ["bad".into(), "good".into()].into(),
        reads: [Reads { event: EventSlot(0), properties: [PropertySlot(0)].into() }].into(),
        sure: 0.5,
        length: Length { least: 1, most: 2_000 },
        reasons: 5,
        asked: Asked { likeliest: None, chances: [(1, PropertySlot(1))].into() },
        learned: Some(model),
        lesson,
    };
    Readers::new(vec![reader], 2)
}

/// Figures of the Python peers, when asked for: lines of a name, a tab and a number.
fn peers() -> Fallible<Vec<(String, f64)>> {
    let program =
        std::env::args().find_map(|word| Some(word.strip_prefix("--python=")?.to_owned()));
    let Some(program) = program else { return Ok(Vec::new()) };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/models_peers.py");
    let output = Command::new(program).arg(script).arg(crate::rows::folder()?).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{}", String::from_utf8_lossy(&output.stderr));
    let figure = |line: &str| {
        let (name, value) = line.split_once('\t')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(figure).collect())
}

fn peer(peers: &[(String, f64)], name: &str) -> Option<f64> {
    peers.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
}
