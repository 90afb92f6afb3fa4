//! Real processes as nodes of a group, each with a folder of its own, and what they leave in Kafka.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use heedful::config::KafkaConfig;
use heedful::kafka::settings::Settings;
use heedful::kafka::topics::Names;
use serde_json::Value;
use tempfile::TempDir;

use super::broker::Broker;
use super::dlq::all_of;
use crate::cli::{heedful, here, write};
use crate::service::{KEY, Place, Process, Sink, get, looked, until};

/// Others take over from a node that is silent for so long.
const SESSION_MS: u64 = 6_000;

/// A group of nodes with topics of its own.
pub(super) struct Group {
    folder: TempDir,
    config: KafkaConfig,
    flags: &'static [&'static str],
    // Kept at work for as long as there are nodes.
    _broker: Arc<Broker>,
}

/// What is to be decided by, and where outreach goes.
pub(super) struct Files<'f> {
    pub(super) triggers: &'f [(&'f str, String)],
    pub(super) sink: Option<&'f Sink>,
}

/// A node.
pub(super) struct Node {
    pub(super) process: Process,
    said: PathBuf,
}

impl Group {
    /// A group whose events are in its own topic, or in another's.
    pub(super) fn new(
        broker: &Arc<Broker>,
        prefix: &str,
        (partitions, events): (u16, Option<&str>),
        files: &Files<'_>,
    ) -> Self {
        let mut config = broker.config(prefix, partitions);
        let events = events.map_or(config.events.clone(), str::to_owned);
        config.events.clone_from(&events);
        let folder = tempfile::tempdir().unwrap();
        let mut text = format!(
            "kafka:\n  brokers: {}\n  group: {prefix}\n  prefix: {prefix}\n  events: {events}\n  \
             partitions: {partitions}\n  replication: {}\n  properties:\n    \
             session.timeout.ms: \"{SESSION_MS}\"\n    heartbeat.interval.ms: \"1000\"\n    \
             topic.metadata.refresh.interval.ms: \"2000\"\n",
            config.brokers, config.replication
        );
        if let Some(sink) = files.sink {
            let address = Place::address_of(sink);
            text += &format!(
                "channels:\n  webhook: {{type: webhook, url: \"http://{address}/hook\", \
                 secret: \"${{HOOK_SECRET}}\", allow_private: true}}\n"
            );
        }
        write(folder.path(), "heedful.yaml", &text);
        write_triggers(folder.path(), files.triggers);
        let flags: &[_] = if files.sink.is_some() { &["--send"] } else { &[] };
        let group = Self { folder, config, flags, _broker: Arc::clone(broker) };
        group.make_topics();
        group
    }

    /// Makes the topics that are not there.
    pub(super) fn make_topics(&self) {
        let made = heedful_with_key(self.folder.path(), &["kafka", "init", "--apply"]);
        assert_eq!(made.0, 0, "{}", made.1);
    }

    /// Passes a property on to librdkafka in nodes that are started from now on.
    pub(super) fn set(&self, property: &str, value: &str) {
        let file = self.folder.path().join("heedful.yaml");
        let text = fs::read_to_string(&file).unwrap();
        let (before, after) = text.split_once("properties:\n").unwrap();
        let line = format!("    {property}: \"{value}\"\n");
        write(self.folder.path(), "heedful.yaml", &format!("{before}properties:\n{line}{after}"));
    }

    /// Nodes that are started from now on reach the broker at this port.
    pub(super) fn go_through(&self, port: u16) {
        let text = fs::read_to_string(self.folder.path().join("heedful.yaml")).unwrap();
        let text = text.replace(&self.config.brokers, &format!("127.0.0.1:{port}"));
        write(self.folder.path(), "heedful.yaml", &text);
    }

    pub(super) fn config(&self) -> &KafkaConfig {
        &self.config
    }

