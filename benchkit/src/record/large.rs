//! A large log: what appending to it costs beside a small one, how fast it is verified, and how
//! long a proof takes.

use std::cell::RefCell;

use anyhow::{anyhow, ensure};
use marque_crypto::hash::sha256;
use marque_crypto::random::{SystemRandom, bytes};
use marque_domain::{Digest, LogEntry, Outcome};
use marque_plane::{Crossed, Plane, Settings, broker};
use marque_store::{Store, StoreError, StoredEntry, Tx};
use marque_testkit::{get, post};
use marque_tlog::{Evidence, HashSource, KeyName, VerifierKey, inclusion, verify_inclusion};
use serde_json::json;

use super::book::Book;
use crate::clock::{computed, moment};
use crate::figures::{Sorted, micros, real};
use crate::ground::{self, Alice};
use crate::lines::{Words, tell};

/// Entries of the small log.
const SMALL: u64 = 10_000;
/// The largest batches, in which it is built.
const BATCH: usize = 512;
/// In each round: batches appended to each log, single entries, and proofs.
const BATCHES: usize = 8;
const SINGLES: usize = 500;
const PROOFS: usize = 1_000;
/// Entries that are verified again in each round.
const VERIFIED: u64 = 50_000;
/// Entries read at once, as `marque log verify` does.
const PAGE: u64 = 1_000;

/// `log --entries N --rounds N`: lines for the small and the large log in each round.
pub fn large(words: &Words) -> anyhow::Result<()> {
    let (entries, rounds) = (words.number("--entries", 1_000_000)?, words.number("--rounds", 5)?);
    let directory = tempfile::Builder::new().prefix("marque-bench-").tempdir()?;
    let open = |name: &str| -> anyhow::Result<Book> {
        Book::open(Store::open(&directory.path().join(name))?)
    };
    let (mut small, mut large) = (open("small.db")?, open("large.db")?);
    fill(&mut small, SMALL)?;
    let begun = moment();
    fill(&mut large, entries as u64)?;
    let took = moment().saturating_sub(begun).as_secs_f64();
    let size = std::fs::metadata(directory.path().join("large.db"))?.len();
    tell(&json!({
        "what": "built", "entries": large.size(), "seconds": took,
        "bytes_per_entry": real(size / large.size()),
    }))?;
    let page = first(&large.store)?;
    for round in 0..rounds {
        if round % 2 == 0 {
            append(&mut small, round)?;
            append(&mut large, round)?;
        } else {
            append(&mut large, round)?;
            append(&mut small, round)?;
        }
        verify(&page, &large.store, round)?;
        prove(&large, round)?;
    }
    Ok(())
}

/// Two entries as a plane writes them: a decision, and its outcome.
pub(super) fn sample() -> anyhow::Result<Vec<LogEntry>> {
    let entries = std::thread::spawn(|| -> anyhow::Result<Vec<LogEntry>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(written())
    });
    entries.join().map_err(|_| anyhow!("no sample was written"))?
}

async fn written() -> anyhow::Result<Vec<LogEntry>> {
    let store = Store::in_memory()?;
    let parts = ground::parts(ground::no_policies()?)?;
    let plane = Plane::start_inline(store.clone(), parts, Settings::default())?;
    plane.set_proxy_address(([127, 0, 0, 1], 9).into());
    let alice = Alice::of(&plane).await?;
    alice.connects(&plane).await?;
    alice.registers(&plane, "bot", &["api:GET /v1/**", "api:POST /v1/items"]).await?;
    let proof = alice.opens(&plane, "bot").await?;
    let size = plane.seen().size;
    for call in [get("/v1/items/7"), post("/v1/items")] {
        let permit = plane.decide(proof.asks(&call)).await.map_err(|no| anyhow!("{no}"))?;
        let opened = broker::open(&plane, permit).map_err(|no| anyhow!("{no}"))?;
        opened.lease.finish(Outcome::Answered { status: 200 }, Crossed::default());
    }
    plane.stop().await;
    let entries = store.read("sample", |tx| {
        tx.entries(size, 4)?.iter().map(StoredEntry::entry).collect::<Result<Vec<_>, _>>()
    })?;
    ensure!(entries.len() == 4, "two decisions and two outcomes are on record");
    Ok(entries)
}

fn fill(book: &mut Book, entries: u64) -> anyhow::Result<()> {
    while book.size() < entries {
        let left = usize::try_from(entries - book.size())?;
        book.append(left.min(BATCH))?;
        book.tend()?;
    }
    book.sync()?;
    Ok(())
}

