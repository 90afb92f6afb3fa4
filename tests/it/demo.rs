//! The demo, as a newcomer meets it: it needs nothing, shows everything, and leaves nothing behind.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use crate::service::{get, until};

/// A demo that is open; it is closed with this.
pub(crate) struct Demo {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The folder it stands in, which goes away with it.
    folder: PathBuf,
}

impl Demo {
    /// Opens one on a free port, with time running so many times as fast.
    pub(crate) fn open(speed: &str) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("heedful"))
            .args(["demo", "--listen", "127.0.0.1:0", "--speed", speed])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("  sending") || !said.ends_with('\n') {
            assert_ne!(out.read_line(&mut said).unwrap(), 0, "{said}");
        }
        child.stdout = Some(out.into_inner());
        let after = |word: &str| said.split_once(word).unwrap().1.trim_start();
        let address = after("http://").split(' ').next().unwrap().parse().unwrap();
        let folder = PathBuf::from(after("  files").split(": ").next().unwrap());
        assert!(folder.join("triggers").is_dir(), "{said}");
        Self { child, address, folder }
    }

    /// Presses Ctrl-C and waits until it has ended.
    pub(crate) fn close(mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert!(!self.folder.exists(), "{} is left behind", self.folder.display());
        status
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        drop(fs::remove_dir_all(&self.folder));
    }
}

#[test]
fn it_opens_with_every_kind_and_every_verdict_and_leaves_nothing_behind() {
    let demo = Demo::open("60");
    let triggers = || get(demo.address, "/api/v1/triggers").unwrap();
    let all = |triggers: &Value, read: &dyn Fn(&Value) -> bool| {
        triggers.as_array().unwrap().iter().filter(|trigger| read(trigger)).count()
    };
    until("what was heard is decided", || {
        let triggers = triggers();
        let some = |verdict: &str| {
            0 < all(&triggers, &|trigger| 0 < trigger["funnel"][verdict].as_u64().unwrap())
        };
        ["sent", "task", "held_out", "suppressed", "deferred", "expired"].into_iter().all(some)
    });
    let triggers = triggers();
    for kind in ["behavior", "status", "lifecycle"] {
        let fired = |trigger: &Value| trigger["kind"] == kind && trigger["funnel"]["matched"] != 0;
        assert!(0 < all(&triggers, &fired), "no {kind} trigger has fired: {triggers}");
    }
    for reason in ["quiet_hours", "capped", "holdout", "no_consent", "suppressed"] {
        let given = |trigger: &Value| trigger["funnel"]["reasons"].to_string().contains(reason);
        assert!(0 < all(&triggers, &given), "nobody was held back for {reason}: {triggers}");
    }
    assert_eq!(demo.close().code(), Some(0));
}
