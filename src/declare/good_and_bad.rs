//! Our own files load, and each wrong file is answered with the message that stands beside it.
//!
//! After a wanted change of messages: `UPDATE_EXPECTED=1 cargo test --lib good_and_bad`, and read
//! the difference.

use std::fs;
use std::path::{Path, PathBuf};

use super::render::{Drawing, render};
use super::*;
use crate::engine::catalog::{Sending, When};
use crate::engine::policy::HandledBy;

fn files(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths
}

fn source(path: &Path) -> Source {
    let text = fs::read_to_string(path).unwrap();
    let is = |word: &str| text.lines().any(|line| line.starts_with(word));
    let kind = if path.extension().unwrap() != "yaml" {
        SourceKind::Asset
    } else if is("model:") {
        SourceKind::Model
    } else if path.file_name().unwrap().to_str().unwrap().starts_with("policy") {
        SourceKind::Policy
    } else {
        SourceKind::Trigger
    };
    Source { path: path.to_str().unwrap().into(), text: text.into(), kind }
}

fn own() -> Vec<Source> {
    ["triggers", "triggers/mail", "models"]
        .into_iter()
        .flat_map(files)
        .map(|path| source(&path))
        .collect()
}

fn loaded(sources: &[Source]) -> Loaded {
    match load(sources, Sending::DryRun) {
        Ok(loaded) => loaded,
        Err(faults) => panic!("\n{}", render(&faults, sources, Drawing::Plain)),
    }
}

#[test]
fn our_own_files_load_without_a_warning() {
    let sources = own();
    let loaded = loaded(&sources);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.catalog.triggers.len(), 6);
    assert_eq!(loaded.catalog.scores.len(), 3);
    assert_eq!(loaded.tests.len(), 7);
}

#[test]
fn without_a_policy_file_the_one_we_ship_is_in_force() {
    let ours = fs::read_to_string("triggers/policy.yaml").unwrap();
    assert!(ours == policy::BUILT_IN, "triggers/policy.yaml and src/declare/policy.yaml differ");
}

#[test]
fn the_order_in_which_files_are_listed_does_not_show() {
    let mut sources = own();
    let one = format!("{:#?}", loaded(&sources).catalog);
    sources.reverse();
    let other = format!("{:#?}", loaded(&sources).catalog);
    assert!(one == other, "the catalog depends on the order of files");
}

#[test]
fn a_version_follows_the_texts_that_a_trigger_names() {
    let version = |sources: &[Source]| {
        let catalog = loaded(sources).catalog;
        let slot = catalog.find_trigger("renewal-offer").unwrap();
        (catalog.trigger(slot).unwrap().version.clone(), catalog.revision.clone())
    };
    let mut sources = own();
    let (before, revision_before) = version(&sources);
    let mail = sources.iter_mut().find(|source| source.kind == SourceKind::Asset).unwrap();
    mail.text = format!("{} ", mail.text).into();
    let (after, revision_after) = version(&sources);
    assert_ne!(before, after);
    assert_ne!(revision_before, revision_after);
}

#[test]
fn what_a_broken_file_would_have_declared_is_not_missed_elsewhere() {
    let mut sources = own();
    let churn = sources.iter_mut().find(|source| source.path.ends_with("churn.yaml")).unwrap();
    churn.text = format!("{}\n\tx", churn.text).into();
    let faults = load(&sources, Sending::DryRun).unwrap_err();
    let codes: Vec<&str> = faults.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["E001"]);
}

#[test]
fn a_trigger_that_can_never_send_is_loaded_with_a_warning() {
    let mut sources = own();
    let policy = sources.iter_mut().find(|source| source.kind == SourceKind::Policy).unwrap();
    policy.text =
        policy.text.replace("at_most: 3", "at_most: 0").replace("locale: en", "locale: fr").into();
    let warnings = loaded(&sources).warnings;
    let count = |code: &str| warnings.iter().filter(|fault| fault.code == code).count();
    assert_eq!((count("W001"), count("W002"), warnings.len()), (3, 5, 8));
}

