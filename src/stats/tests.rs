//! Never inverted, at the optimum, monotone, the same bytes again; measures as by brute force.

use super::handover::{self, Optimum, Sort};
use super::layout::{Layout, Missing, Plan, Tail, Treatment};
use super::logistic::{End, Problem};
use super::table::{Column, Table};
use super::trees::Settings;
use super::{additive, bounded, calibrate, folds, interval, quality, select, text, trees};
use crate::engine::model::{Direction, Grams, Scale, logistic};

const LINES: Plan = Plan { knots: 0, ridge: 1.0, scale: Scale::Plain, tail: Tail::Straight };
const CURVES: Plan = Plan { knots: 8, ridge: 3.0, scale: Scale::Plain, tail: Tail::Straight };

/// Rows with a number that raises the chance, a category, gaps, and a number that means nothing;
/// about `share` of them positive.
fn rows(count: usize, share: f64, seed: u64) -> Table {
    let mut random = fastrand::Rng::with_seed(seed);
    let base = (share / (1.0 - share)).ln();
    let (mut first, mut noise, mut plans) = (Vec::new(), Vec::new(), Vec::new());
    let mut table = Table::default();
    for row in 0..count {
        let x = 4.0 * random.f64() - 2.0;
        let plan = ["basic", "pro", "team", "rare"][random.usize(..40) % 13 % 4];
        let known = random.f64() < 0.9;
        let effect = if known { 1.5 * x } else { 0.5 };
        let logit = base + effect + if plan == "pro" { -0.8 } else { 0.3 };
        let happened = random.f64() < logistic(logit) || row == 0;
        first.push(if known { x } else { f64::NAN });
        noise.push(random.f64() * 100.0);
        plans.push((random.f64() < 0.95).then_some(plan));
        table.labels.push(f64::from(u8::from(happened && row != 1)));
    }
    table.columns = vec![
        Column::numbers("x", first),
        Column::numbers("noise", noise),
        Column::categories("plan", plans.iter().copied()),
    ];
    table
}

fn all(table: &Table) -> Vec<usize> {
    (0..table.len()).collect()
}

fn close(left: f64, right: f64, most: f64) {
    assert!((left - right).abs() <= most, "{left} and {right}");
}

#[test]
fn scores_are_never_inverted_whatever_the_share_of_positives() {
    for percent in (1..=99).step_by(7).chain([50, 99]) {
        let table = rows(3_000, f64::from(percent) / 100.0, 7);
        for plan in [LINES, CURVES] {
            let (fit, fitted) =
                additive::fit_linfa(&table, &[], &plan, &all(&table)).expect("fitted");
            fit.model.check().expect("served");
            let auc =
                quality::auc(&select::chances(&fit.model, &table, &all(&table)), &table.labels);
            assert!(0.6 < auc, "{percent} %: {auc}, positive {}", fitted.object.labels().pos.class);
        }
    }
}

#[test]
fn what_linfa_gives_is_the_optimum_and_what_is_served_is_linfa() {
    for share in [0.1, 0.9] {
        let table = rows(2_000, share, 3);
        let layout = Layout::fit(&table, &[], &CURVES, &all(&table)).expect("layout");
        let design = layout.design(&table, &all(&table));
        let moments = design.moments(None);
        let penalty = layout.penalty(&moments, CURVES.ridge);
        let labels = &table.labels;
        let problem =
            Problem { design: &design, labels, weights: None, offset: None, penalty: &penalty };
        let solution = problem.solve(None).expect("solved");
        assert_eq!(solution.end, End::Converged);
        let (_, gradient) = problem.gradient(&solution.weights);
        assert!(gradient.iter().all(|slope| slope.abs() < 1e-4), "{gradient:?}");
        let errors = problem.errors(&solution.weights).expect("errors");
        assert!(errors.iter().all(|error| 0.0 < *error && error.is_finite()));
        let optimum =
            Optimum { design: &design, labels, weights: &solution.weights, sort: Sort::Plain };
        let fitted = handover::hand_over(&optimum, &penalty).expect("handed over");
        let weights = fitted.weights();
        for (ours, theirs) in solution.weights.iter().zip(&weights) {
            close(*ours, *theirs, 1e-6);
        }
        // Linear in the columns against curve by curve: the same logit to the last digits.
        let model = layout.model(&weights, &moments, Tail::Straight);
        let mut row = Vec::new();
        for (at, logit) in design.logits(&weights).into_iter().enumerate() {
            table.row(at, &mut row);
            close(model.logit(&row), logit, 1e-11);
        }
    }
}

