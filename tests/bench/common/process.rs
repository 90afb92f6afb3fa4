//! The real service as a process in a folder of its own, and what the system tells about it.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use heedful::clock::Stopwatch;
use tempfile::TempDir;

use super::{Fallible, triggers};

/// How long one look waits for the next.
const LOOK: Duration = Duration::from_millis(2);
/// How long the process may take to come up.
const START_MAX: Duration = Duration::from_mins(10);
/// A tick of `/proc`: fixed at 100 per second for all programs on Linux.
const TICK: Duration = Duration::from_millis(10);
/// What it says is written here.
const SAID: &str = "said.txt";
/// The trigger whose decisions show how long a decision takes: it rules about every such event.
const MARKER: &str = "trigger: marker
kind: behavior
about: Rules about each event that the bench waits for.
owner: bench@heedful.example
when: {event: bench_marker}
send:
  purpose: outreach
  via: log
  message:
    en: {body: Hello.}
";

/// A folder with triggers and data.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// With so many generated triggers, and one that rules about every `bench_marker`.
    pub(crate) fn new(count: usize) -> Fallible<Self> {
        let place = Self { folder: tempfile::tempdir()? };
        let folder = place.path().join("triggers");
        fs::create_dir_all(&folder)?;
        triggers::write(&folder, count)?;
        fs::write(folder.join("marker.yaml"), MARKER)?;
        Ok(place)
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the process and waits until it is ready; also says how long that took.
    pub(crate) fn start(&self) -> Fallible<(Process, Duration)> {
        self.start_with(&[])
    }

    /// The same, told more than the folder says.
    pub(crate) fn start_with(&self, more: &[&str]) -> Fallible<(Process, Duration)> {
        let said = fs::File::create(self.path().join(SAID))?;
        let watch = Stopwatch::start();
        let child = Command::new(env!("CARGO_BIN_EXE_heedful"))
            .current_dir(self.path())
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "HEEDFUL_LOG_FILTER"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data", "data", "--triggers", "triggers"])
            .args(more)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said)
            .spawn()?;
        let mut process = Process { child, address: ([127, 0, 0, 1], 0).into(), began: watch };
        loop {
            if let Some(address) = self.address()? {
                process.address = address;
                if process.is_ready() {
                    return Ok((process, watch.elapsed()));
                }
            }
            if START_MAX < watch.elapsed() || process.child.try_wait()?.is_some() {
                return Err(format!("it does not start: {}", self.said()?).into());
            }
            // As exactly as a hundredth: each look costs the process time that is not its own.
            std::thread::sleep(LOOK.max(watch.elapsed() / 100));
        }
    }

    /// What the process has said.
    pub(crate) fn said(&self) -> Fallible<String> {
        Ok(fs::read_to_string(self.path().join(SAID))?)
    }

    fn address(&self) -> Fallible<Option<SocketAddr>> {
        let said = self.said()?;
        let line = said.lines().find(|line| line.starts_with("heedful "));
        let address = line.and_then(|line| line.rsplit_once("http://")?.1.trim().parse().ok());
        Ok(address)
    }
}

/// The running process; it ends with this.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    began: Stopwatch,
}

impl Process {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Processor time that it has taken.
    pub(crate) fn cpu(&self) -> Fallible<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name, in brackets, may hold anything: user and system time are the 12th and 13th behind.
        let fields = text.rsplit_once(')').ok_or("no name in /proc")?.1;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
        Ok(TICK.saturating_mul(ticks.sum::<Result<_, _>>()?))
    }

    /// Memory that it has in use, in bytes.
    pub(crate) fn resident_bytes(&self) -> Fallible<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.ok_or("the system does not tell")?.saturating_mul(1_024))
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) -> Fallible<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Tells it to end, and waits until it has; says how long that took.
    pub(crate) fn stop(mut self) -> Fallible<Duration> {
        let watch = Stopwatch::start();
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let status = self.child.wait()?;
        if status.success() { Ok(watch.elapsed()) } else { Err(format!("{status}").into()) }
    }

    /// Sum of a number of `/metrics` over all its labels.
    pub(crate) fn metric(&self, name: &str) -> Fallible<f64> {
        let page = self.get("/metrics")?;
        let lines = page.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        Ok(lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    fn get(&self, path: &str) -> Fallible<String> {
        let mut stream = TcpStream::connect(self.address)?;
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
