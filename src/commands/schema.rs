//! `heedful schema`: the words of the files, for editors that complete and check them.

use super::Ending;
use super::console::{Console, Error};
use crate::declare::SourceKind;
use crate::declare::schema::schema;

/// Write the JSON Schema of a kind of file
///
/// Editors use it to complete words and to mark mistakes: `heedful init` sets VS Code up with it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of which files
    #[arg(value_enum)]
    kind: Kind,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// triggers/*.yaml
    Trigger,
    /// models/*.yaml
    Model,
    /// triggers/policy.yaml
    Policy,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Trigger, Self::Model, Self::Policy];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Model => "model",
            Self::Policy => "policy",
        }
    }
}

/// The schema of a kind of file, as indented JSON.
pub fn text(kind: Kind) -> String {
    schema(match kind {
        Kind::Trigger => SourceKind::Trigger,
        Kind::Model => SourceKind::Model,
        Kind::Policy => SourceKind::Policy,
    })
}

/// Runs the command.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    console.line(text(args.kind))?;
    Ok(Ending::Clean)
}
