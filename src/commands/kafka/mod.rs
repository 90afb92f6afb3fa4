//! `heedful kafka`: makes the topics that Heedful needs, and looks whether all is well with Kafka.

mod doctor;
mod init;

use std::path::PathBuf;

use super::Ending;
use super::console::{Console, Error};
use super::files;
use crate::clock;
use crate::config::{Flags, KafkaConfig};
use crate::kafka::settings::Settings;

/// Make the topics that Heedful needs on Kafka, and find out what is wrong with them
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Init(init::Args),
    Doctor(doctor::Args),
}

/// Which file says where Kafka is.
#[derive(Clone, Debug, Default, clap::Args)]
pub(in crate::commands) struct Source {
    /// The configuration [default: heedful.yaml]
    #[arg(long, value_name = "FILE", env = "HEEDFUL_CONFIG")]
    config: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When Kafka cannot be reached, or does not do what is asked for.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    match &args.command {
        Command::Init(args) => init::run(args, console),
        Command::Doctor(args) => doctor::run(args, console),
    }
}

impl Source {
    /// The properties of clients, as the file says.
    pub(in crate::commands) fn settings(&self) -> Result<Settings, Error> {
        let flags = Flags { config: self.config.clone(), ..Flags::default() };
        let config = files::config(&flags)?;
        Ok(settings_of(&config.kafka.ok_or_else(|| self.no_kafka())?))
    }

    fn no_kafka(&self) -> Error {
        let file = self.config.as_deref().unwrap_or("heedful.yaml".as_ref()).display();
        let what = format!("`{file}` says nothing about Kafka");
        Error::refused(what, "add `kafka: {brokers: \"localhost:9092\"}` to it")
    }
}

/// The properties of clients of one command.
pub(in crate::commands) fn settings_of(config: &KafkaConfig) -> Settings {
    Settings::new(config, &format!("cli-{}", std::process::id()))
}

/// What Kafka says, as an error of a command.
pub(in crate::commands) fn failed(error: &crate::kafka::Error) -> Error {
    let help = match error {
        crate::kafka::Error::Unreachable { .. } => "`heedful kafka doctor` says more",
        _ => "",
    };
    Error::refused(error.to_string(), help)
}

/// Runs what has to wait for answers.
pub(in crate::commands) fn block_on<T>(
    future: impl Future<Output = Result<T, crate::kafka::Error>>,
) -> Result<T, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::refused(error.to_string(), ""))?;
    runtime.block_on(future).map_err(|error| failed(&error))
}

/// The machine's clock.
pub(in crate::commands) fn now() -> crate::engine::time::Timestamp {
    clock::Clock::now(&clock::System)
}
