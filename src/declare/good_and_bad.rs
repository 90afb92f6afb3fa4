//! Our own files load, and each wrong file is answered with the message that stands beside it.

use super::*;
use crate::engine::catalog::Sending;

fn own() -> Vec<Source> {
    let mut sources = Vec::new();
    for (folder, kind) in [
        ("triggers", SourceKind::Trigger),
        ("models", SourceKind::Model),
        ("triggers/mail", SourceKind::Asset),
    ] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let kind =
                if path.file_name().unwrap() == "policy.yaml" { SourceKind::Policy } else { kind };
            sources.push(Source {
                text: std::fs::read_to_string(&path).unwrap().into(),
                path: path.to_str().unwrap().into(),
                kind,
            });
        }
    }
    sources
}

#[test]
fn our_own_files_load() {
    let sources = own();
    match load(&sources, Sending::DryRun) {
        Ok(loaded) => {
            println!("{:#?}", loaded.catalog);
            println!("{}", render::render(&loaded.warnings, &sources, render::Drawing::Plain));
        }
        Err(faults) => panic!("{}", render::render(&faults, &sources, render::Drawing::Plain)),
    }
}
