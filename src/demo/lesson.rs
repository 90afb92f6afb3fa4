//! The shop learns from its own past who is about to fall silent, as `heedful train` would.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::catalog::Folders;
use crate::declare::{FITTED_SUFFIX, load_to_learn};
use crate::engine::catalog::ScoreSource;
use crate::engine::time::Timestamp;
use crate::learn::lesson::{self, Harvested};
use crate::learn::looks::{date, looks};
use crate::learn::{Harvest, Lesson, Wish, card};
use crate::worker::replay::Replay;

use super::page::Facts;
use super::shop::Shop;
use super::show::PAST;

/// The model that is learned.
pub const MODEL: &str = "silence";

/// What the page says before anything is known.
pub fn waiting() -> Value {
    json!({"state": "learning", "text": "Learning from the shop's own past\u{2026}"})
}

/// Learns from the past of the same shop, told once more, and writes the model among the files in
/// force: the service takes it over. What the page says of it.
pub fn learn(folder: &Path, facts: Facts, start: Timestamp) -> Value {
    match learned(folder, facts, start) {
        Ok(lesson) => told(&lesson),
        Err(why) => json!({"state": "refused", "text": format!("Nothing was learned: {why}")}),
    }
}

fn learned(folder: &Path, facts: Facts, start: Timestamp) -> Result<Lesson, String> {
    let folders = Folders { triggers: folder.join("triggers"), models: folder.join("models") };
    let sources = folders.read().map_err(|_| "its files cannot be read".to_owned())?;
    let loaded = load_to_learn(&sources, MODEL).map_err(|_| "its files have faults".to_owned())?;
    let catalog = Arc::new(loaded.catalog);
    let score = catalog.scores.iter().find(|score| &*score.name == MODEL);
    let Some(ScoreSource::Learning(classifier)) = score.map(|score| &score.source) else {
        return Err("the model's file is gone".to_owned());
    };
    let planned = looks(classifier, start - PAST, start);
    let count = planned.len();
    let mut harvest = Harvest::new(classifier, planned);
    let mut replay = Replay::new(&catalog, 1, |_| ());
    let look = |harvest: &mut Harvest<'_>, replay: &mut Replay<_>, until: Timestamp| {
        while let Some(at) = harvest.next_look().filter(|at| *at <= until) {
            replay.pass(at);
            harvest.look(&catalog, at, replay.states());
        }
    };
    let mut past = Shop::open(facts.seed, facts.customers, start, PAST);
    for one in past.until(start) {
        look(&mut harvest, &mut replay, one.at);
        // The shop writes nothing that is refused.
        drop(replay.line(one.json.to_string().as_bytes()));
    }
    look(&mut harvest, &mut replay, start);
    let (rows, passed) = harvest.finish();
    let harvested = Harvested { rows: &rows, passed, looks: count };
    let wish = Wish { seed: facts.seed, ..Wish::default() };
    let lesson = lesson::learn(classifier, MODEL, &harvested, &wish, &mut |_| ());
    let lesson = lesson.map_err(|refusal| refusal.to_string())?;
    let text = lesson.content.to_text().map_err(|why| why.to_string())?;
    let hash = blake3::hash(text.as_bytes()).to_hex().to_string();
    let models = folder.join("models");
    let write = |name: &str, text: &str| {
        let hidden = models.join(format!(".{name}.new"));
        fs::write(&hidden, text).and_then(|()| fs::rename(&hidden, models.join(name)))
    };
    let told = card::card(&lesson, classifier, &hash);
    write(&format!("{MODEL}.card.md"), &told)
        .and_then(|()| write(&format!("{MODEL}{FITTED_SUFFIX}"), &text))
        .map_err(|error| error.to_string())?;
    Ok(lesson)
}

fn told(lesson: &Lesson) -> Value {
    let from = &lesson.content.learned_from;
    let (first, last) = lesson.judged;
    let judgement = &lesson.judgement;
    let text = format!(
        "Learned from {} rows of {} customers. On rows from {} to {}, not learned from: AUC {:.2}, \
         calibration error {:.3}, log-loss {:.3} against {:.3} of the rate alone.",
        from.rows,
        from.customers,
        date(first),
        date(last),
        judgement.auc.value,
        judgement.calibration_error.value,
        judgement.log_loss.value,
        judgement.log_loss_of_rate,
    );
    json!({"state": "learned", "text": text, "auc": judgement.auc.value})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::files;

    #[test]
    fn the_shop_learns_who_falls_silent_and_the_files_stay_right() {
        let folder = tempfile::tempdir().unwrap();
        files::write(folder.path()).unwrap();
        let start = Timestamp::parse("2026-03-02T06:00:00Z").unwrap();
        let facts = Facts { customers: 300, speed: 60, seed: 7 };
        let told = learn(folder.path(), facts, start);
        assert_eq!(told["state"], "learned", "{told}");
        assert!(0.75 < told["auc"].as_f64().unwrap(), "{told}");
        let folders = Folders {
            triggers: folder.path().join("triggers"),
            models: folder.path().join("models"),
        };
        let sources = folders.read().unwrap();
        let loaded =
            crate::declare::load(&sources, crate::engine::catalog::Sending::DryRun).unwrap();
        let scores = loaded.catalog.scores.iter();
        let silence = scores.into_iter().find(|score| &*score.name == MODEL).unwrap();
        assert!(matches!(silence.source, ScoreSource::Learned(_)));
        let few = Facts { customers: 3, ..facts };
        assert_eq!(learn(folder.path(), few, start)["state"], "refused");
    }
}