    /// Where its configuration is.
    pub(super) fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Adds to what its file says of Kafka.
    pub(super) fn say(&self, more: &str) {
        let file = self.folder.path().join("heedful.yaml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text + more).unwrap();
    }

    pub(super) fn settings(&self) -> Settings {
        Settings::new(&self.config, "test")
    }

    pub(super) fn names(&self) -> Names {
        Names::new(&self.config)
    }

    /// Starts a node on the data of this name.
    pub(super) fn spawn(&self, name: &str) -> Node {
        let said = self.folder.path().join(format!("{name}.txt"));
        let out = fs::OpenOptions::new().create(true).append(true).open(&said).unwrap();
        // Where it listens is looked for in what this run says.
        out.set_len(0).unwrap();
        let child = Command::new(assert_cmd::cargo::cargo_bin!("heedful"))
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOOK_SECRET", format!("whsec_{KEY}"))
            .args(["serve", "--listen", "127.0.0.1:0", "--config", "heedful.yaml", "--data", name])
            .args(self.flags)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Node { process: Process::of(child), said }
    }

    /// Starts a node and waits until it is ready.
    pub(super) fn start(&self, name: &str) -> (Node, SocketAddr) {
        let node = self.spawn(name);
        let address = node.address();
        until("it is ready", || get(address, "/readyz").is_some());
        (node, address)
    }

    /// The last message about each decision, and how often one was told twice.
    pub(super) fn decisions(&self) -> (BTreeMap<String, Value>, usize) {
        let mut latest: BTreeMap<String, Value> = BTreeMap::new();
        let mut twice = 0;
        let (settings, names) = (self.settings(), self.names());
        let mut all = all_of(&settings, &names.decisions, self.config.partitions);
        all.sort_by_key(|seen| (seen.partition, seen.offset));
        for seen in all {
            let told: Value = serde_json::from_slice(&seen.value.unwrap()).unwrap();
            let verdicts = |told: &Value| told["history"].as_array().map_or(0, Vec::len);
            let id = told["id"].as_str().unwrap().to_owned();
            if let Some(before) = latest.get(&id)
                && verdicts(&told) <= verdicts(before)
            {
                twice += 1;
            }
            latest.insert(id, told);
        }
        (latest, twice)
    }

    /// What the changelog holds under keys of this kind.
    pub(super) fn kept(&self, kind: &str) -> BTreeMap<String, Vec<u8>> {
        let (settings, names) = (self.settings(), self.names());
        let mut all = all_of(&settings, &names.changelog, self.config.partitions);
        all.sort_by_key(|seen| (seen.partition, seen.offset));
        let mut kept = BTreeMap::new();
        for seen in all {
            let key = String::from_utf8(seen.key.unwrap()).unwrap();
            let Some(id) = key.strip_prefix(kind).map(str::to_owned) else { continue };
            match seen.value {
                Some(value) => kept.insert(id, value),
                None => kept.remove(&id),
            };
        }
        kept
    }
}

impl Node {
    /// Waits until the process says where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        let address = || {
            let said = self.said();
            let line = said.lines().find(|line| line.starts_with("heedful "))?;
            line.rsplit_once("http://")?.1.trim().parse().ok()
        };
        looked(address).unwrap_or_else(|| panic!("it does not listen: {}", self.said()))
    }

    /// All that it said.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    pub(super) fn kill(self) {
        self.process.kill();
    }
}

/// Triggers, and the policy without quiet hours: tests run at night too.
impl Group {
    /// Adds to the policy, before a node reads it.
    pub(super) fn say_in_policy(&self, lines: &str) {
        let path = self.folder.path().join("triggers/policy.yaml");
        let policy = fs::read_to_string(&path).unwrap();
        fs::write(path, format!("{policy}\n{lines}")).unwrap();
    }
}

pub(super) fn write_triggers(folder: &std::path::Path, triggers: &[(&str, String)]) {
    let policy = fs::read_to_string(here().join("triggers/policy.yaml")).unwrap();
    let policy = policy.replace("quiet_hours: keep", "quiet_hours: break");
    write(folder, "triggers/policy.yaml", &policy);
    for (name, text) in triggers {
        write(folder, &format!("triggers/{name}.yaml"), text);
    }
}

fn heedful_with_key(folder: &std::path::Path, args: &[&str]) -> (i32, String) {
    // The file names the key of the webhooks.
    write(folder, "init.yaml", &without_channels(folder));
    let said = heedful(folder, &[args, &["--config", "init.yaml"]].concat());
    (said.code, format!("{}{}", said.out, said.err))
}

fn without_channels(folder: &std::path::Path) -> String {
    let text = fs::read_to_string(folder.join("heedful.yaml")).unwrap();
    text.split("channels:").next().unwrap().to_owned()
}