#[test]
fn the_optimum_is_that_of_plain_descent_with_weights_and_offset() {
    let table = rows(300, 0.3, 11);
    let layout = Layout::fit(&table, &[], &LINES, &all(&table)).expect("layout");
    let design = layout.design(&table, &all(&table));
    let penalty = layout.penalty(&design.moments(None), 5.0);
    let weights: Vec<f64> = (0..300).map(|row| f64::from(row % 3) + 0.5).collect();
    let offset: Vec<f64> = (0..300).map(|row| f64::from(row % 5) * 0.1).collect();
    let problem = Problem {
        design: &design,
        labels: &table.labels,
        weights: Some(&weights),
        offset: Some(&offset),
        penalty: &penalty,
    };
    let solution = problem.solve(None).expect("solved");
    let mut slow = vec![0.0; design.columns()];
    for _ in 0..40_000 {
        let (_, gradient) = problem.gradient(&slow);
        slow.iter_mut().zip(gradient).for_each(|(weight, slope)| *weight -= 0.004 * slope);
    }
    for (ours, theirs) in solution.weights.iter().zip(&slow) {
        close(*ours, *theirs, 1e-5);
    }
    let again = problem.solve(Some(&slow)).expect("solved");
    close(again.objective, solution.objective, 1e-8);
}

#[test]
fn a_level_left_out_changes_nothing() {
    use super::{Design, Penalty, Tie};
    // Three levels, each with a column, against two columns and a tie.
    let labels: Vec<f64> = (0..90).map(|row| f64::from(u8::from(row % 7 < 2 + row % 3))).collect();
    let (mut full, mut short) = (Design::new(0, 3), Design::new(0, 2));
    for level in (0..90).map(|row| row % 3) {
        full.push(&[], &[(level, 1.0)]);
        short.push(&[], &if level == 2 { vec![] } else { vec![(level, 1.0)] });
    }
    let charges = vec![2.0, 3.0, 4.0];
    let tied = Penalty { ridge: vec![2.0, 3.0], ties: vec![Tie { columns: 0..2, total: 9.0 }] };
    let free = Penalty { ridge: charges, ties: vec![] };
    let solve = |design: &Design, penalty: &Penalty| {
        let problem = Problem { design, labels: &labels, weights: None, offset: None, penalty };
        problem.solve(None).expect("solved")
    };
    let (full_fit, short_fit) = (solve(&full, &free), solve(&short, &tied));
    close(full_fit.objective, short_fit.objective, 1e-9);
    let pairs = full.logits(&full_fit.weights).into_iter().zip(short.logits(&short_fit.weights));
    pairs.for_each(|(left, right)| close(left, right, 1e-6));
}

#[test]
fn a_declared_direction_is_kept_even_against_the_rows() {
    let table = rows(1_500, 0.4, 5);
    for (direction, knots) in [
        (Direction::Rising, 0),
        (Direction::Rising, 8),
        (Direction::Falling, 0),
        (Direction::Falling, 8),
    ] {
        let treatment = Treatment { missing: Missing::Flag, direction: Some(direction) };
        let plan = Plan { knots, ..CURVES };
        let (fit, _) = additive::fit_linfa(&table, &[treatment, treatment], &plan, &all(&table))
            .expect("fitted");
        // `check` proves the direction; a falling x is held flat.
        fit.model.check().expect("keeps its direction");
        assert_eq!(fit.end, End::Converged);
        let chance = |x: f64| fit.model.chance(&[x, 50.0, 0.0]);
        assert_eq!(direction == Direction::Rising, chance(-1.0) + 0.1 < chance(1.0));
    }
    let category = [Treatment { missing: Missing::Flag, direction: Some(Direction::Rising) }; 3];
    assert!(additive::fit(&table, &category, &LINES, &all(&table)).is_err());
    assert!(
        bounded::solve(
            &Problem {
                design: &super::Design::new(0, 1),
                labels: &[],
                weights: None,
                offset: None,
                penalty: &super::Penalty::even(1, 1.0),
            },
            &[(0.0, 1.0)],
        )
        .is_err()
    );
}

