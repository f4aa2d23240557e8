//! Mandates written in files: permission lines, and how firmly a run must be held to have them.
//!
//! A file a human names on the command line asks, like lines they type. A `marque.toml` that lies
//! in the repository can only narrow: an agent may have written it.

use std::path::Path;

use marque_domain::Tier;
use marque_plane::spec::Lines;
use serde::Deserialize;

use crate::exit::{Exit, Failure};

/// The file that is looked for in the working directory.
pub(crate) const REPOSITORY_FILE: &str = "marque.toml";
/// Most bytes of such a file.
const MAX_BYTES: u64 = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    mandate: Table,
}

// Not `Lines` flattened: that would let unknown keys pass.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Table {
    allow: Vec<String>,
    ask: Vec<String>,
    never: Vec<String>,
    tier: Option<Tier>,
}

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its permission lines.
    pub(crate) lines: Lines,
    /// How firmly the run must at least be held.
    pub(crate) tier_floor: Option<Tier>,
}

impl From<Table> for Written {
    fn from(table: Table) -> Self {
        let Table { allow, ask, never, tier } = table;
        Self { lines: Lines { allow, ask, never }, tier_floor: tier }
    }
}

/// What that file says.
pub(crate) fn read(path: &Path) -> Result<Written, Failure> {
    let failed = |why: &str| {
        let why = why.replace('\n', " ");
        Failure::new(Exit::Failed, format!("cannot use `{}` as a mandate: {why}", path.display()))
    };
    let found = std::fs::metadata(path).map_err(|error| failed(&error.to_string()))?;
    // A run may have left a pipe there, which would keep its reader waiting.
    if !found.is_file() {
        return Err(failed("it is not a file"));
    }
    if found.len() > MAX_BYTES {
        return Err(failed("it is longer than 256 KiB"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error.to_string()))?;
    parse(&text).map_err(|error| {
        failed(error.message()).hint(
            "write a table `[mandate]` with `allow`, `ask` and `never`, lists of permission lines, \
             and perhaps `tier`, such as \"captured\"",
        )
    })
}

fn parse(text: &str) -> Result<Written, toml::de::Error> {
    toml::from_str(text).map(|File { mandate }| mandate.into())
}

/// What the repository's file says, if there is one in `directory`.
pub(crate) fn of_repository(directory: &Path) -> Result<Option<Written>, Failure> {
    let path = directory.join(REPOSITORY_FILE);
    if path.exists() { read(&path).map(Some) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use marque_domain::Tier;

    use super::{of_repository, parse};

    // threat 159: it lies in a repository, where a run may have written it.
    #[test]
    fn a_file_made_to_break_its_reader_is_refused() {
        for text in [
            format!("mandate = {}", "[".repeat(200_000)),
            format!("mandate = {}", "{ a = ".repeat(40_000)),
            format!("mandate.{}a = 1", "a.".repeat(100_000)),
            format!("[mandate.{}a]", "a.".repeat(100_000)),
            format!("[mandate]\ntier = {}", "9".repeat(200_000)),
        ] {
            assert!(parse(&text).is_err());
        }
    }

    #[test]
    fn a_repository_file_is_read_whole_or_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(of_repository(dir.path()).unwrap(), None);
        let file = dir.path().join("marque.toml");
        std::fs::write(&file, "[mandate]\nallow = [\"tracker:GET /v1/**\"]\n").unwrap();
        let written = of_repository(dir.path()).unwrap().unwrap();
        assert_eq!(written.lines.allow, ["tracker:GET /v1/**"]);
        assert_eq!(written.tier_floor, None);
        std::fs::write(&file, "[mandate]\nnever = []\ntier = \"captured\"\n").unwrap();
        let written = of_repository(dir.path()).unwrap().unwrap();
        assert_eq!(written.tier_floor, Some(Tier::Captured));
        std::fs::write(&file, "[mandate]\ntier = \"caged\"\n").unwrap();
        assert!(of_repository(dir.path()).is_err());
        std::fs::write(&file, "[mandate]\nallows = []\n").unwrap();
        assert!(of_repository(dir.path()).is_err());
        std::fs::remove_file(&file).unwrap();
        let pipe = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
        assert!(pipe.success() && of_repository(dir.path()).is_err());
    }

    /// What is read, written again, reads the same: nothing in it was passed over.
    fn any_text(data: &[u8]) {
        let Ok(text) = std::str::from_utf8(data) else { return };
        let Ok(written) = parse(text) else { return };
        let mut table = toml::Table::try_from(&written.lines).unwrap();
        if let Some(tier) = written.tier_floor {
            table.insert("tier".to_owned(), tier.to_string().into());
        }
        let printed = toml::Table::from_iter([("mandate".to_owned(), table.into())]).to_string();
        assert_eq!(parse(&printed).ok(), Some(written), "{printed}");
    }

    #[test]
    fn any_text_is_a_mandate_that_says_the_same_again_or_none() {
        marque_fuzzkit::smoke("app-mandate", 5_000, any_text);
    }
}
