//! The reference workload: three triggers and two caps, decided as five other programs decide them.
#![expect(clippy::string_slice, reason = "cut where a search found an ASCII character")]

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cli::{heedful, here, write};
use crate::skip::say_skipped;

/// Lines taken: enough for every cap to hold, few enough for an unoptimised build.
const LINES: usize = 200_000;
/// What all of them give for so many lines.
const DIGEST: u64 = 0x9958_1bd9_b931_68bd;

#[test]
fn the_workload_gives_the_known_digest_on_one_shard_and_on_eight() {
    let workload = here().join("../shared/workload");
    if !workload.join("gen.py").exists() {
        // There is nothing to compare with: the workload is not part of the repository.
        let why = format!("{} is not there", workload.display());
        return say_skipped("the reference workload", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let all = folder.path().join("all.jsonl");
    let made = Command::new("python3").arg(workload.join("gen.py")).arg(&all).status().unwrap();
    assert!(made.success(), "gen.py failed");
    let text = fs::read_to_string(&all).unwrap();
    let end = text.match_indices('\n').nth(LINES - 1).unwrap().0;
    let events = folder.path().join("events.jsonl");
    fs::write(&events, &text[..=end]).unwrap();
    drop(text);

    let replay = |triggers: &Path, shards: &str| {
        let decisions = folder.path().join("decisions.ndjson");
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let (events, triggers, out) = (path(&events), path(triggers), path(&decisions));
        let args = ["replay", "--events", &events, "--triggers", &triggers];
        // The workload has no models.
        let more = ["--models", "no-models", "--shards", shards, "--decisions", &out];
        let said = heedful(here(), &[&args[..], &more[..]].concat());
        assert_eq!(said.code, 0, "{}", said.err);
        digest(&fs::read_to_string(&decisions).unwrap())
    };
    let triggers = here().join("tests/workload/triggers");
    for shards in ["1", "8"] {
        assert_eq!(replay(&triggers, shards), DIGEST, "{shards} shards");
    }

    // Another rule gives another digest: it does stand for what was decided.
    let altered = folder.path().join("altered");
    for file in fs::read_dir(&triggers).unwrap() {
        let file = file.unwrap();
        let text = fs::read_to_string(file.path()).unwrap().replace("gap: 4h", "gap: 5h");
        write(&altered, file.file_name().to_str().unwrap(), &text);
    }
    assert_ne!(replay(&altered, "1"), DIGEST, "a gap of five hours");
}

/// XOR over all decisions, so that their order does not matter.
fn digest(decisions: &str) -> u64 {
    decisions.lines().fold(0, |digest, line| {
        let decision: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| decision[name].as_str().unwrap_or_default().to_owned();
        let trigger = text("trigger").to_uppercase();
        let result = if text("reason").is_empty() { text("verdict") } else { text("reason") };
        let parts = [text("customer"), trigger, text("occurrence"), result];
        digest ^ fnv1a(&parts.join("|"))
    })
}

fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
