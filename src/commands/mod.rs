//! The command line: one file per command, and one exit code for each way to end.

pub mod check;
pub mod completions;
pub mod console;
pub mod demo;
pub mod dlq;
pub mod explain;
pub mod files;
mod history;
pub mod import;
pub mod init;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod lines;
#[cfg(feature = "kafka")]
pub mod migrate;
pub mod operations;
pub mod progress;
pub mod replay;
pub mod schema;
pub mod score;
pub mod serve;
pub mod service;
mod signals;
pub mod suppress;
pub mod test;
pub mod train;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use console::{Color, Console, Error};

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  something in the files is wrong, or a test failed
  2  wrong usage, or something could not be read, written or reached";

/// Decides, per customer, whether to reach out now, later or never, and says why.
#[derive(Debug, Parser)]
#[command(name = "heedful", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Line {
    /// When to use colour
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    color: Color,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Args),
    Test(test::Args),
    Explain(explain::Args),
    Replay(replay::Args),
    Train(train::Args),
    Score(score::Args),
    Import(import::Args),
    Serve(serve::Args),
    Demo(demo::Args),
    Init(init::Args),
    #[cfg(feature = "kafka")]
    Kafka(kafka::Args),
    Operations(operations::Args),
    Suppress(suppress::Args),
    Dlq(dlq::Args),
    #[cfg(feature = "kafka")]
    Migrate(migrate::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

/// How a command ended that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All is well.
    Clean,
    /// Something in the user's files is wrong, or a test failed: it has been said what.
    Faults,
}

/// Parses the arguments, program name first, and runs the command.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = match Line::command().try_get_matches_from(args) {
        Ok(matches) => Line::from_arg_matches(&matches),
        Err(error) => Err(error),
    };
    let line = match line {
        Ok(line) => line,
        Err(error) => error.exit(),
    };
    let mut console = Console::new(line.color);
    match dispatch(line.command, &mut console).and_then(|ending| console.finish().map(|()| ending))
    {
        Ok(Ending::Clean) => ExitCode::SUCCESS,
        Ok(Ending::Faults) => ExitCode::from(1),
        // Whoever read our output has seen enough: `heedful test | head` is no failure.
        Err(Error::Closed) => ExitCode::SUCCESS,
        Err(error) => {
            console.complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(command: Command, console: &mut Console) -> Result<Ending, Error> {
    match command {
        Command::Check(args) => check::run(&args, console),
        Command::Test(args) => test::run(&args, console),
        Command::Explain(args) => explain::run(&args, console),
        Command::Replay(args) => replay::run(&args, console),
        Command::Train(args) => train::run(&args, console),
        Command::Score(args) => score::run(&args, console),
        Command::Import(args) => import::run(&args, console),
        Command::Serve(args) => serve::run(&args, console),
        Command::Demo(args) => demo::run(&args, console),
        Command::Init(args) => init::run(&args, console),
        #[cfg(feature = "kafka")]
        Command::Kafka(args) => kafka::run(&args, console),
        Command::Operations(args) => operations::run(&args, console),
        Command::Suppress(args) => suppress::run(&args, console),
        Command::Dlq(args) => dlq::run(&args, console),
        #[cfg(feature = "kafka")]
        Command::Migrate(args) => migrate::run(&args, console),
        Command::Schema(args) => schema::run(&args, console),
        Command::Completions(args) => completions::run(&args, console),
    }
}

/// The command line as clap sees it, for completions.
fn command_line() -> clap::Command {
    Line::command()
}

/// `1 fault`, `3 faults`.
fn plural(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}
