//! Where a connection's secret comes from: a private file, standard input, or a prompt. Never argv:
//! every process of this machine can read that.

use std::path::PathBuf;

use clap::Args;
use marque_crypto::Secret;

use crate::exit::Failure;
use crate::passphrase::{prompted, secret_from};

#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct SecretSource {
    /// Take the secret from a private file (0600)
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Take the secret from standard input, to its end
    #[arg(long)]
    secret_stdin: bool,
}

impl SecretSource {
    /// The secret; asked for at the terminal if no source was named.
    pub(crate) fn read(&self) -> Result<Secret, Failure> {
        match (&self.secret_file, self.secret_stdin) {
            (Some(file), _) => secret_from(file, "secret"),
            (None, true) => secret_from("-".as_ref(), "secret"),
            (None, false) => prompted("Secret: ").map_err(|failure| {
                failure.hint("give it with `--secret-file FILE` or `--secret-stdin`")
            }),
        }
    }
}
