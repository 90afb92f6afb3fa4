//! Hostile files are refused; reasons add up; `TreeSHAP` is what brute force says.
#![expect(clippy::float_cmp, reason = "the same bits are meant")]

use super::*;

fn curve(direction: Option<Direction>) -> Curve {
    let piece = |from, c| Piece { from, c };
    Curve {
        scale: Scale::Log,
        knots: [0.0, 2.0].into(),
        pieces: [
            piece(0.0, [-1.0, 0.0, 0.0, 0.0]),
            piece(0.0, [-1.0, 0.0, 0.5, 0.0]),
            piece(2.0, [1.0, 2.0, 0.0, 0.0]),
        ]
        .into(),
        missing: 0.25,
        direction,
    }
}

fn additive() -> Additive {
    let levels = Levels {
        names: ["basic".into(), "pro".into()].into(),
        parts: [0.4, -0.2].into(),
        other: 0.1,
        missing: -0.3,
    };
    let feature = |name: &str, shape| Feature { name: name.into(), shape };
    Additive {
        base: -1.5,
        features: [
            feature("logins", Shape::Curve(curve(Some(Direction::Rising)))),
            feature("plan", Shape::Levels(levels)),
        ]
        .into(),
        calibration: Calibration {
            slope: 1.25,
            intercept: 0.5,
            isotonic: [(0.1, 0.2), (0.6, 0.5)].into(),
        },
    }
}

fn split(feature: u16, left: u16, right: u16, missing: u16, cover: f64) -> Split {
    Split { feature, left, right, missing, cover }
}

fn leaf(value: f64, cover: f64) -> Node {
    Node::Leaf { value, cover }
}

/// Three features, one of them twice on a way.
fn forest() -> Forest {
    let first = Tree {
        nodes: [
            Node::Below { limit: 0.5, split: split(0, 1, 2, 2, 100.0) },
            Node::Within { set: 0b10, split: split(2, 3, 4, 3, 60.0) },
            Node::Below { limit: 2.0, split: split(1, 5, 6, 5, 40.0) },
            leaf(1.5, 10.0),
            Node::Below { limit: -0.5, split: split(0, 7, 8, 8, 50.0) },
            leaf(-2.0, 25.0),
            leaf(0.75, 15.0),
            leaf(0.3, 20.0),
            leaf(-0.4, 30.0),
        ]
        .into(),
    };
    let second = Tree {
        nodes: [
            Node::Below { limit: 1.0, split: split(1, 1, 2, 1, 100.0) },
            leaf(0.2, 35.0),
            leaf(-0.6, 65.0),
        ]
        .into(),
    };
    let feature = |name: &str, kind| ForestFeature { name: name.into(), kind };
    Forest {
        features: [
            feature("a", Kind::Number),
            feature("b", Kind::Number),
            feature("c", Kind::Category(["x".into(), "y".into()].into())),
        ]
        .into(),
        base: 0.7,
        trees: [first, second].into(),
        calibration: Calibration { slope: 1.1, intercept: -0.2, isotonic: Box::default() },
    }
}

/// The tree's value when only the features of a set are known: the rest averaged by cover.
fn worth(tree: &Tree, at: usize, row: &[f64], known: u32) -> f64 {
    let node = &tree.nodes[at];
    let split = match node {
        Node::Leaf { value, .. } => return *value,
        Node::Below { split, .. } | Node::Within { split, .. } => split,
    };
    if known >> split.feature & 1 == 1 {
        let next = node.next(row).expect("a split leads on");
        return worth(tree, usize::from(next), row, known);
    }
    let part = |child: u16| {
        let child = usize::from(child);
        tree.nodes[child].cover() / split.cover * worth(tree, child, row, known)
    };
    part(split.left) + part(split.right)
}

#[test]
fn tree_shap_is_what_all_orders_of_features_say() {
    let forest = forest();
    forest.check().expect("served");
    let mut scratch = ShapScratch::default();
    for row in [[0.2, 3.0, 1.0], [-1.0, 0.0, 0.0], [2.0, 2.0, 7.0], [f64::NAN, 1.5, f64::NAN]] {
        let mut parts = [0.0; 3];
        let logit = forest.reasons(&row, &mut parts, &mut scratch);
        assert!((forest.base() + parts.iter().sum::<f64>() - logit).abs() < 1e-12);
        assert!((logit - forest.logit(&row)).abs() < 1e-12);
        for (feature, part) in parts.iter().enumerate() {
            let mut brute = 0.0;
            for others in 0..8_u32 {
                if others >> feature & 1 == 1 {
                    continue;
                }
                // |S|! (3 - |S| - 1)! / 3!
                let weight = [1.0 / 3.0, 1.0 / 6.0, 1.0 / 3.0][others.count_ones() as usize];
                for tree in &forest.trees {
                    let with = worth(tree, 0, &row, others | 1 << feature);
                    brute += weight * (with - worth(tree, 0, &row, others));
                }
            }
            assert!((1.1 * brute - part).abs() < 1e-12, "{feature}: {brute} {part}");
        }
    }
}