#[test]
fn one_class_lengths_and_what_is_not_finite_are_refused() {
    let mut table = rows(200, 0.3, 1);
    let fit = |table: &Table| additive::fit(table, &[], &LINES, &all(table)).map(|_| ());
    table.labels.fill(1.0);
    assert_eq!(fit(&table), Err(super::Fault::OneClass));
    table.labels[3] = f64::NAN;
    assert_eq!(fit(&table), Err(super::Fault::NotFinite));
    assert!(
        trees::boost(
            &rows(200, 0.3, 1),
            &[],
            &folds::Fold { learn: vec![], judge: vec![] },
            &Settings::default()
        )
        .is_err()
    );
}

#[test]
fn the_same_rows_and_seed_give_the_same_bytes() {
    let table = rows(1_200, 0.3, 9);
    let additive = || {
        let inner = folds::stratified(&table, 3, 5).expect("folds");
        let best = select::trials(&table, &[], &[LINES, CURVES], &inner).expect("trials");
        let fit = additive::fit(&table, &[], &best[0].plan, &all(&table)).expect("fitted");
        serde_json::to_string(&fit.model).expect("written")
    };
    assert_eq!(additive(), additive());
    let forest = || {
        let inner = folds::stratified(&table, 3, 5).expect("folds");
        let settings = Settings { rounds: 40, ..Settings::default() };
        let boosted = trees::boost_folds(&table, &[], &inner, &settings).expect("boosted");
        boosted.forest.check().expect("served");
        serde_json::to_string(&boosted.forest).expect("written")
    };
    assert_eq!(forest(), forest());
}

#[test]
fn trees_find_an_interaction_keep_directions_and_say_what_they_judged() {
    let mut table = rows(4_000, 0.5, 2);
    let (x, noise) = (table.columns[0].values().to_vec(), table.columns[1].values().to_vec());
    for (row, label) in table.labels.iter_mut().enumerate() {
        *label = f64::from(u8::from((x[row] > 0.0) ^ (noise[row] > 50.0)));
    }
    let inner = folds::stratified(&table, 2, 1).expect("folds");
    let boosted = trees::boost_folds(&table, &[], &inner, &Settings::default()).expect("boosted");
    assert!(boosted.loss < 0.3, "{}", boosted.loss);
    close(quality::log_loss(&boosted.judged, &table.labels), boosted.loss, 1e-3);
    let directions = [Some(Direction::Rising), Some(Direction::Falling)];
    let held = trees::boost_folds(&table, &directions, &inner, &Settings::default()).expect("held");
    let chance =
        |x: i32, noise: i32| held.forest.chance(&[f64::from(x) / 10.0, f64::from(noise), 0.0]);
    for step in -20..20 {
        assert!(
            chance(step, 30) <= chance(step + 1, 30) && chance(step, 80) <= chance(step + 1, 80)
        );
        assert!(chance(3, 50 + step) >= chance(3, 51 + step));
    }
}

#[test]
fn measures_are_what_pairs_and_loops_say() {
    let mut random = fastrand::Rng::with_seed(4);
    for _ in 0..40 {
        let count = random.usize(5..60);
        let mut draw = |most: u32| f64::from(random.u32(0..=most));
        let chances: Vec<f64> = (0..count).map(|_| draw(9) / 9.0).collect();
        let mut labels: Vec<f64> = (0..count).map(|_| draw(1)).collect();
        (labels[0], labels[1]) = (0.0, 1.0);
        let pairs = (0..count).flat_map(|some| (0..count).map(move |none| (some, none)));
        let (mut wins, mut all) = (0.0, 0.0);
        for (some, none) in pairs.filter(|(some, none)| labels[*none] < labels[*some]) {
            all += 1.0;
            wins += match chances[some].total_cmp(&chances[none]) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
        }
        let delong = interval::auc(&chances, &labels);
        close(quality::auc(&chances, &labels), wins / all, 1e-12);
        close(delong.value, wins / all, 1e-12);
        assert!(delong.low <= delong.value && delong.value <= delong.high);
        let precision = |row: usize| {
            let above = (0..count).filter(|other| chances[row] <= chances[*other]);
            let hits = above.clone().filter(|other| 0.5 < labels[*other]).count();
            hits as f64 / above.count() as f64
        };
        let positives: Vec<usize> = (0..count).filter(|row| 0.5 < labels[*row]).collect();
        let area =
            positives.iter().map(|row| precision(*row)).sum::<f64>() / positives.len() as f64;
        close(quality::pr_auc(&chances, &labels), area, 1e-12);
        let bins = quality::bins_by_mass(&chances, &labels, 4);
        assert_eq!(bins.iter().map(|bin| bin.rows).sum::<usize>(), count);
        let boot = interval::bootstrap(&chances, &labels, quality::brier, 200, 1);
        assert!(boot.low <= boot.value && boot.value <= boot.high);
    }
    let labels = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let chances = [0.9, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1];
    close(quality::lift(&chances, &labels, 0.1), 5.0, 1e-12);
    let (gap, error) = quality::loss_difference(&chances, &chances, &labels);
    assert_eq!((gap, error), (0.0, 0.0));
}

