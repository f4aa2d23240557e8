//! Chores of this repository: `cargo xtask <command>`.
//!
//! One row and one file per command; nothing here ships.

mod bench;
mod fuzz;
mod help;
mod tidy;

use std::env;
use std::process::ExitCode;

use anyhow::bail;

/// One chore. To add one: a file with a `COMMAND`, a `mod` line above, a row below.
struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> anyhow::Result<()>,
}

const COMMANDS: &[Command] = &[help::COMMAND, tidy::COMMAND, bench::COMMAND, fuzz::COMMAND];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match dispatch(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: &[String]) -> anyhow::Result<()> {
    let Some((name, rest)) = args.split_first() else {
        return (help::COMMAND.run)(&[]);
    };
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => bail!("there is no command `{name}`; `cargo xtask help` lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::dispatch;

    #[test]
    fn an_unknown_command_is_refused_by_name() {
        let error = dispatch(&["tydi".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("`tydi`"), "{error}");
    }
}
