//! What commands write to the terminal, and how they fail.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// What went well.
pub const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What did not.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What wants attention.
pub const WARM: Style = AnsiColor::Yellow.on_default();
/// What may be skipped.
pub const DIM: Style = Style::new().dimmed();
/// What stands out.
pub const STRONG: Style = Style::new().bold();

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How the answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
}

/// Why a command could not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// Whoever read standard output has gone.
    #[error("standard output was closed")]
    Closed,
    /// A part of the running service failed.
    #[error("{0}")]
    Broken(String),
    /// Another node has taken over.
    #[error("{0}")]
    TakenOver(String),
    /// What was asked for cannot be done.
    #[error("{what}")]
    Refused {
        /// What is wrong.
        what: String,
        /// What to do about it.
        help: String,
    },
}

impl Error {
    /// A file or folder that could not be read.
    pub fn read(path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Read { path: path.as_ref().to_owned(), source }
    }

    /// A file or folder that could not be written.
    pub fn write(path: impl AsRef<Path>, source: io::Error) -> Self {
        Self::Write { path: path.as_ref().to_owned(), source }
    }

    /// A request that cannot be met, and what to do about it.
    pub fn refused(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { what: what.into(), help: help.into() }
    }

    /// The exit code of a command that fails with it.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Broken(_) => 70,
            Self::TakenOver(_) => 75,
            Self::Read { .. }
            | Self::Write { .. }
            | Self::Output(_)
            | Self::Closed
            | Self::Refused { .. } => 2,
        }
    }

    /// What to do about it, where there is something to say.
    fn help(&self) -> Option<&str> {
        match self {
            Self::Broken(_) => Some("everything acknowledged is safe: restart the service"),
            Self::TakenOver(_) => Some(
                "nothing is lost: start it again when no other node runs under its name \
                 (`kafka.node`), or right away if it was only silent for too long",
            ),
            Self::Refused { help, .. } if !help.is_empty() => Some(help),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    /// From a write to standard output.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Output(error),
        }
    }
}

/// Standard output, and whether it takes colour.
#[derive(Debug)]
pub struct Console {
    out: io::BufWriter<AutoStream<io::Stdout>>,
    choice: ColorChoice,
}

impl Console {
    /// Standard output with colour as asked for.
    pub fn new(color: Color) -> Self {
        let stdout = io::stdout();
        let choice = match color {
            Color::Auto => AutoStream::choice(&stdout),
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { out: io::BufWriter::new(AutoStream::new(stdout, choice)), choice }
    }

    /// Whether colour is shown.
    pub fn is_colored(&self) -> bool {
        matches!(self.choice, ColorChoice::Always | ColorChoice::AlwaysAnsi)
    }

    /// Writes a line.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn line(&mut self, line: impl fmt::Display) -> Result<(), Error> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Writes a text that brings its own line ends.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn text(&mut self, text: &str) -> Result<(), Error> {
        Ok(self.out.write_all(text.as_bytes())?)
    }

    /// Writes a value as indented JSON and a line end.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn json(&mut self, value: &impl serde::Serialize) -> Result<(), Error> {
        serde_json::to_writer_pretty(&mut self.out, value).map_err(io::Error::from)?;
        self.line("")
    }

    /// For what writes a table of its own.
    pub fn writer(&mut self) -> impl Write + '_ {
        &mut self.out
    }

    /// Lets everything written so far be seen.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn finish(&mut self) -> Result<(), Error> {
        Ok(self.out.flush()?)
    }

    /// Writes an error to standard error; there is nobody left to tell if that fails.
    pub fn complain(&mut self, error: &Error) {
        drop(self.out.flush());
        let stderr = io::stderr();
        let choice = match self.choice {
            ColorChoice::Always if !stderr.is_terminal() => ColorChoice::Never,
            choice => choice,
        };
        let mut err = AutoStream::new(stderr, choice);
        let help =
            error.help().map(|help| format!("\n{DIM}help:{DIM:#} {help}")).unwrap_or_default();
        drop(writeln!(err, "{BAD}error:{BAD:#} {error}{help}"));
    }
}
