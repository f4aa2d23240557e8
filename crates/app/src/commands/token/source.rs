//! A token from a file or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use marque_crypto::Secret;

use crate::exit::{Exit, Failure};

/// Longest token, in bytes, and a line break.
const MAX_BYTES: u64 = 16 * 1024 + 2;

/// Reads it, without the space around it.
pub(super) fn read(path: &Path) -> Result<Secret, Failure> {
    let failed = |why: &str| {
        Failure::new(Exit::Failed, format!("cannot take a token from `{}`: {why}", path.display()))
    };
    let text = if path == Path::new("-") {
        whole(io::stdin().lock())
    } else {
        File::open(path).and_then(whole)
    };
    let text = text.map_err(|error| failed(&error.to_string()))?;
    let token = text.expose().trim_ascii();
    if token.is_empty() {
        return Err(failed("it is empty"));
    }
    if token.len() as u64 + 2 > MAX_BYTES {
        return Err(failed("no token is that long"));
    }
    Ok(Secret::from_vec(token.to_vec()))
}

fn whole(source: impl Read) -> io::Result<Secret> {
    // Room from the start: growing would leave copies behind.
    let mut bytes = Vec::with_capacity(usize::try_from(MAX_BYTES).unwrap_or_default() + 1);
    let read = source.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    let text = Secret::from_vec(bytes);
    read.map(|_| text)
}
