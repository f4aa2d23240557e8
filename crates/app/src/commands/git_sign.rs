//! `marque git-sign`: what a run's git takes for `ssh-keygen`. Nobody types it.
//!
//! To sign it asks the run's server, which has the key and judges what it signs. To verify is left
//! to the real `ssh-keygen`.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use marque_api::exchange::OBJECT_MAX_BYTES;
use marque_plane::view::GitSignatureView;

use crate::client::Request;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Sign or verify for git, inside a run
#[derive(Args)]
pub(crate) struct GitSign {
    /// What git tells `ssh-keygen`
    #[arg(last = true, value_name = "WORD")]
    words: Vec<OsString>,
}

impl GitSign {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let is_signing = self.words.windows(2).any(|pair| pair == ["-Y", "sign"]);
        if !is_signing {
            return Err(verify(&self.words).into());
        }
        let object = self.object();
        let payload = read(object.as_deref())?;
        let client = context.run_client()?.ok_or_else(|| {
            Failure::new(Exit::Failed, "only a run has its commits signed by Marque")
                .hint("this program is set for git inside of a run; outside unset its variables")
        })?;
        let request = Request::post("/v1/run/git/sign").bytes(payload);
        let signed: GitSignatureView = client.send(&request).await?;
        match object {
            Some(object) => write(&object, &signed.signature)?,
            None => io::stdout().write_all(signed.signature.as_bytes())?,
        }
        Ok(Exit::Done)
    }

    /// The file to sign: the last word, unless that is the value of an option.
    fn object(&self) -> Option<PathBuf> {
        let takes_value = |word: &OsStr| {
            let known = ["-Y", "-n", "-f", "-O", "-I", "-s", "-r"];
            known.iter().any(|option| word == *option)
        };
        let (last, before) = self.words.split_last()?;
        let is_value = before.last().is_some_and(|word| takes_value(word));
        let is_option = last.as_encoded_bytes().starts_with(b"-");
        (!is_value && !is_option).then(|| PathBuf::from(last))
    }
}

fn read(object: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let limit = OBJECT_MAX_BYTES as u64 + 1;
    let mut payload = Vec::new();
    let read = match object {
        Some(path) => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut payload)),
        None => io::stdin().take(limit).read_to_end(&mut payload),
    };
    read.map_err(|error| Failure::new(Exit::Failed, format!("cannot read the object: {error}")))?;
    if payload.len() > OBJECT_MAX_BYTES {
        let message = format!("the object has more than {OBJECT_MAX_BYTES} bytes");
        return Err(Failure::new(Exit::Failed, message).hint("write a shorter message"));
    }
    Ok(payload)
}

// As `ssh-keygen` does: beside the object, under its name with `.sig`.
fn write(object: &Path, signature: &str) -> io::Result<()> {
    let mut name = object.as_os_str().to_owned();
    name.push(".sig");
    let _ = fs::remove_file(&name);
    let mut file = OpenOptions::new().write(true).create_new(true).open(&name)?;
    file.write_all(signature.as_bytes())
}

// Returns only if it is not there.
fn verify(words: &[OsString]) -> Failure {
    let error = Command::new("ssh-keygen").args(words).exec();
    Failure::new(Exit::Failed, format!("cannot start `ssh-keygen`, which verifies: {error}"))
        .hint("install it: it is part of OpenSSH's client")
}