#[test]
fn calibration_repairs_what_was_bent_and_isotonic_rises() {
    let mut random = fastrand::Rng::with_seed(8);
    let truth: Vec<f64> = (0..20_000).map(|_| 6.0 * random.f64() - 3.0).collect();
    let labels: Vec<f64> =
        truth.iter().map(|t| f64::from(u8::from(random.f64() < logistic(*t)))).collect();
    let bent: Vec<f64> = truth.iter().map(|t| 2.0 * t + 1.0).collect();
    for repaired in [calibrate::slope(&bent, &labels), calibrate::platt(&bent, &labels)] {
        let repaired = repaired.expect("repaired");
        close(repaired.slope, 0.5, 0.03);
        close(repaired.intercept, -0.5, 0.06);
    }
    let shifted: Vec<f64> = truth.iter().map(|t| t - 0.7).collect();
    close(calibrate::intercept(&shifted, &labels).expect("repaired").intercept, 0.7, 0.06);
    let table = calibrate::isotonic(&bent, &labels).expect("repaired");
    table.check().expect("rises");
    let chances: Vec<f64> = bent.iter().map(|logit| table.chance(*logit)).collect();
    let error = quality::calibration_error(&quality::bins_by_width(&chances, &labels, 10));
    assert!(error < 0.01, "{error}");
    let backwards: Vec<f64> = truth.iter().map(|t| -t).collect();
    assert!(calibrate::slope(&backwards, &labels).is_err());
}

#[test]
fn folds_keep_customers_together_and_time_in_order() {
    let mut table = rows(400, 0.3, 6);
    table.groups = (0..400).map(|row| row / 4).collect();
    table.days = (0..400).map(|row| row % 4 * 30).collect();
    for fold in folds::stratified(&table, 5, 3).expect("folds") {
        assert_eq!(fold.learn.len() + fold.judge.len(), 400);
        assert!(fold.judge.iter().all(|row| !fold.learn.iter().any(|other| other / 4 == row / 4)));
    }
    let forward = folds::forward(&table, 30, 30, 9);
    assert_eq!(forward.len(), 2);
    for fold in forward {
        let newest = fold.learn.iter().map(|row| table.days[*row]).max();
        assert!(fold.judge.iter().all(|row| newest.expect("rows") + 60 <= table.days[*row]));
    }
}

#[test]
fn texts_of_two_and_of_more_classes_are_told_apart() {
    let words = ["refund money back", "where is my card", "很好吃 推荐", "太差了 退款"];
    let rows: Vec<String> = (0..200).map(|row| format!("{} {row}", words[row % 4])).collect();
    let settings = text::Settings::usual();
    let cut = text::Texts::new(rows.iter().map(String::as_str), settings.scheme).expect("cut");
    let all: Vec<usize> = (0..200).collect();
    let four: Vec<usize> = (0..200).map(|row| row % 4).collect();
    let names = ["refund", "card", "praise", "complaint"];
    let model = text::fit(&cut, &four, &names, &settings, &all).expect("fitted");
    let (mut grams, mut chances) = (Grams::default(), [0.0; 4]);
    for (class, text) in words.iter().enumerate() {
        model.chances(text, &mut grams, &mut chances);
        close(chances.iter().sum(), 1.0, 1e-12);
        assert!(chances.iter().all(|chance| *chance <= chances[class]), "{chances:?}");
    }
    let two: Vec<usize> = (0..200).map(|row| usize::from(row % 4 == 2)).collect();
    let model = text::fit(&cut, &two, &["other", "praise"], &settings, &all).expect("fitted");
    model.check().expect("served");
    assert!(0.5 < model.chance(words[2], &mut grams) && model.chance(words[3], &mut grams) < 0.5);
    assert!(text::fit(&cut, &two, &["a", "b", "c"], &settings, &all).is_err());
}
