//! The command line: what every command shares, and the table of commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    agent, approval, claim, completions, config, connection, decision, grant, kill, lock,
    log, run, task, unlock, up, whoami,
};
use crate::exit::EXIT_CODES;
use crate::output::Color;

/// Every AI agent gets an identity of its own, for each run.
///
/// Marque gives each run of an agent its own name, bounds and end. The agent holds no secret: a
/// gateway sets the credential after it has decided and recorded the call.
#[derive(Parser)]
#[command(
    name = "marque",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = EXIT_CODES,
    after_long_help = LONG_HELP
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const LONG_HELP: &str = "\
First steps:
  marque claim                                   become the administrator
  marque agent add triage --purpose 'sorts issues'
  marque connection add tracker --host api.tracker.example --bearer --secret-stdin
  marque grant add triage --allow 'tracker:read /v1/**' --until 30d
  marque run --agent triage --task ticket:OPS-12 -- COMMAND…
  marque log query --agent triage

Exit codes:
  0    done
  1    failed, or the log did not verify
  2    the command line is wrong
  3    refused
  4    held until a human answers
  5    not now: no server, not claimed, or locked
  N    `marque run -- CMD` passes on what CMD returns; 126 and 127 if CMD cannot be started,
       128 + N if signal N ended it, 137 if Marque closed the run

Environment:
  MARQUE_DATA             the data directory
  MARQUE_PASSPHRASE_FILE  a private file with the passphrase
  MARQUE_TRACE            what to trace to standard error, such as `info` or `marque=debug`
  MARQUE_TRACE_FORMAT     `json` for one JSON object a line
  NO_COLOR                plain text";

/// What every command understands.
#[derive(Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print results as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The directory that holds the plane [default: ~/.local/share/marque]
    #[arg(long, global = true, value_name = "DIR", env = "MARQUE_DATA", hide_env_values = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// The configuration file [default: config.toml in the data directory]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Take the passphrase from a private file (0600), or from standard input for `-`
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "MARQUE_PASSPHRASE_FILE",
        hide_env_values = true
    )]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Print results, warnings and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// When to colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
}

/// A mutating command can be rehearsed.
#[derive(Args)]
pub(crate) struct Rehearsal {
    /// Judge the command, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Every command.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve this plane until interrupted
    Up(up::Up),
    /// Become the administrator of a new plane
    Claim(claim::Claim),
    /// Let this terminal administer for a while
    Unlock(unlock::Unlock),
    /// End what `unlock` began
    Lock(lock::Lock),
    /// Run a command as an agent; list and show runs
    Run(Box<run::Run>),
    /// Say as whom this process acts
    Whoami(whoami::Whoami),
    /// Stop a run, an agent's runs, or all of them, at once
    Kill(kill::Kill),
    /// The agents: named, owned, with a purpose
    #[command(subcommand)]
    Agent(agent::Agent),
    /// The upstreams agents may reach, and the credentials they never see
    #[command(subcommand)]
    Connection(connection::Connection),
    /// What agents may do, until when
    #[command(subcommand)]
    Grant(grant::Grant),
    /// The outside reasons for runs
    #[command(subcommand)]
    Task(task::Task),
    /// What waits for a human
    #[command(subcommand)]
    Approval(approval::Approval),
    /// Why a call went through or did not
    #[command(subcommand)]
    Decision(decision::Decision),
    /// What happened, and the proof of it
    #[command(subcommand)]
    Log(log::Log),
    /// The configuration
    #[command(subcommand)]
    Config(config::Config),
    /// Print a completion script for a shell
    Completions(completions::Completions),
}