#[test]
fn reasons_add_up_and_missing_and_unknown_have_their_own_parts() {
    let model = additive();
    model.check().expect("served");
    let mut parts = [0.0; 2];
    for row in [[4.0, 0.0], [f64::NAN, 1.0], [1e9, 2.0], [f64::INFINITY, f64::NAN]] {
        let logit = model.reasons(&row, &mut parts);
        assert_eq!(model.base() + parts[0] + parts[1], logit);
        assert_eq!(model.logit(&row), logit);
    }
    model.reasons(&[f64::NAN, 17.0], &mut parts);
    assert_eq!(parts, [1.25 * 0.25, 1.25 * 0.1]);
    model.reasons(&[], &mut parts);
    assert_eq!(parts, [1.25 * 0.25, 1.25 * -0.3]);
    let Shape::Levels(levels) = &model.features[1].shape else { panic!() };
    assert_eq!(["basic", "pro", "x"].map(|level| levels.code(level)), [0.0, 1.0, 2.0]);
}

#[test]
fn the_isotonic_table_is_straight_between_its_corners_and_flat_outside() {
    let calibration = additive().calibration;
    let chance = |before: f64| calibration.chance((before / (1.0 - before)).ln());
    let close = |left: f64, right: f64| assert!((left - right).abs() < 1e-12, "{left} {right}");
    close(chance(0.01), 0.2);
    close(chance(0.35), 0.35);
    close(chance(0.99), 0.5);
}

#[test]
fn a_curve_is_followed_piece_by_piece() {
    let curve = curve(None);
    let e = std::f64::consts::E;
    for (number, part) in [(0.0, -1.0), (e - 1.0, -0.5), (e * e - 1.0, 1.0), (-9.0, -1.0)] {
        assert!((curve.part(number) - part).abs() < 1e-12, "{number}");
    }
}

#[test]
fn hostile_additive_files_are_refused() {
    type Change = fn(&mut Additive);
    fn curve_of(model: &mut Additive) -> &mut Curve {
        match &mut model.features[0].shape {
            Shape::Curve(curve) => curve,
            Shape::Levels(_) => panic!(),
        }
    }
    fn levels_of(model: &mut Additive) -> &mut Levels {
        match &mut model.features[1].shape {
            Shape::Levels(levels) => levels,
            Shape::Curve(_) => panic!(),
        }
    }
    let changes: [(Change, &str); 15] = [
        (|m| m.base = f64::NAN, "base: not a finite number below 1e15"),
        (|m| m.features = Box::default(), "features: 0 where 1 belong"),
        (|m| curve_of(m).knots = [2.0, 0.0].into(), "knots of `logins`: must rise"),
        (|m| curve_of(m).knots = [0.0].into(), "pieces of `logins`: 3 where 2 belong"),
        (|m| curve_of(m).knots = [0.0, f64::INFINITY].into(), "knots of `logins`: not a finite"),
        (|m| curve_of(m).pieces[1].c[2] = f64::NAN, "a coefficient of `logins`: not a finite"),
        (|m| curve_of(m).pieces[2].c[2] = 1.0, "outer pieces of `logins`: must be straight"),
        (|m| curve_of(m).pieces[2].c[1] = -0.1, "feature `logins`: goes against"),
        (|m| curve_of(m).pieces[2].c[0] = 0.9, "feature `logins`: goes against"),
        (|m| curve_of(m).direction = Some(Direction::Falling), "feature `logins`: goes against"),
        (|m| levels_of(m).parts = [0.0].into(), "parts of `plan`: 1 where 2 belong"),
        (|m| levels_of(m).names.swap(0, 1), "levels of `plan`: must rise"),
        (|m| levels_of(m).other = 1e300, "a level of `plan`: not a finite"),
        (|m| m.calibration.slope = -1.0, "calibration slope: must be above 0"),
        (|m| m.calibration.isotonic.swap(0, 1), "isotonic corners: must rise"),
    ];
    for (change, message) in changes {
        let mut model = additive();
        change(&mut model);
        let refused = model.check().expect_err(message).to_string();
        assert!(refused.starts_with(message), "{refused}");
    }
}

#[test]
fn hostile_forests_are_refused() {
    type Change = fn(&mut Forest);
    fn split_of(forest: &mut Forest, at: usize) -> &mut Split {
        match &mut forest.trees[0].nodes[at] {
            Node::Below { split, .. } | Node::Within { split, .. } => split,
            Node::Leaf { .. } => panic!(),
        }
    }
    let changes: [(Change, &str); 9] = [
        (|f| split_of(f, 2).left = 0, "children must be two and stand behind"),
        (|f| split_of(f, 2).right = 99, "a child is not there"),
        (|f| split_of(f, 1).cover = 61.0, "the weights of two children"),
        (|f| split_of(f, 0).feature = 3, "a split names a feature that is not there"),
        (|f| split_of(f, 0).missing = 8, "missing values must go left or right"),
        (|f| split_of(f, 4).cover = -50.0, "the weight of a node must be above 0"),
        (|f| f.trees[1].nodes = Box::default(), "every node but the root"),
        (|f| f.trees[0].nodes[3] = leaf(f64::NAN, 10.0), "not a finite number"),
        (|f| f.trees[0].nodes[3] = leaf(0.0, f64::INFINITY), "not a finite number"),
    ];
    for (change, message) in changes {
        let mut model = forest();
        change(&mut model);
        let refused = model.check().expect_err(message).to_string();
        assert!(refused.contains(message), "{refused}");
    }
}