/// What a set of one trigger, written from parts, is warned of.
fn warned(limits: &str, experiment: &str, body: &str) -> Vec<(&'static str, String)> {
    let text = format!(
        "trigger: t\nkind: behavior\nabout: a\nowner: a@b.example\nwhen: {{event: E, where: \
         event.total > customer.limit}}\nif: customer.plan == \"pro\"\nsend:\n  purpose: marketing\n  \
         via: email\n{limits}  message: {{en: {{body: '{body} {{{{ unsubscribe_url }}}}'}}}}\n{experiment}"
    );
    let source = Source { path: "t.yaml".into(), text: text.into(), kind: SourceKind::Trigger };
    let warnings = loaded(std::slice::from_ref(&source)).warnings;
    warnings.into_iter().map(|fault| (fault.code, fault.message)).collect()
}

#[test]
fn a_text_that_cannot_be_written_for_everyone_is_loaded_with_a_warning() {
    let arms = "experiment: {holdout: 10%, arms: {bare: {share: 45%, offer: none, set: {tip: x}}, \
                full: {share: 45%}}}";
    let always = "  offer: {use: X}\n";
    let sometimes = "  offer: {if: customer.plan == \"pro\", use: X}\n";
    let code = "{{ offer.code }}";
    let codes = |limits, experiment, body| -> Vec<&str> {
        warned(limits, experiment, body).into_iter().map(|(code, _)| code).collect()
    };
    assert_eq!(codes(always, "", code), Vec::<&str>::new());
    assert_eq!(codes(sometimes, "", code), ["W003"]);
    assert_eq!(codes(always, arms, code), ["W003"]);
    assert_eq!(
        codes(always, arms, "{% if offer %}{{ offer.code }}{% endif %}"),
        Vec::<&str>::new()
    );
    assert_eq!(codes(always, arms, "{{ arm.tip }}"), ["W003"]);
    assert_eq!(codes(always, arms, "{{ arm.tip | default(1) }}"), Vec::<&str>::new());
    assert_eq!(codes("", "", "{{ customer.name }}"), ["W004"]);
    assert_eq!(codes("", "", "{{ customer.plan }}{{ customer.limit }}"), Vec::<&str>::new());
    assert_eq!(codes("  spread_over: 2d\n", "", "x"), ["W005"]);
    assert_eq!(codes("  spread_over: 2d\n  expires_after: 3d\n", "", "x"), Vec::<&str>::new());
    let told = warned(always, arms, code);
    assert_eq!(told[0].1, "arm `bare` may offer nothing: this text cannot be written then");
}

#[test]
fn mail_that_needs_a_yes_is_refused_unless_it_can_be_taken_back() {
    let told = |purpose: &str, via: &str, variants: &str| -> Vec<(&'static str, String)> {
        let text = format!(
            "trigger: t\nkind: behavior\nabout: a\nowner: a@b.example\nwhen: {{event: E}}\nsend:\n  \
             purpose: {purpose}\n  via: {via}\n  message: {{{variants}}}\n"
        );
        let source = Source { path: "t.yaml".into(), text: text.into(), kind: SourceKind::Trigger };
        let faults = load(std::slice::from_ref(&source), Sending::DryRun).err().unwrap_or_default();
        faults.into_iter().map(|fault| (fault.code, fault.message)).collect()
    };
    let (bare, link) = ("en: {body: x}", "en: {subject: s, body: 'x {{ unsubscribe_url }}'}");
    let told_of = told("marketing", "[in_app, email]", bare);
    assert_eq!(
        told_of,
        [(
            "E023",
            "`marketing` by `email` needs a yes, and its text in `en` has no way to take it back"
                .to_owned()
        )]
    );
    assert!(told("marketing", "email", link).is_empty());
    assert!(told("marketing", "[in_app, sms]", bare).is_empty());
    assert!(told("marketing", "email\n  unsubscribe: provider", bare).is_empty());
    let long = format!("en: {{body: '{} {{{{ customer.name }}}}'}}", "x".repeat(460));
    assert_eq!(told("service", "sms", &long)[0].0, "E071");
    assert!(told("service", "email", &long).is_empty());
    let policy = Source {
        path: "policy.yaml".into(),
        text: "channels: {push: {needs: push_subscription}}\n".into(),
        kind: SourceKind::Policy,
    };
    let pushed = |length: usize| -> Vec<&'static str> {
        let text = format!(
            "trigger: t\nkind: behavior\nabout: a\nowner: a@b.example\nwhen: {{event: E}}\nsend:\n  \
             purpose: service\n  via: push\n  message: {{en: {{title: x, body: '{}'}}}}\n",
            "x".repeat(length)
        );
        let source = Source { path: "t.yaml".into(), text: text.into(), kind: SourceKind::Trigger };
        loaded(&[policy.clone(), source]).warnings.iter().map(|fault| fault.code).collect()
    };
    assert_eq!(pushed(3_992), Vec::<&str>::new());
    assert_eq!(pushed(3_993), ["W082"]);
    assert!(told("transactional", "email", bare).is_empty());
    let half = format!("{link}, de: {{body: x}}");
    assert_eq!(told("marketing", "email", &half).len(), 1, "each language");
}

