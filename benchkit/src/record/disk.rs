//! The disk alone: writing a page of a file that is there, and waiting for it.

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use marque_crypto::hash::sha256;
use serde_json::json;

use crate::clock::moment;
use crate::figures::{Sorted, micros};
use crate::lines::tell;

const PAGE: [u8; 4_096] = [7; 4_096];
const PAGES: usize = 256;
const SYNCS: usize = 300;
const RECORD: [u8; 1_400] = [7; 1_400];
const HASHES: u32 = 20_000;

/// A file whose pages are written again and again.
pub(super) struct Pages {
    file: File,
    next: usize,
}

impl Pages {
    pub(super) fn make(directory: &Path) -> anyhow::Result<Self> {
        let mut file = File::create(directory.join("disk"))?;
        for _ in 0..PAGES {
            file.write_all(&PAGE)?;
        }
        file.sync_all()?;
        Ok(Self { file, next: 0 })
    }

    /// Writes one page and waits for the disk; how long that took.
    pub(super) fn sync(&mut self) -> anyhow::Result<Duration> {
        self.next = (self.next + 1) % PAGES;
        let begun = moment();
        self.file.seek(SeekFrom::Start((self.next * PAGE.len()) as u64))?;
        self.file.write_all(&PAGE)?;
        self.file.sync_data()?;
        Ok(moment().saturating_sub(begun))
    }
}

/// One line for the disk, one for SHA-256 of a record.
pub(super) fn measure(round: usize, directory: &Path) -> anyhow::Result<()> {
    let mut pages = Pages::make(directory)?;
    let spans: anyhow::Result<Vec<_>> = (0..SYNCS).map(|_| pages.sync()).collect();
    let spans = Sorted::of(spans?);
    tell(&json!({
        "what": "fsync", "round": round,
        "p50_us": spans.permille(500), "p99_us": spans.permille(990),
    }))?;
    let begun = moment();
    for _ in 0..HASHES {
        std::hint::black_box(sha256(std::hint::black_box(&RECORD)));
    }
    let each = micros(moment().saturating_sub(begun)) / f64::from(HASHES);
    tell(&json!({ "what": "sha256", "round": round, "bytes": RECORD.len(), "us": each }))
}
