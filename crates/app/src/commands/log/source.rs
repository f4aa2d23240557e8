//! Where a log is read from without a server: the store of a data directory, or an export.
//!
//! Reads only, entry by entry, in bounded memory. Believes nothing: that is the verifier's work.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::ops::{ControlFlow, Range};
use std::path::Path;

use marque_domain::LogEntry;
use marque_plane::KeyRecords;
use marque_store::{Store, StoreError, StoredEntry, Tx};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::database::Database;
use crate::exit::{Exit, Failure};
use crate::place::DataDir;

/// Entries and checkpoints read at once.
const PAGE: u64 = 1_000;
/// Longest line of an export, in bytes. The first one holds every checkpoint.
const LINE_MAX_BYTES: u64 = 64 * 1024 * 1024;
const FORMAT: &str = "marque-log-v1";

/// A log, opened for reading.
pub(crate) struct LogSource {
    header: Header,
    /// Entries there were when it was opened; what came later is not read.
    size: u64,
    entries: Entries,
}

/// The first line of an export. Every further line is one entry, see [`print`].
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    log_key: Option<String>,
    checkpoints: Vec<String>,
    /// The entries that rotate the key, so that whoever reads the others knows the keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rotations: Vec<LogEntry>,
}

enum Entries {
    Stored(Store),
    Exported(BufReader<File>),
}

impl LogSource {
    /// The log of the plane. Works beside a running server, and without one.
    pub(crate) fn of_plane(context: &Context) -> Result<Self, Failure> {
        context.must_have_a_plane()?;
        let store = Database::find(context)?.open_read_only()?;
        Self::of_store(store, &context.data)
    }

    /// The log in a store.
    pub(crate) fn of_store(store: Store, data: &DataDir) -> Result<Self, Failure> {
        let log_key = std::fs::read_to_string(data.log_verifier()).ok();
        let log_key = log_key.map(|key| key.trim().to_owned());
        // One snapshot: a checkpoint made in between would seem to lack entries, and a rotation the
        // checkpoint that vouches for it.
        let snapshot = store.read("log.head", |tx| {
            Ok((checkpoints(tx)?, marque_plane::rotations(tx)?, tx.log_size()?))
        });
        let (checkpoints, rotations, size) = snapshot.map_err(|error| unreadable(&error))?;
        let header = Header { format: FORMAT.to_owned(), log_key, checkpoints, rotations };
        Ok(Self { header, size, entries: Entries::Stored(store) })
    }

    /// The log in an export.
    pub(crate) fn of_export(path: &Path) -> Result<Self, Failure> {
        let failed = |why: &str| {
            Failure::new(Exit::Failed, format!("cannot read `{}`: {why}", path.display()))
        };
        let file = File::open(path).map_err(|error| failed(&error.to_string()))?;
        let mut lines = BufReader::new(file);
        let first = next_line(&mut lines).map_err(|error| failed(&error.to_string()))?;
        let header: Header = serde_json::from_slice(&first)
            .map_err(|_| failed("its first line is not the head of a log's export"))?;
        if header.format != FORMAT {
            return Err(failed("it is an export of another version"));
        }
        Ok(Self { header, size: u64::MAX, entries: Entries::Exported(lines) })
    }

    /// The verifier key that lies beside the log. Whoever rewrote the log may have written it.
    pub(crate) fn log_key(&self) -> Option<&str> {
        self.header.log_key.as_deref()
    }

    /// What is said beside the log of its keys.
    pub(crate) fn key_records(&self) -> KeyRecords {
        let mut records = KeyRecords::default();
        self.header.rotations.iter().for_each(|entry| records.see(entry));
        records
    }

    /// The log's own checkpoints, in the order it keeps them.
    pub(crate) fn checkpoints(&self) -> &[String] {
        &self.header.checkpoints
    }

    /// Shows every entry, in the order they are kept, until `show` breaks off.
    pub(crate) fn each(
        self,
        show: impl FnMut(StoredEntry) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        self.each_from(0, show)
    }

    fn each_from(
        self,
        from: u64,
        mut show: impl FnMut(StoredEntry) -> ControlFlow<()>,
    ) -> Result<(), Failure> {
        match self.entries {
            Entries::Stored(store) => {
                each_stored(&store, from..self.size, show).map_err(|error| unreadable(&error))
            }
            Entries::Exported(mut lines) => {
                for number in 2_u64.. {
                    let line =
                        next_line(&mut lines).map_err(|error| not_an_entry(number, &error))?;
                    if line.is_empty() {
                        return Ok(());
                    }
                    let entry =
                        parse(&line).ok_or_else(|| not_an_entry(number, &"not an entry"))?;
                    if entry.index >= from && show(entry).is_break() {
                        return Ok(());
                    }
                }
                Ok(())
            }
        }
    }

    /// The first entry the store files under other words than its bytes say, so that a query would
    /// miss it. An export has no such words.
    pub(crate) fn first_misfiled(&self) -> Result<Option<u64>, Failure> {
        let Entries::Stored(store) = &self.entries else { return Ok(None) };
        let mut from = 0;
        loop {
            let page = store.read("log.misfiled", |tx| {
                let size = tx.log_size()?;
                Ok((tx.first_misfiled(from, PAGE)?, size))
            });
            let (found, size) = page.map_err(|error| unreadable(&error))?;
            from += PAGE;
            if found.is_some() || from >= size {
                return Ok(found);
            }
        }
    }

