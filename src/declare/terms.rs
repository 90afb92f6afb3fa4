//! On which terms a model is learned: the words of `learn`, `explain` and `watch`.

use super::fault::{Extent, Located};
use super::read::Faults;
use super::words::model::{
    CalibrateWord, Learn, LearnWord, Model as Raw, PromoteWord, RefuseBelow, SnapshotWord,
    Validate, Watch,
};
use crate::engine::model::FEATURES_MAX;
use crate::engine::terms::{Cadence, Calibrate, Least, Method, Promotion, Terms};
use crate::engine::time::Span;

/// The longest stretch of time that judges, and the longest gap before it.
const JUDGED_BY_MAX: Span = Span::DAY.times(400);

/// The terms of a model's file; what it does not say is as usual.
pub(crate) fn terms(raw: &Raw, faults: &mut Faults<'_>) -> Option<Terms> {
    let mut terms = Terms::default();
    let before = faults.list.len();
    if let Some(learn) = &raw.learn {
        learned(learn, &mut terms, faults);
    }
    if let Some(reasons) = raw.explain.as_ref().and_then(|explain| explain.reasons.as_ref()) {
        terms.reasons = usize::try_from(reasons.0).unwrap_or(FEATURES_MAX).min(FEATURES_MAX);
    }
    let drift = raw.watch.as_ref().and_then(|watch| watch.drift.as_ref());
    if let Some((drift, psi)) = drift.and_then(|drift| Some((drift, drift.feature_psi?))) {
        terms.feature_psi = within(psi, (0.0, 10.0), "feature_psi", drift.extent, faults);
    }
    if let Some(Watch { promote: Some(PromoteWord::WhenBetter), .. }) = &raw.watch {
        terms.promotion = Promotion::WhenBetter;
    }
    terms.relearn = raw.watch.as_ref().and_then(|watch| watch.retrain).map(cadence);
    (faults.list.len() == before).then_some(terms)
}

fn learned(learn: &Learn, terms: &mut Terms, faults: &mut Faults<'_>) {
    terms.method = match learn.with {
        None | Some(LearnWord::Logistic) => Method::Logistic,
        Some(LearnWord::Trees) => Method::Trees,
    };
    terms.snapshots = learn.snapshots.map_or(Cadence::Weekly, cadence);
    terms.calibrate = match learn.calibrate {
        None => Calibrate::Line,
        Some(CalibrateWord::Platt) => Calibrate::Platt,
        Some(CalibrateWord::Isotonic) => Calibrate::Isotonic,
        Some(CalibrateWord::Uncalibrated) => Calibrate::Nothing,
    };
    if let Some(Validate { last, gap, .. }) = &learn.validate {
        if let Some(last) = last {
            terms.judged_by = stretch(last, Span::DAY, faults);
        }
        if let Some(gap) = gap {
            terms.gap = stretch(gap, Span::ZERO, faults);
        }
    }
    if let Some(least) = &learn.refuse_below {
        refuse_below(least, &mut terms.least, faults);
    }
    terms.until_then = learn.until_then.as_ref().map(|words| (*words.text).into());
}

const fn cadence(word: SnapshotWord) -> Cadence {
    match word {
        SnapshotWord::Daily => Cadence::Daily,
        SnapshotWord::Weekly => Cadence::Weekly,
        SnapshotWord::Monthly => Cadence::Monthly,
    }
}

fn refuse_below(words: &RefuseBelow, least: &mut Least, faults: &mut Faults<'_>) {
    let extent = words.extent;
    if let Some(auc) = words.auc {
        least.auc = within(auc, (0.5, 1.0), "auc", extent, faults);
    }
    if let Some(labels) = &words.labels {
        least.labels = u64::from(labels.0);
    }
    if let Some(error) = words.calibration_error_at_most {
        let name = "calibration_error_at_most";
        least.calibration_error_at_most = within(error, (0.0, 1.0), name, extent, faults);
    }
}

fn stretch(span: &Located<Span>, least: Span, faults: &mut Faults<'_>) -> Span {
    if span.value < least || JUDGED_BY_MAX < span.value {
        let message = format!("a stretch of time from {least} to {JUDGED_BY_MAX} is wanted here");
        faults.error("E014", span.extent, message, None);
    }
    span.value
}

fn within(
    number: f64,
    (least, most): (f64, f64),
    name: &str,
    extent: Extent,
    faults: &mut Faults<'_>,
) -> f64 {
    if !(least..=most).contains(&number) {
        faults.error("E005", extent, format!("`{name}` is from {least} to {most}"), None);
    }
    number
}

#[cfg(test)]
mod tests {
    use crate::declare::{Source, SourceKind, load_to_learn};
    use crate::engine::catalog::ScoreSource;
    use crate::engine::terms::{Cadence, Calibrate, Least, Method, Promotion, Terms};
    use crate::engine::time::Span;

    fn load(learn: &str) -> Result<Terms, Vec<String>> {
        let text = format!(
            "model: churn\ntype: classifier\nabout: Cancels.\n\
             label: {{event: Cancelled, within: 30d}}\nfeatures:\n  n: count(\"A\", \"7d\")\n{learn}"
        );
        let source = Source { kind: SourceKind::Model, path: "m.yaml".into(), text: text.into() };
        let loaded = load_to_learn(&[source], "churn")
            .map_err(|faults| faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>())?;
        let ScoreSource::Learning(classifier) = &loaded.catalog.scores[0].source else { panic!() };
        Ok(classifier.terms.clone())
    }

    #[test]
    fn what_is_said_counts_and_the_rest_is_as_usual() {
        assert_eq!(load(""), Ok(Terms::default()));
        let said = "learn: {with: trees, snapshots: monthly, validate: {last: 4w, gap: 40d}, \
                    calibrate: isotonic, refuse_below: {auc: 0.7, labels: 9, \
                    calibration_error_at_most: 0.1}}\nexplain: {reasons: 2}\n\
                    watch: {drift: {feature_psi: 0.1}, promote: when_better, \
                    retrain: monthly}\n";
        let terms = Terms {
            method: Method::Trees,
            snapshots: Cadence::Monthly,
            judged_by: Span::DAY.times(28),
            gap: Span::DAY.times(40),
            calibrate: Calibrate::Isotonic,
            least: Least { auc: 0.7, labels: 9, calibration_error_at_most: 0.1 },
            reasons: 2,
            feature_psi: 0.1,
            until_then: None,
            promotion: Promotion::WhenBetter,
            relearn: Some(Cadence::Monthly),
        };
        assert_eq!(load(said), Ok(terms));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (said, wrong) in [
            ("learn: {refuse_below: {auc: 65}}\n", "`auc` is from 0.5 to 1"),
            (
                "learn: {refuse_below: {calibration_error_at_most: 5}}\n",
                "`calibration_error_at_most` is from 0 to 1",
            ),
            ("learn: {validate: {last: 1h}}\n", "a stretch of time from 1d to 400d is wanted here"),
            ("watch: {drift: {feature_psi: -1}}\n", "`feature_psi` is from 0 to 10"),
        ] {
            assert_eq!(load(said), Err(vec![wrong.to_owned()]), "{said}");
        }
    }
}
