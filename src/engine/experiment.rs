//! Sticky assignment: who is in which arm follows from a hash, never from chance or order.

use std::sync::Arc;

use super::catalog::{Arm, Experiment};
use super::policy::Share;

/// Where a unit ends up.
#[derive(Clone, Debug)]
pub enum Assignment<'a> {
    /// Hears nothing, is counted.
    Holdout,
    /// In this arm.
    Arm(&'a Arm),
    /// Treated as the trigger says: the experiment has no arms, or they leave a part of all over.
    Treated,
}

impl Assignment<'_> {
    /// Its name in records: `holdout`, the arm's, or `treated`.
    pub fn name(&self) -> Arc<str> {
        match self {
            Self::Holdout => Arc::from("holdout"),
            Self::Arm(arm) => arm.name.clone(),
            Self::Treated => Arc::from("treated"),
        }
    }
}

/// Assigns a unit: the first `holdout` of the range hears nothing, the arms follow in order, and
/// what they leave over is treated as the trigger says. So a change of the arms never moves anyone
/// into or out of the holdout.
pub fn assign<'a>(experiment: &'a Experiment, unit: &str) -> Assignment<'a> {
    let place = u32::from(bucket(&experiment.key, unit));
    let mut end = u32::from(experiment.holdout.0);
    if place < end {
        return Assignment::Holdout;
    }
    for arm in &experiment.arms {
        end += u32::from(arm.share.0);
        if place < end {
            return Assignment::Arm(arm);
        }
    }
    Assignment::Treated
}

/// Whether a unit is in the global holdout.
pub fn globally_held_out(share: Share, unit: &str) -> bool {
    // Most policies have none, and a hash costs more than this comparison.
    share != Share(0) && bucket(GLOBAL_SEED, unit) < share.0
}

/// The place of a unit in `0..10_000`: FNV-1a over UTF-16 units, twice, as the SDKs of
/// `GrowthBook` do (hash version 2), so that exposures can be read there.
pub fn bucket(seed: &str, unit: &str) -> u16 {
    let first = fnv1a(seed.encode_utf16().chain(unit.encode_utf16()));
    let second = fnv1a(first.to_string().encode_utf16());
    u16::try_from(second % PLACES).unwrap_or_default()
}

/// Seed of the global holdout: it is drawn apart from that of every trigger.
const GLOBAL_SEED: &str = "heedful:global-holdout";
/// Places in the range: shares are whole hundredths of a per cent.
const PLACES: u32 = 10_000;

fn fnv1a(units: impl Iterator<Item = u16>) -> u32 {
    units.fold(0x811C_9DC5, |hash, unit| (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::catalog::{ArmOffer, Unit};

    fn experiment(holdout: u16, arms: &[(&str, u16)]) -> Experiment {
        Experiment {
            key: Arc::from("checkout-hesitation"),
            unit: Unit::Customer,
            holdout: Share(holdout),
            arms: arms
                .iter()
                .map(|(name, share)| Arm {
                    name: Arc::from(*name),
                    share: Share(*share),
                    offer: ArmOffer::Keep,
                    set: Box::default(),
                })
                .collect(),
            goal: None,
            guardrails: Box::default(),
            read_at: None,
        }
    }

    fn names(experiment: &Experiment) -> Vec<String> {
        (0..10_000)
            .map(|n| assign(experiment, &format!("customer-{n}")).name().to_string())
            .collect()
    }

    fn share_of(names: &[String], name: &str) -> f64 {
        let found = u32::try_from(names.iter().filter(|found| *found == name).count()).unwrap();
        f64::from(found) / 10_000.0
    }

    #[test]
    fn buckets_are_those_of_the_growthbook_sdk() {
        // From the SDK itself; ids beyond ASCII tell UTF-16 from UTF-8.
        for (seed, id, place) in [("续费提醒", "客户-8490", 504), ("winback_2024", "😀95", 6098)]
        {
            assert_eq!(bucket(seed, id), place, "{seed} {id}");
        }
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "the vectors are not part of the repository")]
    fn every_assignment_vector_agrees() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../shared/data/experiments/assignment_vectors.json"
        );
        let Ok(text) = std::fs::read_to_string(path) else {
            eprintln!("the assignment vectors are absent: {path}");
            return;
        };
        let vectors: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut seen = 0;
        for case in vectors["cases"].as_array().unwrap() {
            if case["hash_version"] != 2 {
                continue;
            }
            let place = bucket(case["seed"].as_str().unwrap(), case["id"].as_str().unwrap());
            assert!(
                (f64::from(place) / 10_000.0 - case["bucket"].as_f64().unwrap()).abs() < 1e-9,
                "{case}"
            );
            seen += 1;
        }
        assert!(50 < seen, "only {seen} vectors of hash version 2");
    }

    #[test]
    fn parts_are_as_large_as_declared() {
        let names = names(&experiment(1_000, &[("a", 4_500), ("b", 4_500)]));
        for (name, share) in [("holdout", 0.10), ("a", 0.45), ("b", 0.45)] {
            assert!((share_of(&names, name) - share).abs() < 0.015, "{name}");
        }
    }

    #[test]
    fn a_change_of_the_arms_moves_nobody_into_or_out_of_the_holdout() {
        let before = names(&experiment(1_000, &[("a", 9_000)]));
        let after = names(&experiment(1_000, &[("b", 2_000), ("a", 3_000), ("c", 4_000)]));
        for (before, after) in before.iter().zip(&after) {
            assert_eq!(before == "holdout", after == "holdout");
        }
    }

    #[test]
    fn the_holdout_comes_first_and_the_arms_follow_in_order() {
        let experiment = experiment(1_000, &[("a", 2_000), ("b", 3_000)]);
        for n in 0..1_000 {
            let unit = format!("customer-{n}");
            let expected = match bucket("checkout-hesitation", &unit) {
                ..1_000 => "holdout",
                1_000..3_000 => "a",
                3_000..6_000 => "b",
                6_000.. => "treated",
            };
            assert_eq!(&*assign(&experiment, &unit).name(), expected, "{unit}");
        }
    }

    #[test]
    fn what_the_arms_leave_over_is_treated() {
        let names = names(&experiment(0, &[("a", 4_000)]));
        assert!((share_of(&names, "treated") - 0.6).abs() < 0.015);
        let all = experiment(0, &[]);
        assert!(matches!(assign(&all, "anyone"), Assignment::Treated));
    }

    #[test]
    fn a_holdout_of_all_holds_everyone_and_one_of_nothing_nobody() {
        for unit in ["", "a", "客户"] {
            assert!(globally_held_out(Share(10_000), unit));
            assert!(!globally_held_out(Share(0), unit));
            assert!(matches!(assign(&experiment(10_000, &[]), unit), Assignment::Holdout));
        }
    }

    #[test]
    fn the_global_holdout_is_drawn_apart_from_the_triggers() {
        let names = names(&experiment(5_000, &[]));
        let both = names
            .iter()
            .enumerate()
            .filter(|(n, name)| {
                *name == "holdout" && globally_held_out(Share(5_000), &format!("customer-{n}"))
            })
            .count();
        // A quarter, were it chance; a half or none, were it the same hash.
        assert!((2_300..2_700).contains(&both), "{both}");
    }
}
