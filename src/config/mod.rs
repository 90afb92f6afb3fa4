//! The configuration: one optional file, environment variables and flags, read once at start.
//!
//! A flag wins over a variable, a variable over the file, the file over the default. Every default
//! works, and everything that is wrong is reported at once.

mod channel;
mod csv;
mod fault;
mod http;
mod kafka;
mod node;
mod preset;
mod receipts;
mod registry;
mod role;
mod smtp;
mod source;
mod suppressions;
mod table;
#[cfg(test)]
mod tests;
mod topic;
mod unsubscribe;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

pub use channel::{
    CONCURRENCY_DEFAULT, ChannelConfig, ChannelKind, Egress, OnUnknown, Rate,
    WEBHOOK_TIMEOUT_DEFAULT, WebhookConfig,
};
pub use csv::CsvConfig;
pub use fault::{Fault, Faults};
pub use http::{
    AnswerConfig, ConfirmConfig, HttpBody, HttpConfig, Idempotency, Length, Method, ProbeConfig,
};
pub use kafka::KafkaConfig;
pub use receipts::{Hears, Proof, ReceiptShape, ReceiptsConfig};
pub use registry::{Login, RegistryConfig};
pub use role::Role;
pub use smtp::{SmtpConfig, SmtpTls};
pub use source::{Naming, Place, SourceConfig, SourceFormat};
pub use topic::TopicConfig;

pub use unsubscribe::UnsubscribeConfig;

use crate::engine::catalog::Sending;
use crate::engine::policy::LentCap;
use crate::engine::time::Span;
use node::Node;
use table::Reading;

/// The file read when none is named, if it is there.
pub const FILE_DEFAULT: &str = "heedful.yaml";
/// Shortest token with which a service may be opened to the network, in characters.
pub const TOKEN_CHARS_MIN: usize = 16;
/// Largest file that holds a token or keys, in bytes.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Most shards that can be asked for.
const SHARDS_MAX: u16 = 64;
/// Most connections that can be asked for.
const CONNECTIONS_MAX: usize = 65_536;

/// Everything the service has to know before it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the store is.
    pub data: PathBuf,
    /// Where HTTP is served; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// The folder of triggers and policy.
    pub triggers: PathBuf,
    /// The folder of models.
    pub models: PathBuf,
    /// Whether outreach really leaves.
    pub sending: Sending,
    /// Shards of a store that is created now; an existing one keeps its own.
    pub shards: Option<u16>,
    /// The token of the API; without one, anyone on this machine may read.
    pub api_token: Option<SecretString>,
    /// Keys with which events may be written; without any, anyone on this machine may write.
    pub write_keys: Vec<SecretString>,
    /// Channels in the order of the file. Those that it does not name print on the console, but
    /// for `in_app`.
    pub channels: Vec<ChannelConfig>,
    /// What this node does, where Kafka is the log; without it, everything.
    pub roles: Vec<Role>,
    /// Kafka, when it is the log; without it the log is embedded in the store.
    pub kafka: Option<KafkaConfig>,
    /// The links by which customers ask for less.
    pub unsubscribe: UnsubscribeConfig,
    /// What addresses of the suppression list are hashed with; without it, a key of the data folder.
    pub suppressions_key: Option<SecretString>,
    /// Bounds of the HTTP server.
    pub limits: Limits,
    /// How long records are kept.
    pub retention: Retention,
}

/// Bounds of the HTTP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at a time; further ones wait to be accepted.
    pub connections: usize,
    /// How long a request may take, but for live streams.
    pub request: Span,
}

/// How long records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Decisions.
    pub decisions: Span,
    /// Events in the log that have been applied: what can be replayed and looked up.
    pub log: Span,
    /// Inputs that were refused.
    pub dead_letters: Span,
}

/// What the command line says; `None` is unsaid.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file to read.
    pub config: Option<PathBuf>,
    /// Where the store is.
    pub data: Option<PathBuf>,
    /// Where HTTP is served.
    pub listen: Option<String>,
    /// The folder of triggers and policy.
    pub triggers: Option<PathBuf>,
    /// The folder of models.
    pub models: Option<PathBuf>,
    /// Whether outreach really leaves.
    pub sending: Option<Sending>,
    /// Shards of a new store.
    pub shards: Option<u16>,
    /// What this node does.
    pub roles: Option<String>,
}

/// Where variables are looked up.
pub trait Env {
    /// The value of a variable, if it is set.
    fn var(&self, name: &str) -> Option<String>;
}

/// The variables of this process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    #[expect(clippy::disallowed_methods, reason = "the environment is read here, and nowhere else")]
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

impl<F: Fn(&str) -> Option<String>> Env for F {
    fn var(&self, name: &str) -> Option<String> {
        self(name)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data: PathBuf::from("data"),
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            triggers: PathBuf::from("triggers"),
            models: PathBuf::from("models"),
            sending: Sending::DryRun,
            shards: None,
            api_token: None,
            write_keys: Vec::new(),
            channels: Vec::new(),
            roles: Role::ALL.to_vec(),
            kafka: None,
            unsubscribe: UnsubscribeConfig::default(),
            suppressions_key: None,
            limits: Limits { connections: 1024, request: Span::from_millis(30_000) },
            retention: Retention {
                decisions: Span::DAY.times(90),
                log: Span::DAY.times(30),
                dead_letters: Span::DAY.times(30),
            },
        }
    }
}