#[test]
fn a_message_about_what_happens_to_a_model_is_loaded_with_a_warning() {
    let told = |event: &str| -> Vec<&'static str> {
        let text = format!(
            "trigger: t\nkind: status\nabout: a\nowner: a@b.example\nwhen: {{event: {event}}}\n\
             send:\n  purpose: transactional\n  via: email\n  message: {{en: {{body: x}}}}\n"
        );
        let source = Source { path: "t.yaml".into(), text: text.into(), kind: SourceKind::Trigger };
        let warnings = loaded(std::slice::from_ref(&source)).warnings;
        warnings.into_iter().map(|fault| fault.code).collect()
    };
    for event in crate::engine::drift::EVENTS {
        assert_eq!(told(event), ["W001"], "{event}");
    }
    assert_eq!(told("Order Completed"), Vec::<&str>::new());
}

#[test]
fn a_score_is_remembered_for_as_long_as_any_file_asks() {
    let days = |history: &str, condition: &str| {
        let model = format!("model: risk\ntype: pushed\nabout: a\n{history}");
        let trigger = format!(
            "trigger: t\nkind: behavior\nabout: a\nowner: a@b.example\nwhen: {{event: E}}\n\
             if: {condition}\ntask: {{in: tasks, title: x}}\n"
        );
        let source =
            |kind, path: &str, text: String| Source { path: path.into(), text: text.into(), kind };
        let sources = [
            source(SourceKind::Model, "m.yaml", model),
            source(SourceKind::Trigger, "t.yaml", trigger),
        ];
        load(&sources, Sending::DryRun).map(|loaded| loaded.catalog.scores[0].days)
    };
    assert_eq!(days("", "score.risk > 1"), Ok(28));
    assert_eq!(days("history: 90d\n", "score.risk > 1"), Ok(90));
    assert_eq!(days("history: 90d\n", "score.risk_trend_120d > 1"), Ok(120));
    assert_eq!(days("", "min(score.risk, \"60d\") > 1"), Ok(60));
    for wrong in ["history: 36h\n", "history: 400d\n", "history: 0s\n"] {
        assert_eq!(days(wrong, "score.risk > 1").unwrap_err()[0].code, "E014", "{wrong}");
    }
}

#[test]
fn a_name_given_in_two_files_is_told_with_the_place_of_the_other() {
    let mut sources = own();
    let first = sources.iter().find(|source| source.path.ends_with("trial-tips.yaml")).unwrap();
    sources.push(Source { path: "triggers/zz.yaml".into(), ..first.clone() });
    let faults = load(&sources, Sending::DryRun).unwrap_err();
    let told: Vec<_> = faults.iter().map(|fault| (fault.code, &*fault.place.file)).collect();
    assert_eq!(told, [("E040", "triggers/zz.yaml")]);
    assert!(faults[0].help.as_ref().unwrap().contains("triggers/trial-tips.yaml:2"));
}

