//! `marque completions`

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::Exit;
use crate::output::Output;

/// Print a completion script for a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque completions bash > ~/.local/share/bash-completion/completions/marque
  marque completions zsh > ~/.zfunc/_marque
  marque completions fish > ~/.config/fish/completions/marque.fish")]
pub(crate) struct Completions {
    /// For which shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<Exit> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "marque", &mut script);
        Output::bytes(&script)?;
        Ok(Exit::Done)
    }
}
