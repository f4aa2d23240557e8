//! Organisation policies from their directory: every `*.cedar` file in it, by name.

use std::path::{Path, PathBuf};

use marque_policy::{PolicySet, PolicySource};

use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::place::DataDir;

/// Where the policies lie.
pub(crate) fn directory(config: &Config, data: &DataDir) -> PathBuf {
    config.policy.directory.clone().unwrap_or_else(|| data.policies())
}

/// The policies in a directory. A directory that is not there holds none only where it is the
/// default: the server makes that one.
pub(crate) fn load(directory: &Path) -> Result<PolicySet, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", directory.display()))
            .hint("make the directory, or name another as `policy.directory`")
    };
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "cedar") {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", path.display()))
            })?;
            sources.push(PolicySource { name, text });
        }
    }
    PolicySet::load(&sources).map_err(|errors| {
        let count = errors.iter().count();
        let told = errors.iter().map(|error| {
            format!("{}:{}:{}: {}", error.file, error.line, error.column, error.message)
        });
        let told = told.collect::<Vec<_>>().join("; ");
        let hint = errors.iter().find_map(|error| error.remedy.clone());
        let noun = if count == 1 { "error" } else { "errors" };
        let failure = Failure::new(Exit::Failed, format!("{count} {noun} in the policies: {told}"));
        Failure { hint, ..failure }
    })
}