fn text() -> TextModel {
    let scheme = Scheme { bits: 8, chars: 2, words: 1 };
    let weights = (0..256).map(|at: i32| i8::try_from(at - 128).unwrap_or(0)).collect();
    let class = Class { name: "good".into(), bias: 0.5, scale: 0.01 };
    TextModel { scheme, classes: [class].into(), weights }
}

#[test]
fn a_text_model_reads_what_it_wrote_and_refuses_what_does_not_fit() {
    let model = text();
    model.check().expect("served");
    let written = serde_json::to_string(&model).expect("written");
    assert_eq!(serde_json::from_str::<TextModel>(&written).expect("read"), model);
    let broken = written.replacen("80818283", "8081828g", 1);
    assert!(serde_json::from_str::<TextModel>(&broken).is_err());
    let short = TextModel { weights: [1].into(), ..model.clone() };
    assert_eq!(short.check().expect_err("short").to_string(), "text weights: 1 where 256 belong");
    let wide = TextModel { scheme: Scheme { bits: 21, ..model.scheme }, ..model };
    assert!(wide.check().is_err());
}

#[test]
fn a_text_is_cut_the_same_whatever_its_width_case_and_spaces() {
    let scheme = Scheme { bits: 16, chars: 2, words: 2 };
    let read = |text: &str| Grams::default().read(text, scheme).collect::<Vec<_>>();
    assert_eq!(read("很好！"), read("很好!"));
    assert_eq!(read("Not  GOOD"), read("not good"));
    assert_ne!(read("好不"), read("不好"));
    // Two characters alone and as a pair; twice the first weighs 1 + ln 2.
    assert_eq!(read("啊啊").len(), 2);
    assert!(read("啊啊").iter().any(|(_, times)| (times - 1.0 - 2_f64.ln()).abs() < 1e-12));
    assert_eq!(read(""), []);
}

#[test]
fn a_text_of_any_length_and_script_is_answered() {
    let model = text();
    let mut grams = Grams::default();
    for text in ["", "a", "\u{10ffff}\u{0}", &"İß很".repeat(100_000)] {
        let chance = model.chance(text, &mut grams);
        assert!((0.0..=1.0).contains(&chance));
    }
}

#[test]
fn applying_a_model_does_not_allocate() {
    let (additive, forest, text) = (additive(), forest(), text());
    let (mut parts, mut scratch, mut grams) = ([0.0; 3], ShapScratch::default(), Grams::default());
    let long = "a bad 很差 day ".repeat(500);
    let counted = allocation_counter::measure(|| {
        additive.reasons(&[3.0, 1.0], &mut parts);
        forest.reasons(&[0.2, 3.0, 1.0], &mut parts, &mut scratch);
        text.chance(&long, &mut grams);
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn the_pieces_of_a_text_add_up_to_its_logit_and_are_whole_words() {
    let several = {
        let model = text();
        let class = |name: &str, bias| Class { name: name.into(), bias, scale: 0.02 };
        let weights = (0..512).map(|at: i32| i8::try_from(at % 201 - 100).unwrap_or(0)).collect();
        TextModel { classes: [class("a", 0.1), class("b", -0.3)].into(), weights, ..model }
    };
    let words = TextModel { scheme: Scheme { words: 2, ..text().scheme }, ..text() };
    for text in ["I'm not happy  with it, NOT happy", "太差了，太差了！", "很好 thanks", "?", ""]
    {
        let mut logits = [0.0; 2];
        for model in [&words, &several] {
            let logits = &mut logits[..model.classes.len()];
            model.logits(text, &mut Grams::for_text(text, model.scheme), logits);
            let mut whole = vec![0.0; logits.len()];
            model.logits(text, &mut Grams::default(), &mut whole);
            assert_eq!(logits, whole, "room for one text is room enough");
            let own = |class: usize| logits[class] - model.classes[class].bias;
            let mean = (0..logits.len()).map(own).sum::<f64>() / (logits.len() as f64);
            for class in 0..logits.len() {
                let sum: f64 = model.reasons(text, class).iter().map(|reason| reason.1).sum();
                let wanted = if logits.len() == 1 { own(class) } else { own(class) - mean };
                assert!((sum - wanted).abs() < 1e-9, "{text}: {sum} {wanted}");
            }
        }
    }
    let pieces: Vec<Box<str>> =
        words.reasons("Not good, 很差", 0).into_iter().map(|reason| reason.0).collect();
    let has = |piece: &str| pieces.iter().any(|own| **own == *piece);
    assert!(has("not") && has("good") && has("not good") && has("很差") && has("差"), "{pieces:?}");
    assert!(!has("oo") && !has("g") && !has("t") && !has("d,"), "{pieces:?}");
}
