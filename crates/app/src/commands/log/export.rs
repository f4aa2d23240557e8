//! `marque log export`

use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use clap::Args;

use super::source::LogSource;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Write the whole log as JSON lines, to be verified elsewhere
///
/// The first line holds the log's public key and checkpoints; every further line one entry with
/// its index and leaf hash. Reads the data directory, needs no server. With `--from` it goes on
/// where an earlier export ended, without a first line: appended to it, it is one export.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque log export > log.jsonl
  marque log export --to log.jsonl
  marque log export --from $(($(wc -l < log.jsonl) - 1)) >> log.jsonl
  marque log verify --export log.jsonl --key \"$(cat log.vkey)\"")]
pub(crate) struct Export {
    /// Write to this new file instead of standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Begin with the entry of that index instead of the first line and entry 0
    #[arg(long, value_name = "INDEX", default_value_t = 0, hide_default_value = true)]
    from: u64,
}

impl Export {
    pub(crate) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let source = LogSource::of_plane(context)?;
        let Some(path) = &self.to else {
            source.write(self.from, &mut std::io::stdout().lock())?;
            return Ok(Exit::Done);
        };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
        })?;
        let mut file = BufWriter::new(file);
        let entries = source.write(self.from, &mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        context.output.remark(&format!("{entries} entries written to `{}`", path.display()));
        Ok(Exit::Done)
    }
}
