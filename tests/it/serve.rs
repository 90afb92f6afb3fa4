//! `heedful serve` from the outside: what it says first, what it refuses, how it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::cli::{Said, heedful, write};
use crate::service::{exchange, until};

const TRIGGER: &str = "\
trigger: thanks
kind: behavior
about: Says thank you.
owner: ops@shop.example
when: {event: Order Completed}
send:
  purpose: service
  via: [email]
  message:
    en: {subject: Thank you, body: See you soon.}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "triggers/thanks.yaml", TRIGGER);
    folder
}

fn refused(folder: &Path, args: &[&str]) -> Said {
    let said = heedful(folder, args);
    assert_eq!(said.code, 2, "{}", said.err);
    said
}

/// Starts it and reads what it says up to the line about sending.
fn started(folder: &Path, args: &[&str]) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_heedful"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(args)
        .current_dir(folder)
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("\n  sending") || !said.ends_with('\n') {
        assert_ne!(out.read_line(&mut said).unwrap(), 0, "{said}");
    }
    child.stdout = Some(out.into_inner());
    (child, said)
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

#[test]
fn it_says_first_what_a_newcomer_needs() {
    let folder = folder();
    let (mut child, said) = started(folder.path(), &[]);
    for line in [
        "http://127.0.0.1:",
        "data       data (",
        "triggers   1 in force from `triggers`, revision ",
        "keys       events from this machine with any write key; the API from this machine",
        "sending is OFF (dry run): turn it on with --send",
    ] {
        assert!(said.contains(line), "{line} is not in\n{said}");
    }
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));

    let (mut child, said) = started(folder.path(), &["--send", "--triggers", "nowhere"]);
    assert!(said.contains("sending is ON"), "{said}");
    assert!(said.contains("there is no folder `nowhere`; `heedful init` makes one"), "{said}");
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn its_first_page_leads_everywhere_it_says() {
    let folder = folder();
    let (mut child, said) = started(folder.path(), &[]);
    let address = said.split("http://").nth(1).unwrap().split_whitespace().next().unwrap();
    let address = address.trim_end_matches('/').parse().unwrap();
    // The log is caught up with before `/readyz` says yes.
    until("it is ready", || exchange(address, "GET", "/readyz", b"").is_some_and(|it| it.0 == 200));
    let (status, page) = exchange(address, "GET", "/", b"").unwrap();
    assert_eq!(status, 200);
    let page = String::from_utf8(page).unwrap();
    let links: Vec<_> =
        page.split("a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(links.contains(&"/api/v1/customers"), "{page}");
    for link in links {
        assert_eq!(exchange(address, "GET", link, b"").unwrap().0, 200, "{link}");
    }
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn it_is_not_opened_to_the_network_without_secrets() {
    let folder = folder();
    let said = refused(folder.path(), &["serve", "--listen", "0.0.0.0:0"]);
    assert!(said.err.contains("the API needs a token of at least 16 characters"), "{}", said.err);
    assert!(said.err.contains("events need a write key"), "{}", said.err);
}

#[test]
fn faults_of_configuration_and_triggers_are_told_with_their_places() {
    let folder = folder();
    write(folder.path(), "heedful.yaml", "chanels: {}\n");
    let said = refused(folder.path(), &["serve"]);
    assert!(said.err.contains("heedful.yaml:1:1: `chanels` is not known here"), "{}", said.err);
    assert!(said.err.contains("did you mean `channels`?"), "{}", said.err);

    write(folder.path(), "heedful.yaml", "");
    write(folder.path(), "triggers/thanks.yaml", &TRIGGER.replace("purpose:", "purpos:"));
    let said = heedful(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(said.out.contains("triggers/thanks.yaml:7:"), "{}", said.out);
}

#[test]
fn a_store_or_port_in_use_is_told() {
    let folder = folder();
    let (mut child, said) = started(folder.path(), &[]);
    let (_, rest) = said.split_once("http://").unwrap();
    let address = rest.split_whitespace().next().unwrap();
    let other = refused(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(other.err.contains("in use by another process"), "{}", other.err);
    let other = refused(folder.path(), &["serve", "--listen", address, "--data", "other"]);
    assert!(other.err.contains("choose another address with `--listen`"), "{}", other.err);
    child.kill().unwrap();
    child.wait().unwrap();
}
