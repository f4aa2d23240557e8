//! `cargo xtask help`: what there is.

use std::io::{Write, stdout};

use crate::{COMMANDS, Command};

pub(crate) const COMMAND: Command = Command { name: "help", about: "list the commands", run };

fn run(_args: &[String]) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "usage: cargo xtask <command>\n")?;
    for command in COMMANDS {
        writeln!(out, "  {:<8}{}", command.name, command.about)?;
    }
    Ok(())
}
