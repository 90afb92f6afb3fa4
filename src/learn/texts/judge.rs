//! How good chances of classes were on texts that were not learned from, with intervals.

use crate::engine::fitted_text::TextQuality;
use crate::learn::judge::{BINS, rounds, share};
use crate::stats::interval::{self, Interval};
use crate::stats::quality::{self, Bin};
use crate::stats::table::number;

/// Pairs of classes taken for each other that are told, at most.
const CONFUSED_MAX: usize = 8;

/// How good chances were.
#[derive(Clone, Debug, PartialEq)]
pub struct TextJudgement {
    /// Rows that judged.
    pub rows: usize,
    /// Part of the rows whose class is found.
    pub accuracy: Interval,
    /// Mean over classes of the harmonic mean of precision and recall.
    pub f1: Interval,
    /// Mean log-loss, in nats.
    pub log_loss: Interval,
    /// Mean squared error, summed over classes, halved: with two classes that of either chance.
    pub brier: Interval,
    /// Expected calibration error over ten bins of equal width: of the second of two classes, or of
    /// the likeliest of more.
    pub calibration_error: Interval,
    /// Area under the ROC curve, with two classes.
    pub auc: Option<Interval>,
    /// Accuracy of always naming the commonest class.
    pub accuracy_of_commonest: f64,
    /// Log-loss of always saying how common each class is.
    pub log_loss_of_rate: f64,
    /// How well each class is found, in their order.
    pub classes: Vec<ClassTold>,
    /// Which class was taken for which other one, and how often.
    pub confused: Vec<(usize, usize, usize)>,
    /// Equally many rows each: what was said and what came.
    pub bins: Vec<Bin>,
}

/// How well a class is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassTold {
    /// Rows of it.
    pub rows: usize,
    /// Part of what is called so that is so.
    pub precision: f64,
    /// Part of what is so that is called so.
    pub recall: f64,
    /// Their harmonic mean.
    pub f1: f64,
}

/// One row.
#[derive(Clone, Copy)]
struct Said {
    truth: usize,
    likeliest: usize,
    loss: f64,
    brier: f64,
    /// What calibration looks at.
    chance: f64,
    came: f64,
}

/// Judges the chances of each row's classes by what they are.
pub fn judge(
    chances: &[Vec<f64>],
    truths: &[usize],
    groups: &[u32],
    classes: usize,
    seed: u64,
) -> TextJudgement {
    let said: Vec<Said> =
        chances.iter().zip(truths).map(|(own, truth)| said(own, *truth)).collect();
    // Rows are drawn by their numbers, which stand where chances usually do.
    let places: Vec<f64> = (0..said.len()).map(number).collect();
    let measure = |drawn: &[f64], _: &[f64]| {
        let rows: Vec<Said> = drawn
            .iter()
            .filter_map(|place| said.get(crate::engine::model::position(*place)?).copied())
            .collect();
        measures(&rows, classes)
    };
    let intervals =
        interval::by_customers(&places, &places, groups, measure, rounds(said.len()), seed);
    let [accuracy, f1, log_loss, brier, calibration_error] = intervals;
    let count = |class: usize| said.iter().filter(|row| row.truth == class).count();
    let counts: Vec<usize> = (0..classes).map(count).collect();
    let rates = counts.iter().map(|count| share(*count, said.len()));
    let (own, came) = columns(&said);
    TextJudgement {
        rows: said.len(),
        accuracy,
        f1,
        log_loss,
        brier,
        calibration_error,
        auc: (classes == 2).then(|| interval::auc(&own, &came)),
        accuracy_of_commonest: rates.clone().fold(0.0, f64::max),
        log_loss_of_rate: rates.filter(|rate| 0.0 < *rate).map(|rate| -rate * rate.ln()).sum(),
        classes: (0..classes).map(|class| told(&said, class)).collect(),
        confused: confused(&said, classes),
        bins: quality::bins_by_mass(&own, &came, BINS),
    }
}

fn said(chances: &[f64], truth: usize) -> Said {
    let of = |class: usize| chances.get(class).copied().unwrap_or(0.0);
    let likelier = |best: usize, next: usize| if of(best) < of(next) { next } else { best };
    let likeliest = (0..chances.len()).fold(0, likelier);
    let squares = chances.iter().enumerate().map(|(class, chance)| {
        let error = chance - if class == truth { 1.0 } else { 0.0 };
        error * error
    });
    let (chance, came) = match chances {
        [_, second] => (*second, truth == 1),
        _ => (of(likeliest), likeliest == truth),
    };
    Said {
        truth,
        likeliest,
        loss: quality::loss(of(truth), 1.0),
        brier: squares.sum::<f64>() / 2.0,
        chance,
        came: f64::from(u8::from(came)),
    }
}

fn columns(said: &[Said]) -> (Vec<f64>, Vec<f64>) {
    said.iter().map(|row| (row.chance, row.came)).unzip()
}

fn measures(said: &[Said], classes: usize) -> [f64; 5] {
    let right = said.iter().filter(|row| row.truth == row.likeliest).count();
    let all = number(said.len());
    let f1: f64 = (0..classes).map(|class| told(said, class).f1).sum();
    let (own, came) = columns(said);
    [
        number(right) / all,
        f1 / number(classes),
        said.iter().map(|row| row.loss).sum::<f64>() / all,
        said.iter().map(|row| row.brier).sum::<f64>() / all,
        quality::calibration_error(&quality::bins_by_width(&own, &came, BINS)),
    ]
}

fn told(said: &[Said], class: usize) -> ClassTold {
    let (mut rows, mut called, mut right) = (0, 0, 0);
    for row in said {
        rows += usize::from(row.truth == class);
        called += usize::from(row.likeliest == class);
        right += usize::from(row.truth == class && row.likeliest == class);
    }
    ClassTold {
        rows,
        precision: share(right, called),
        recall: share(right, rows),
        f1: 2.0 * share(right, rows + called),
    }
}

fn confused(said: &[Said], classes: usize) -> Vec<(usize, usize, usize)> {
    let mut counts = vec![0_usize; classes * classes];
    for row in said.iter().filter(|row| row.truth != row.likeliest) {
        if let Some(count) = counts.get_mut(row.truth * classes + row.likeliest) {
            *count += 1;
        }
    }
    let pairs = counts.into_iter().enumerate().filter(|(_, count)| *count != 0);
    let mut pairs: Vec<_> =
        pairs.map(|(place, count)| (place / classes, place % classes, count)).collect();
    pairs.sort_by_key(|(truth, likeliest, count)| (std::cmp::Reverse(*count), *truth, *likeliest));
    pairs.truncate(CONFUSED_MAX);
    pairs
}

impl TextJudgement {
    /// As the file of the model says it.
    pub const fn quality(&self) -> TextQuality {
        let Interval { value, low, high } = self.accuracy;
        TextQuality {
            accuracy: (value, low, high),
            accuracy_of_commonest: self.accuracy_of_commonest,
            f1: self.f1.value,
            log_loss: self.log_loss.value,
            log_loss_of_rate: self.log_loss_of_rate,
            calibration_error: self.calibration_error.value,
        }
    }
}