// Without waiting for the disk: what appending itself costs.
fn append(book: &mut Book, round: usize) -> anyhow::Result<()> {
    let size = book.size();
    for (batch, times) in [(BATCH, BATCHES), (1, SINGLES)] {
        let (cpu, mut spans) = (computed(), Vec::with_capacity(times));
        for _ in 0..times {
            let at = moment();
            book.append(batch)?;
            spans.push(moment().saturating_sub(at));
        }
        let cpu = micros(computed().saturating_sub(cpu)) / real(times * batch);
        book.tend()?;
        let spans = Sorted::of(spans);
        tell(&json!({
            "what": "append", "round": round, "size": size, "batch": batch, "cpu_us": cpu,
            "p50_us": spans.permille(500) / real(batch),
            "p99_us": spans.permille(990) / real(batch),
        }))?;
    }
    Ok(())
}

fn first(store: &Store) -> anyhow::Result<Vec<StoredEntry>> {
    Ok(store.read("first", |tx| tx.entries(0, VERIFIED))?)
}

// Over entries in memory, over the same read from the store, and SHA-256 of their bytes alone.
fn verify(entries: &[StoredEntry], store: &Store, round: usize) -> anyhow::Result<()> {
    let count = real(entries.len());
    let timed = |work: &mut dyn FnMut() -> anyhow::Result<()>| -> anyhow::Result<f64> {
        let before = computed();
        work()?;
        Ok(count / computed().saturating_sub(before).as_secs_f64())
    };
    let hashed = timed(&mut || {
        for entry in entries {
            std::hint::black_box(sha256(&entry.bytes));
        }
        Ok(())
    })?;
    let per_second = timed(&mut || verified(entries))?;
    let from_store = timed(&mut || {
        let mut all = Vec::new();
        for from in pages(entries) {
            all.extend(store.read("verify", |tx| tx.entries(from, PAGE))?);
        }
        verified(&all)
    })?;
    let filed = timed(&mut || {
        for from in pages(entries) {
            let found = store.read("filed", |tx| tx.first_misfiled(from, PAGE))?;
            ensure!(found.is_none(), "an entry is misfiled");
        }
        Ok(())
    })?;
    let length: usize = entries.iter().map(|entry| entry.bytes.len()).sum();
    tell(&json!({
        "what": "verify", "round": round, "per_second": per_second,
        "sha256_per_second": hashed, "from_store_per_second": from_store,
        "filed_per_second": filed, "bytes": real(length) / count,
    }))
}

fn pages(entries: &[StoredEntry]) -> impl Iterator<Item = u64> {
    entries.iter().map(|entry| entry.index).step_by(1_000)
}

fn verified(entries: &[StoredEntry]) -> anyhow::Result<()> {
    let mut verifier = Evidence::new(key()?).verifier();
    for entry in entries {
        let _ = verifier.entry(entry.index, &entry.bytes, &entry.leaf);
    }
    let report = verifier.finish();
    ensure!(
        report.first_bad.is_none() && report.size == entries.len() as u64,
        "the log does not hold"
    );
    Ok(())
}

fn key() -> anyhow::Result<VerifierKey> {
    let parts = ground::parts(ground::no_policies()?)?;
    let name: KeyName = "bench.test/log".parse()?;
    Ok(VerifierKey::new(name, parts.log_key.public()))
}

// From nothing but the store: as `marque log receipt`, without its checkpoint.
fn prove(book: &Book, round: usize) -> anyhow::Result<()> {
    let (size, mut spans) = (book.size(), Vec::with_capacity(PROOFS));
    let root = book.root();
    for _ in 0..PROOFS {
        let index = u64::from_le_bytes(bytes(&SystemRandom)) % size;
        let begun = moment();
        let (entry, proof) = book.store.read("proof", |tx| {
            let entry = tx.entry(index)?;
            Ok((entry, inclusion(index, size, &Hashes(RefCell::new(tx)))))
        })?;
        spans.push(moment().saturating_sub(begun));
        let entry = entry.ok_or_else(|| anyhow!("entry {index} is missing"))?;
        let proof = proof.map_err(|Unread(why)| anyhow!("{why}"))?;
        verify_inclusion(&entry.leaf, index, size, &proof, &root)?;
    }
    let spans = Sorted::of(spans);
    tell(&json!({
        "what": "proof", "round": round, "size": size,
        "p50_us": spans.permille(500), "p99_us": spans.permille(990),
    }))
}

struct Hashes<'a, 'tx>(RefCell<&'a mut Tx<'tx>>);

struct Unread(String);

impl From<marque_tlog::Error> for Unread {
    fn from(error: marque_tlog::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<StoreError> for Unread {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl HashSource for Hashes<'_, '_> {
    type Error = Unread;

    fn hashes(&self, level: u8, start: u64, count: usize) -> Result<Vec<Digest>, Unread> {
        Ok(self.0.borrow_mut().hashes(level, start, count as u64)?)
    }
}
