//! A broker for the bench alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::Fallible;

/// Not a port of the tests.
const PORT: u16 = 30_892;

/// A broker at work; it ends with this.
#[derive(Debug)]
pub(crate) struct Broker {
    servers: String,
}

impl Broker {
    pub(crate) fn up() -> Fallible<Self> {
        Ok(Self { servers: script("up")?.trim().to_owned() })
    }

    pub(crate) fn servers(&self) -> &str {
        &self.servers
    }

    /// How much the broker has written of a topic.
    pub(crate) fn bytes_of(&self, topic: &str) -> Fallible<f64> {
        let mut bytes = 0_u64;
        for folder in std::fs::read_dir(folder().join("1/data"))? {
            let folder = folder?;
            let name = folder.file_name().into_string().unwrap_or_default();
            if name.rsplit_once('-').is_none_or(|(name, _)| name != topic) {
                continue;
            }
            for file in std::fs::read_dir(folder.path())? {
                let file = file?;
                if file.path().extension().is_some_and(|extension| extension == "log") {
                    bytes += file.metadata()?.len();
                }
            }
        }
        Ok(bytes as f64)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // What cannot be stopped is said by the script.
        drop(script("down"));
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka-bench")
}

fn script(word: &str) -> Fallible<String> {
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/broker"))
        .arg(word)
        .env("HEEDFUL_KAFKA_DIR", folder())
        .env("HEEDFUL_KAFKA_PORT", PORT.to_string())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("`tests/kafka/broker {word}` failed").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