#[test]
fn each_wrong_file_is_answered_with_the_message_beside_it() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let models: Vec<Source> = files("models").iter().map(|path| source(path)).collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in files("tests/declare/bad") {
        if path.extension().unwrap() != "yaml" {
            continue;
        }
        seen += 1;
        let mut sources = models.clone();
        sources.push(source(&path));
        let given = match load(&sources, Sending::DryRun) {
            Ok(_) => "it loads\n".to_owned(),
            Err(faults) => render(&faults, &sources, Drawing::Plain),
        };
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &given).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != given {
            wrong.push(format!("{}:\n{given}", path.display()));
        }
        if given == "it loads\n" {
            wrong.push(format!("{} loads", path.display()));
        }
    }
    assert!(30 <= seen, "only {seen} files");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Every word of the format is used once in `tests/declare/good`; what becomes of each file stands
/// beside it.
#[test]
fn each_good_file_becomes_what_stands_beside_it() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let paths = files("tests/declare/good");
    let yaml = paths.iter().filter(|path| path.extension().unwrap() == "yaml");
    let mut sources: Vec<Source> = yaml.map(|path| source(path)).collect();
    sources.extend(files("models").iter().map(|path| source(path)));
    let loaded = loaded(&sources);
    let catalog = &loaded.catalog;
    let mut becomes: Vec<(String, String)> = Vec::new();
    for trigger in &catalog.triggers {
        becomes.push((trigger.place.file.to_string(), described(trigger)));
    }
    becomes.push(("tests/declare/good/policy.yaml".into(), format!("{:#?}", catalog.policy)));
    for name in ["fraud", "engagement"] {
        let score = &catalog.scores[catalog.find_score(name).unwrap().index()];
        let file = if name == "fraud" { "pushed" } else { "card" };
        let path = format!("tests/declare/good/{file}.yaml");
        let tests = loaded.tests.iter().find(|tests| *tests.path == *path);
        becomes.push((path, format!("{score:#?}\n{tests:#?}")));
    }
    let tone = catalog.readers.find("tone").unwrap();
    becomes.push(("tests/declare/good/tone.yaml".into(), format!("{tone:#?}")));
    let tables = format!(
        "{:#?}\n{:#?}\n{:#?}\n{:#?}\n{:?}",
        catalog.events, catalog.traits, catalog.properties, catalog.series, catalog.session_idle
    );
    becomes.push(("tests/declare/good/tables.yaml".into(), tables));
    let mut wrong = Vec::new();
    for (path, given) in becomes {
        let expected = Path::new(&path).with_extension("txt");
        let given = given + "\n";
        if update {
            fs::write(&expected, &given).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != given {
            wrong.push(format!("{path}:\n{given}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A trigger without its version, which changes with every letter.
fn described(trigger: &crate::engine::catalog::Trigger) -> String {
    let when = match &trigger.when {
        // The calendar's own insides are another crate's business.
        When::Schedule { schedule, zone } => format!("Schedule {:?} {zone:?}", schedule.as_str()),
        when => format!("{when:#?}"),
    };
    let people = match trigger.handled_by {
        HandledBy::People => "\nfor people alone",
        HandledBy::Anyone => "",
    };
    let breaker = trigger.breaker.as_ref().map_or_else(String::new, |own| format!("\n{own:?}"));
    let ramp = trigger.ramp.as_ref().map_or_else(String::new, |ramp| format!("\n{ramp:#?}"));
    format!(
        "{:?} {:?} {:?} priority {} tags {} per {:?} once per {:?} act within {:?}\n{when}\n{:#?}\n\
         {:#?}\n{:#?}\n{:#?}\n{:?}{people}{ramp}{breaker}",
        trigger.id,
        trigger.kind,
        trigger.state,
        trigger.priority,
        trigger.tags,
        trigger.per,
        trigger.once_per,
        trigger.act_within,
        trigger.conditions,
        trigger.action,
        trigger.suppress,
        trigger.experiment,
        trigger.captures,
    )
}