    /// Writes the log as an export, or the part of it that begins with an entry; the number of
    /// entries. Only the whole has the first line.
    pub(crate) fn write(self, from: u64, out: &mut dyn Write) -> anyhow::Result<u64> {
        if from == 0 {
            let mut head = serde_json::to_vec(&self.header)?;
            head.push(b'\n');
            out.write_all(&head)?;
        }
        let (mut count, mut broken) = (0, None);
        self.each_from(from, |entry| match out.write_all(&print(&entry)) {
            Ok(()) => {
                count += 1;
                ControlFlow::Continue(())
            }
            Err(error) => {
                broken = Some(error);
                ControlFlow::Break(())
            }
        })?;
        match broken {
            Some(error) => Err(error.into()),
            None => Ok(count),
        }
    }
}

fn each_stored(
    store: &Store,
    places: Range<u64>,
    mut show: impl FnMut(StoredEntry) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    let Range { start: mut from, end: size } = places;
    // By place, not by the index an entry claims: a gap is the verifier's to find.
    loop {
        let page = store.read("log.entries", |tx| tx.entries(from, PAGE))?;
        let Some(last) = page.last().map(|entry| entry.index) else { return Ok(()) };
        for entry in page {
            if entry.index >= size || show(entry).is_break() {
                return Ok(());
            }
        }
        from = last.saturating_add(1);
    }
}

fn checkpoints(tx: &mut Tx<'_>) -> Result<Vec<String>, StoreError> {
    let mut notes = Vec::new();
    let mut from = 0;
    loop {
        let page = tx.checkpoints(from, PAGE)?;
        let Some(last) = page.last().map(|checkpoint| checkpoint.size) else { return Ok(notes) };
        notes.extend(page.into_iter().map(|checkpoint| checkpoint.note));
        from = last.saturating_add(1);
    }
}

/// One line: `{"index":N,"leaf":"sha256:…","entry":…}`. The entry's canonical bytes are JSON
/// without a line break, and stand there as they are.
fn print(entry: &StoredEntry) -> Vec<u8> {
    let head = format!(r#"{{"index":{},"leaf":"{}","entry":"#, entry.index, entry.leaf);
    [head.as_bytes(), &entry.bytes, b"}\n"].concat()
}

/// Reads exactly what [`print`] writes, so that the entry's bytes come back untouched.
fn parse(line: &[u8]) -> Option<StoredEntry> {
    let rest = line.strip_prefix(br#"{"index":"#)?;
    let (index, rest) = split(rest, br#","leaf":""#)?;
    let (leaf, rest) = split(rest, br#"","entry":"#)?;
    let index = std::str::from_utf8(index).ok()?;
    let entry = StoredEntry {
        index: index.parse().ok()?,
        leaf: std::str::from_utf8(leaf).ok()?.parse().ok()?,
        bytes: rest.strip_suffix(b"}")?.to_vec(),
    };
    // `+7` and `07` are numbers too, and not what was written.
    (entry.index.to_string() == index).then_some(entry)
}

fn split<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(mark.len()).position(|window| window == mark)?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.strip_prefix(mark)?))
}

/// The next line without its end; empty at the end of the file.
fn next_line(lines: &mut BufReader<File>) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    lines.by_ref().take(LINE_MAX_BYTES).read_until(b'\n', &mut line)?;
    match line.pop() {
        None | Some(b'\n') => Ok(line),
        Some(_) => Err(std::io::Error::other("the line has no end: the file was cut short")),
    }
}

fn unreadable(error: &StoreError) -> Failure {
    let message = format!("cannot read the log: {error}");
    Failure { message, ..Failure::from(error.clone()) }
}

fn not_an_entry(line: u64, why: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::Failed, format!("line {line} of the export cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use marque_domain::Digest;
    use marque_store::StoredEntry;

    use super::{parse, print};

    #[test]
    fn an_exported_entry_comes_back_byte_for_byte() {
        let entry = StoredEntry {
            index: 7,
            leaf: Digest::from_bytes([9; 32]),
            bytes: br#"{"a":"\",\"entry\":","b":{}}"#.to_vec(),
        };
        let line = print(&entry);
        assert_eq!(parse(line.strip_suffix(b"\n").unwrap_or_default()), Some(entry));
        assert_eq!(parse(br#"{"index":7,"leaf":"sha256:00","entry":{}}"#), None);
        for spelled in ["+7", "07", "-0", ""] {
            let other = String::from_utf8_lossy(&line).replacen(":7,", &format!(":{spelled},"), 1);
            assert_eq!(parse(other.trim_end().as_bytes()), None, "`{spelled}` was read");
        }
    }

    fn any_line(data: &[u8]) {
        if let Some(entry) = parse(data) {
            assert_eq!(print(&entry), [data, b"\n"].concat(), "a line has two spellings");
        }
    }

    #[test]
    fn any_line_is_read_as_it_was_written_or_not_at_all() {
        marque_fuzzkit::smoke("app-export", 20_000, any_line);
    }
}
