//! Tests of reading: bounds, links, half-written files, and the set that stays in force.

use std::fs;
use std::path::Path;

use super::*;

fn folders(root: &Path) -> Folders {
    Folders { triggers: root.join("triggers"), models: root.join("models") }
}

fn paths(root: &Path) -> Result<Vec<String>, String> {
    let prefix = format!("{}/", root.display());
    let cut = |text: String| text.replace(&prefix, "");
    folders(root)
        .read()
        .map(|sources| {
            sources
                .iter()
                .map(|source| format!("{} {:?}", cut(source.path.to_string()), source.kind))
                .collect()
        })
        .map_err(|refused| {
            cut(refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })
}

fn write(root: &Path, path: &str, text: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn the_set_is_what_its_names_say() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(paths(root.path()).unwrap(), [""; 0], "no folders are an empty set");
    for path in [
        "triggers/b.yaml",
        "triggers/a/deep/c.yml",
        "triggers/policy.yaml",
        "triggers/a/mail.mjml",
        "triggers/.b.yaml.swp",
        "triggers/.git/x.yaml",
        "triggers/b.yaml~",
        "triggers/README",
        "models/health.yaml",
        "models/health.model.json",
        "models/note.txt",
    ] {
        write(root.path(), path, "x");
    }
    assert_eq!(
        paths(root.path()).unwrap(),
        [
            "models/health.model.json Fitted",
            "models/health.yaml Model",
            "triggers/a/deep/c.yml Trigger",
            "triggers/a/mail.mjml Asset",
            "triggers/b.yaml Trigger",
            "triggers/policy.yaml Policy",
        ]
    );
}

#[test]
fn links_lead_nowhere_outside_and_not_in_circles() {
    use std::os::unix::fs::symlink;

    let root = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    write(other.path(), "secret.yaml", "password: hunter2");
    // As in a mounted configuration: the file is a link into a hidden folder beside it.
    write(root.path(), "triggers/..2026/a.yaml", "a");
    symlink("..2026", root.path().join("triggers/..data")).unwrap();
    symlink("..data/a.yaml", root.path().join("triggers/a.yaml")).unwrap();
    symlink(".", root.path().join("triggers/again")).unwrap();
    symlink("nowhere.yaml", root.path().join("triggers/dangling.yaml")).unwrap();
    assert_eq!(paths(root.path()).unwrap(), ["triggers/a.yaml Trigger"]);

    symlink(other.path().join("secret.yaml"), root.path().join("triggers/b.yaml")).unwrap();
    let refused = paths(root.path()).unwrap_err();
    assert!(refused.starts_with("triggers/b.yaml: it is a link to "), "{refused}");
    fs::remove_file(root.path().join("triggers/b.yaml")).unwrap();
    symlink(other.path(), root.path().join("triggers/out")).unwrap();
    assert!(paths(root.path()).unwrap_err().starts_with("triggers/out: it is a link"));
}

#[test]
fn what_is_too_large_or_not_text_is_told() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "triggers/large.yaml", vec![b'#'; 1024 * 1024 + 1]);
    write(root.path(), "triggers/latin.yaml", b"a: b\nc: M\xfcller\n");
    let refused = paths(root.path()).unwrap_err();
    assert!(refused.contains("large.yaml: it has 1048577 bytes"), "{refused}");
    assert!(refused.contains("latin.yaml: it is not UTF-8 from line 2 on"), "{refused}");
}