impl Config {
    /// Reads file, variables and flags, and checks what they say together.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn load(flags: Flags, env: &dyn Env) -> Result<Self, Faults> {
        let mut config = Self::default();
        let mut faults = Faults::default();
        match &flags.config {
            Some(path) => config.read_file(path, env, &mut faults),
            None if Path::new(FILE_DEFAULT).exists() => {
                config.read_file(Path::new(FILE_DEFAULT), env, &mut faults);
            }
            None => {}
        }
        config.read_secrets(env, &mut faults);
        config.take_flags(flags, &mut faults);
        config.check_open(&mut faults);
        config.check_links(&mut faults);
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    /// The caps that channels bring along.
    pub fn caps_of_channels(&self) -> Vec<LentCap> {
        let of = |channel: &ChannelConfig| {
            let caps = channel.at_most.clone().into_iter();
            let channel: Box<str> = channel.name.as_str().into();
            caps.map(move |(period, at_most)| LentCap { channel: channel.clone(), at_most, period })
        };
        self.channels.iter().flat_map(of).collect()
    }

    /// Whether only this machine can connect.
    pub fn is_local(&self) -> bool {
        self.listen.ip().is_loopback()
    }

    fn read_file(&mut self, path: &Path, env: &dyn Env, faults: &mut Faults) {
        let origin = path.display().to_string();
        let text = match read_bounded(path, node::FILE_BYTES_MAX as u64) {
            Ok(text) => text,
            Err(why) => {
                faults.push(Fault::of(origin, format!("the configuration cannot be read: {why}")));
                return;
            }
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        match Node::parse(&origin, &text) {
            Ok(root) => {
                let found = std::mem::take(faults);
                let mut reading = Reading { origin: &origin, text: &text, env, faults: found };
                self.take_file(root, folder, &mut reading);
                *faults = reading.faults;
            }
            Err(fault) => faults.push(fault),
        }
    }

    fn take_file(&mut self, root: Node, folder: &Path, reading: &mut Reading<'_>) {
        let mut table = reading.table(root);
        let paths = [
            ("data", &mut self.data),
            ("triggers", &mut self.triggers),
            ("models", &mut self.models),
        ];
        for (key, path) in paths {
            if let Some(text) = table.take(key).and_then(|node| reading.text(&node)) {
                *path = folder.join(text);
            }
        }
        if let Some(node) = table.take("listen")
            && let Some(text) = reading.text(&node)
        {
            match listen(&text) {
                Some(address) => self.listen = address,
                None => reading.fault(&node, LISTEN_EXPECTED, None),
            }
        }
        if let Some(yes) = table.take("sending").and_then(|node| reading.yes(&node)) {
            self.sending = if yes { Sending::On } else { Sending::DryRun };
        }
        if let Some(node) = table.take("shards") {
            self.shards = reading.number(&node, 1..=SHARDS_MAX);
        }
        if let Some(node) = table.take("api_token") {
            self.api_token = reading.secret(&node);
        }
        if let Some(node) = table.take("write_keys") {
            self.write_keys = reading.secrets(node);
        }
        if let Some(node) = table.take("channels") {
            self.channels = channel::channels(node, reading);
        }
        if let Some(node) = table.take("kafka") {
            self.kafka = kafka::kafka(node, reading);
        }
        self.lend_to_channels(folder, reading);
        if let Some(node) = table.take("unsubscribe") {
            self.unsubscribe = unsubscribe::unsubscribe(node, reading);
        }
        if let Some(node) = table.take("suppressions") {
            self.suppressions_key = suppressions::key(node, reading);
        }
        if let Some(node) = table.take("limits") {
            self.limits.read(node, reading);
        }
        if let Some(node) = table.take("retention") {
            self.retention.read(node, reading);
        }
        table.end(reading);
    }

    /// Gives channels what stands elsewhere in the file, or follows from where it is.
    fn lend_to_channels(&mut self, folder: &Path, reading: &mut Reading<'_>) {
        for channel in &mut self.channels {
            match &mut channel.kind {
                ChannelKind::Csv(csv) => csv.folder = folder.join(&csv.folder),
                ChannelKind::Kafka(topic) if topic.kafka.is_none() => {
                    topic.kafka.clone_from(&self.kafka);
                    if topic.kafka.is_none() {
                        let fault = Fault::of(&channel.place, "this channel has no brokers");
                        let help = "name `brokers` here, or in the block `kafka:`".to_owned();
                        reading.faults.push(fault.help(help));
                    }
                }
                _ => {}
            }
        }
    }

    fn read_secrets(&mut self, env: &dyn Env, faults: &mut Faults) {
        if let Some(token) = secret_text("HEEDFUL_API_TOKEN", env, faults) {
            self.api_token = Some(SecretString::from(token));
        }
        if let Some(keys) = secret_text("HEEDFUL_WRITE_KEYS", env, faults) {
            let keys = keys.split([',', '\n']).map(str::trim).filter(|key| !key.is_empty());
            self.write_keys = keys.map(SecretString::from).collect();
        }
    }

    fn take_flags(&mut self, flags: Flags, faults: &mut Faults) {
        let Flags { config: _, data, listen: address, triggers, models, sending, shards, roles } =
            flags;
        self.data = data.unwrap_or_else(|| std::mem::take(&mut self.data));
        self.triggers = triggers.unwrap_or_else(|| std::mem::take(&mut self.triggers));
        self.models = models.unwrap_or_else(|| std::mem::take(&mut self.models));
        self.sending = sending.unwrap_or(self.sending);
        match address.as_deref().map(listen) {
            Some(Some(address)) => self.listen = address,
            Some(None) => faults.push(Fault::of("--listen", LISTEN_EXPECTED)),
            None => {}
        }
        match roles.as_deref().map(role::roles) {
            Some(Ok(roles)) => self.roles = roles,
            Some(Err(why)) => faults.push(Fault::of("--roles", why)),
            None => {}
        }
        if self.kafka.is_none() && self.roles != Role::ALL {
            let why = "a service on one machine plays all of them: roles need `kafka:` in the configuration";
            faults.push(Fault::of("--roles", why));
        }
        match shards {
            Some(count) if (1..=SHARDS_MAX).contains(&count) => self.shards = Some(count),
            Some(_) => {
                let message = format!("expected a number from 1 to {SHARDS_MAX}");
                faults.push(Fault::of("--shards", message));
            }
            None => {}
        }
    }

    /// A link, or a reference that a provider sends back, that one node made is read by any other.
    fn check_links(&self, faults: &mut Faults) {
        let hears = self.channels.iter().any(|channel| channel.receipts.proof.is_some());
        let signs = self.unsubscribe.url.is_some() || hears;
        if self.kafka.is_some() && signs && self.unsubscribe.key.is_none() {
            let message = "several nodes must sign links and references with the same `key`";
            let help = "set it to the output of `openssl rand -hex 32`, the same on every node";
            faults.push(Fault::of("unsubscribe", message).help(help));
        }
    }

    /// A service that others can reach must know who they are.
    fn check_open(&self, faults: &mut Faults) {
        if self.is_local() {
            return;
        }
        let open =
            |what: &str| format!("{} can be reached from the network, so {what}", self.listen);
        let token = self.api_token.as_ref().map(|token| token.expose_secret().chars().count());
        if token.is_none_or(|chars| chars < TOKEN_CHARS_MIN) {
            let message =
                open(&format!("the API needs a token of at least {TOKEN_CHARS_MIN} characters"));
            faults.push(Fault::of("listen", message).help(
                "set `HEEDFUL_API_TOKEN` (for instance to the output of `openssl rand -hex 32`), \
                 or listen on 127.0.0.1",
            ));
        }
        if self.write_keys.is_empty() {
            faults.push(Fault::of("listen", open("events need a write key")).help(
                "set `HEEDFUL_WRITE_KEYS` to one or more keys, separated by commas, \
                 or listen on 127.0.0.1",
            ));
        }
    }
}

impl Limits {
    fn read(&mut self, node: Node, reading: &mut Reading<'_>) {
        let mut table = reading.table(node);
        if let Some(node) = table.take("connections") {
            let count = reading.number(&node, 1..=CONNECTIONS_MAX);
            self.connections = count.unwrap_or(self.connections);
        }
        if let Some(span) = table.take("request").and_then(|node| reading.span(&node)) {
            self.request = span;
        }
        table.end(reading);
    }
}

impl Retention {
    fn read(&mut self, node: Node, reading: &mut Reading<'_>) {
        let mut table = reading.table(node);
        let spans = [
            ("decisions", &mut self.decisions),
            ("log", &mut self.log),
            ("dead_letters", &mut self.dead_letters),
        ];
        for (key, kept) in spans {
            if let Some(span) = table.take(key).and_then(|node| reading.span(&node)) {
                *kept = span;
            }
        }
        table.end(reading);
    }
}

const LISTEN_EXPECTED: &str = "expected an address and a port like `127.0.0.1:8080`";

fn listen(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => {
            let port = port.parse().ok()?;
            Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
        }
        None => text.parse().ok(),
    }
}

/// The variable itself, or the file named by the same variable with `_FILE`.
fn secret_text(name: &str, env: &dyn Env, faults: &mut Faults) -> Option<String> {
    if let Some(text) = env.var(name).filter(|text| !text.is_empty()) {
        return Some(text);
    }
    let variable = format!("{name}_FILE");
    let path = env.var(&variable).filter(|path| !path.is_empty())?;
    match read_bounded(Path::new(&path), SECRET_FILE_BYTES_MAX) {
        Ok(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Ok(_) => {
            faults.push(Fault::of(variable, format!("the file `{path}` is empty")));
            None
        }
        Err(why) => {
            faults.push(Fault::of(variable, format!("the file `{path}` cannot be read: {why}")));
            None
        }
    }
}

fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes_max < size {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    fs::read_to_string(path).map_err(|error| error.to_string())
}
