//! Passwords in a file, in the form that PostgreSQL's own programs read:
//! `host:port:database:user:password` a line, `*` for any, `\` before a `:` or `\` that is meant.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::error::StoreError;

/// A file of passwords is far smaller.
const MAX_BYTES: u64 = 64 * 1024;

/// The password of the first line that fits. Fails if others could read the file.
pub(super) fn find(path: &Path, wanted: [&str; 4]) -> Result<Option<String>, StoreError> {
    let failed = |error| StoreError::io(path, &error);
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        let problem = "others may read or write it; run `chmod 600`, and change its passwords";
        return Err(StoreError::Unsafe { path: path.to_owned(), problem: problem.to_owned() });
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text.lines().find_map(|line| password(line, wanted)))
}

fn password(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = fields(line).into_iter();
    let fits = wanted.iter().all(|wanted| {
        fields
            .next()
            .is_some_and(|(field, is_literal)| field == *wanted || (field == "*" && !is_literal))
    });
    // A password may hold colons that nobody escaped.
    let rest: Vec<String> = fields.map(|(field, _)| field).collect();
    (fits && !rest.is_empty()).then(|| rest.join(":"))
}

/// The fields of a line, and whether anything in them was escaped.
fn fields(line: &str) -> Vec<(String, bool)> {
    let mut fields = vec![(String::new(), false)];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == ':' {
            fields.push((String::new(), false));
        } else if let Some((field, is_literal)) = fields.last_mut() {
            let is_escape = character == '\\';
            *is_literal |= is_escape;
            field.push(if is_escape { characters.next().unwrap_or('\\') } else { character });
        }
    }
    fields
}
