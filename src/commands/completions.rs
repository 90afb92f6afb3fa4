//! `heedful completions`: lets the shell finish our commands.

use clap_complete::Shell;

use super::Ending;
use super::console::{Console, Error};

/// Write a completion script for a shell
///
/// For bash: heedful completions bash > ~/.local/share/bash-completion/completions/heedful
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
///
/// # Errors
/// When the script cannot be written.
pub fn run(args: &Args, console: &mut Console) -> Result<Ending, Error> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command_line(), "heedful", &mut script);
    console.text(&String::from_utf8_lossy(&script))?;
    Ok(Ending::Clean)
}
