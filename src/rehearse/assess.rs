//! Runs one test of a scorecard: the past comes in, the score and its band come out.

use super::play::Past;
use super::stage::Stage;
use super::times::Times;
use super::{Broken, Difference, Outcome};
use crate::declare::tests::ModelCase;
use crate::engine::catalog::{Catalog, Score, ScoreSource};
use crate::engine::customer::CustomerState;
use crate::engine::evaluate::Scope;
use crate::engine::health::{self, Assessment};
use crate::engine::id::CustomerId;
use crate::engine::names::Names;

/// Scores are rounded: a tolerance no wider than this was not asked for.
const ROUNDING: f64 = 0.0001;

/// Runs the test and compares.
pub(super) fn run(stage: &mut Stage<'_>, model: &str, case: &ModelCase) -> Outcome {
    let assessed = stage.set_for_model(model, case).and_then(|slot| {
        let catalog = stage.catalog();
        let score = catalog.scores.get(slot.index());
        let score = score.ok_or_else(|| Broken::new(case.name.extent, "there is no such score"))?;
        Ok((score, assess(catalog, score, case)?))
    });
    match assessed {
        Ok((score, assessment)) => compare(score, &assessment, case),
        Err(broken) => broken.into(),
    }
}

fn assess(catalog: &Catalog, score: &Score, case: &ModelCase) -> Result<Assessment, Broken> {
    let ScoreSource::Scorecard(card) = &score.source else {
        return Err(Broken::new(case.name.extent, "only a scorecard can be tested this way"));
    };
    let start = Times::new(catalog, &case.traits, case.start.as_ref()).start;
    let mut names = Names::new(&catalog.events, &catalog.traits);
    let past = Past::new(catalog, &mut names, start, &case.traits, &case.given)?;
    let mut state = CustomerState::new(CustomerId::new("customer"), start);
    past.fold(catalog, &mut state, start);
    let scope = Scope { catalog, state: &state, properties: &[], now: start };
    Ok(health::assess(card, &scope))
}

fn compare(score: &Score, assessment: &Assessment, case: &ModelCase) -> Outcome {
    let mut differences = Vec::new();
    if let Some(expected) = &case.score {
        let (wanted, tolerance) = expected.value;
        let near = |value: f64| (value - wanted).abs() <= tolerance;
        if !assessment.score.is_some_and(near) {
            differences.push(Difference {
                extent: expected.extent,
                expected: match ROUNDING < tolerance {
                    true => format!("score {wanted} ± {tolerance}"),
                    false => format!("score {wanted}"),
                },
                found: breakdown(assessment),
                stood: None,
            });
        }
    }
    if let Some(expected) = &case.band {
        let band = assessment.score.and_then(|value| health::band(score, value));
        if band.map(|band| &**band) != Some(&*expected.value) {
            differences.push(Difference {
                extent: expected.extent,
                expected: format!("band {}", expected.value),
                found: band.map_or_else(|| "no band".to_owned(), |band| format!("band {band}")),
                stood: None,
            });
        }
    }
    match differences.is_empty() {
        true => Outcome::Passed,
        false => Outcome::Failed { differences, happened: Vec::new() },
    }
}

/// The score and what each measure gave.
fn breakdown(assessment: &Assessment) -> String {
    let score = assessment.score.map_or_else(|| "no score".to_owned(), |score| format!("{score}"));
    let parts: Vec<String> = assessment
        .contributions
        .iter()
        .map(|part| {
            let value = part.value.map_or_else(|| "missing".to_owned(), |value| format!("{value}"));
            let points = part
                .points
                .map_or_else(|| "skipped".to_owned(), |points| format!("{points:.1} points"));
            format!("{} = {value} ({points})", part.measure)
        })
        .collect();
    format!("{score}: {}", parts.join(", "))
}
