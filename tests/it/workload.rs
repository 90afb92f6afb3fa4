//! The reference workload: three triggers and two caps, decided as five other programs decide them.
#![expect(clippy::string_slice, reason = "cut where a search found an ASCII character")]

use std::fs;
use std::io::Write;
use std::process::Command;

use crate::cli::{heedful, here};

/// Lines taken: enough for every cap to hold, few enough for an unoptimised build.
const LINES: usize = 200_000;
/// What all of them give for so many lines.
const DIGEST: u64 = 0x9958_1bd9_b931_68bd;

#[test]
fn the_workload_gives_the_known_digest_on_one_shard_and_on_eight() {
    let workload = here().join("../shared/workload");
    if !workload.join("gen.py").exists() {
        // There is nothing to compare with: the workload is not part of the repository.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "skipped: {} is not there", workload.display()).unwrap();
        return;
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

    for shards in ["1", "8"] {
        let decisions = folder.path().join("decisions.ndjson");
        let said = heedful(
            here(),
            &[
                "replay",
                "--events",
                events.to_str().unwrap(),
                "--triggers",
                "tests/workload/triggers",
                "--models",
                "tests/workload/models",
                "--shards",
                shards,
                "--decisions",
                decisions.to_str().unwrap(),
            ],
        );
        assert_eq!(said.code, 0, "{}", said.err);
        assert_eq!(digest(&fs::read_to_string(&decisions).unwrap()), DIGEST, "{shards} shards");
    }
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
