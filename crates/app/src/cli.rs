//! The command line: what every command shares, and the table of commands.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    agent, approval, claim, client, completions, config, connection, decision, demo, doctor,
    git_sign, grant, issuer, key, kill, lock, log, run, store, task, token, unlock, up, whoami,
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
    after_long_help = long_help()
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  marque claim                                   become the administrator
  marque agent add triage --purpose 'sorts issues'
  marque connection add tracker --host api.tracker.example --bearer --secret-stdin
  marque grant add triage --allow 'tracker:read /v1/**' --until 30d
  marque run --agent triage --task ticket:OPS-12 -- COMMAND…
  marque log query --agent triage";

const VARIABLES: &str = "\
Environment:
  MARQUE_DATA               the data directory
  MARQUE_DATABASE_URL_FILE  a private file with the URL of the plane's database
  MARQUE_DATABASE_URL       that URL itself, where no file can hold it
  MARQUE_PASSPHRASE_FILE    a private file with the passphrase
  MARQUE_TRACE              what to trace to standard error, such as `info` or `marque=debug`
  MARQUE_TRACE_FORMAT       `json` for one JSON object a line
  NO_COLOR                  plain text";

fn long_help() -> String {
    format!("{FIRST_STEPS}\n\n{EXIT_CODES}\n\n{VARIABLES}")
}

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

/// Every command. What has no words here has them on its own type.
#[derive(Subcommand)]
pub(crate) enum Command {
    Up(up::Up),
    Claim(claim::Claim),
    Unlock(unlock::Unlock),
    Lock(lock::Lock),
    Run(Box<run::Run>),
    Whoami(whoami::Whoami),
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
    /// The workloads that may ask for tokens
    #[command(subcommand)]
    Client(client::Client),
    /// Who else may say who a person is
    #[command(subcommand)]
    Issuer(issuer::Issuer),
    /// Access tokens: fetched, explained, checked, taken back
    #[command(subcommand)]
    Token(token::Token),
    /// The outside reasons for runs
    #[command(subcommand)]
    Task(task::Task),
    /// What waits for a human
    #[command(subcommand)]
    Approval(approval::Approval),
    /// Why a call went through or did not
    #[command(subcommand)]
    Decision(decision::Decision),
    /// The plane's own keys
    #[command(subcommand)]
    Key(key::Key),
    /// What happened, and the proof of it
    #[command(subcommand)]
    Log(log::Log),
    /// Where the plane is kept
    #[command(subcommand)]
    Store(store::Store),
    /// The configuration
    #[command(subcommand)]
    Config(config::Config),
    Demo(demo::Demo),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    #[command(hide = true)]
    GitSign(git_sign::GitSign),
}
