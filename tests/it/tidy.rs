//! Checks of the source text itself: direction of names, purity, size, file headers.
#![expect(clippy::string_slice, reason = "cut where a search found an ASCII character")]

use std::fs;
use std::path::{Path, PathBuf};

/// The layers from top to bottom. A module may name only modules of lower layers: siblings of one
/// layer do not name each other.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["commands"],
    &["demo"],
    &["app"],
    &["cluster"],
    &["ingest", "worker", "dispatch", "api", "hooks"],
    &["log", "store", "catalog", "kafka"],
    &["telemetry", "config", "clock", "links", "sheet", "signing"],
    &["rehearse", "learn"],
    &["declare", "decode", "stats"],
    &["engine"],
];

/// Modules without clock, IO, threads, async, log lines and randomness.
const PURE: &[&str] = &["engine", "declare", "decode", "stats", "rehearse", "learn"];

/// What a pure module never contains, beside comments and tests.
const IMPURE: &[&str] = &[
    "tokio",
    "std::fs",
    "std::io",
    "std::net",
    "std::env",
    "std::thread",
    "std::process",
    "async fn",
    "tracing",
    "metrics::",
    "getrandom",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "Zoned::now",
    "println!",
    "HashMap",
    "HashSet",
];

/// Where one of those words stands for a reason given there: tables that are looked up and never
/// iterated, with a fixed hash; writing into memory.
const EXCUSED: &[(&str, &str)] = &[
    ("src/decode/table.rs", "HashMap"),
    ("src/engine/names.rs", "HashMap"),
    ("src/engine/message.rs", "std::io"),
];

const LINES_MAX: usize = 600;

#[test]
fn names_point_downwards() {
    let mut faults = Vec::new();
    for file in rust_files("src") {
        let top = top_module(&file);
        if top == "lib" {
            continue;
        }
        let Some(layer) = layer_of(&top) else {
            faults.push(format!("{}: add `{top}` to LAYERS", file.display()));
            continue;
        };
        let text = read(&file);
        for (number, named) in named_modules(&text) {
            let below = layer_of(&named).is_none_or(|other| layer < other);
            if named != top && !below {
                faults.push(format!("{}:{number}: `{top}` names `{named}`", file.display()));
            }
        }
        for (number, code) in code_lines(&text) {
            // From the file of a top module `super::` is the crate: it would hide a name from us.
            if is_top_file(&file) && code.starts_with("use super::") {
                faults.push(format!("{}:{number}: say `crate::` here", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn pure_modules_do_no_io() {
    let mut faults = Vec::new();
    let mut needed = Vec::new();
    for file in rust_files("src").into_iter().filter(|file| PURE.contains(&&*top_module(file))) {
        let shown = file.display().to_string();
        let text = read(&file);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        if is_test_code(&file) {
            continue;
        }
        for (number, code) in code_lines(text) {
            for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                match EXCUSED.iter().find(|excuse| **excuse == (&*shown, *word)) {
                    Some(excuse) => needed.push(excuse),
                    None => faults.push(format!("{shown}:{number}: `{word}` in a pure module")),
                }
            }
        }
    }
    for excuse in EXCUSED.iter().filter(|excuse| !needed.contains(excuse)) {
        faults.push(format!("{}: `{}` needs no excuse any more", excuse.0, excuse.1));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn files_are_short_and_introduced() {
    let mut faults = Vec::new();
    for file in ["src", "tests"].into_iter().flat_map(rust_files) {
        let text = read(&file);
        if !text.starts_with("//! ") {
            faults.push(format!("{}: begin with a `//!` line that says its job", file.display()));
        }
        let lines = text.lines().count();
        if LINES_MAX < lines {
            faults.push(format!("{}: {lines} lines, at most {LINES_MAX}", file.display()));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_lint_is_lifted_with_a_reason() {
    let mut faults = Vec::new();
    for file in ["src", "tests"].into_iter().flat_map(rust_files) {
        for (number, code) in code_lines(&read(&file)) {
            if code.trim_start().starts_with("#[allow(") {
                faults.push(format!("{}:{number}: `#[expect(.., reason = ..)]`", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Lines of code with their numbers, comments cut off.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, String)> + '_ {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default().to_owned()))
}

/// Top modules that a file names, with the line: `crate::a::b`, `heedful::a`, and each of
/// `crate::{a, b::c}`, over several lines too.
fn named_modules(text: &str) -> Vec<(usize, String)> {
    let code: String = code_lines(text).map(|(_, line)| line + "\n").collect();
    let mut found = Vec::new();
    for root in ["crate::", "heedful::"] {
        for (at, _) in code.match_indices(root) {
            let number = code[..at].lines().count().max(1);
            let rest = &code[at + root.len()..];
            let paths = rest.strip_prefix('{').map_or_else(|| vec![rest], members);
            found.extend(paths.into_iter().map(|path| (number, first_word(path.trim()))));
        }
    }
    found.retain(|(_, word)| !word.is_empty());
    found.into_iter().map(|(number, word)| (number, word.to_owned())).collect()
}

/// The members of a brace, split at its own commas and not at those of braces inside.
fn members(inner: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let mut from = 0;
    let mut found = Vec::new();
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                found.push(&inner[from..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}

#[test]
fn names_are_found_however_they_are_written() {
    let text = "use crate::{\n    engine::{a, log}, // crate::api\n    store::b,\n};\nlet x = heedful::app::y;";
    let found: Vec<_> = named_modules(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(found, ["engine", "store", "app"]);
}

fn top_module(file: &Path) -> String {
    let inner = file.strip_prefix("src").unwrap();
    let first = inner.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Whether the parent of this file's module is the crate itself.
fn is_top_file(file: &Path) -> bool {
    let depth = file.components().count();
    depth == 2 || (depth == 3 && file.ends_with("mod.rs"))
}

/// Whether a file's module, or one that it lies in, is declared under `#[cfg(test)]`.
fn is_test_code(file: &Path) -> bool {
    let mut module = file.with_extension("");
    if module.ends_with("mod") {
        module.pop();
    }
    while module.components().count() > 1 {
        let name = module.file_name().unwrap().to_str().unwrap().to_owned();
        module.pop();
        let parents = [module.join("mod.rs"), module.with_extension("rs"), module.join("lib.rs")];
        let declared = |parent: &PathBuf| {
            let text = read(parent);
            ["mod", "pub(crate) mod", "pub(super) mod"]
                .iter()
                .any(|word| text.contains(&format!("#[cfg(test)]\n{word} {name};")))
        };
        if parents.iter().filter(|parent| parent.exists()).any(declared) {
            return true;
        }
    }
    false
}

fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open = vec![PathBuf::from(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}
