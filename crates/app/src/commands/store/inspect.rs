//! Whether what a store holds fits together: entries, hashes, columns, signatures.
//!
//! Reads only, in bounded memory, and believes nothing: every hash is made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use marque_domain::{Digest, Timestamp};
use marque_store::{Replica, Store, StoreError};
use marque_tlog::{Evidence, Frontier, Subtree, VerifierKey};
use serde::Serialize;

use super::Progress;
use crate::commands::log::keys::{LogKeys, Problem};
use crate::commands::log::source::LogSource;
use crate::output::Fields;
use crate::place::DataDir;

/// What was found.
#[derive(Serialize)]
pub(super) struct Found {
    pub(super) ok: bool,
    /// Where the store is.
    pub(super) store: String,
    pub(super) schema: u64,
    pub(super) epoch: u64,
    pub(super) log_size: u64,
    pub(super) root: Digest,
    /// The size up to which the log's own checkpoints agree.
    pub(super) signed: u64,
    /// Rows of each table.
    pub(super) rows: BTreeMap<&'static str, u64>,
    /// The last batch that the servers told each other of; none where the store is one server's.
    pub(super) feed: Option<u64>,
    /// The servers that may write.
    pub(super) servers: Vec<Server>,
    /// Whether they say that they decide by different policies.
    pub(super) policies_differ: bool,
    /// Where the plane lives now, if it was moved away.
    pub(super) moved_to: Option<String>,
    pub(super) problems: Vec<String>,
}

/// A server, as it described itself to the others.
#[derive(Serialize)]
pub(super) struct Server {
    name: String,
    release: String,
    speaks: u64,
    epoch: u64,
    /// When it last said that it is there.
    last_word: Timestamp,
    policies: String,
}

/// Looks at everything there is.
pub(super) fn inspect(
    store: &Store,
    place: String,
    data: &DataDir,
    progress: &mut Progress,
) -> anyhow::Result<Found> {
    let (schema, last_signed) = store.read("store.check", |tx| {
        Ok((tx.schema()?, tx.latest_checkpoint()?.map_or(0, |checkpoint| checkpoint.size)))
    })?;
    let mut found = Found {
        ok: false,
        store: place,
        schema,
        epoch: store.epoch(),
        log_size: 0,
        root: Frontier::new().root(),
        signed: 0,
        rows: store.counts()?.into_iter().collect(),
        feed: None,
        servers: Vec::new(),
        policies_differ: false,
        moved_to: store.moved_to()?,
        problems: Vec::new(),
    };
    if store.is_shared() {
        ask_servers(store, &mut found)?;
    }
    found.problems = store.damage()?;
    let source = LogSource::of_store(store.clone(), data)?;
    let key = source.log_key().and_then(|key| key.parse::<VerifierKey>().ok());
    match key {
        Some(key) => prove(store, source, key, &mut found, progress)?,
        None if found.rows.get("log").is_none_or(|rows| *rows == 0) => {}
        None => found.problems.push(format!(
            "the log's public key is not in `{}`, so nothing can be proved: copy it from another \
             server of this plane, or start this one once",
            data.log_verifier().display()
        )),
    }
    if found.problems.is_empty() && found.signed < last_signed {
        found.problems.push(format!("the checkpoint of {last_signed} entries does not verify"));
    }
    found.ok = found.problems.is_empty();
    Ok(found)
}

fn ask_servers(store: &Store, found: &mut Found) -> Result<(), StoreError> {
    let (feed, replicas) =
        store.read("store.servers", |tx| Ok((tx.last_told()?, tx.replicas()?)))?;
    found.feed = Some(feed);
    found.servers = replicas
        .into_iter()
        .map(|Replica { name, epoch, seen, speaks, release, policies }| Server {
            name,
            release,
            speaks,
            epoch,
            last_word: seen,
            policies,
        })
        .collect();
    let said = found.servers.iter().map(|server| &server.policies).filter(|said| !said.is_empty());
    found.policies_differ = said.collect::<BTreeSet<_>>().len() > 1;
    Ok(())
}

fn prove(
    store: &Store,
    source: LogSource,
    key: VerifierKey,
    found: &mut Found,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let mut keys = LogKeys::new(source.key_records(), key);
    let mut evidence = Evidence::new(keys.chain().clone());
    source.checkpoints().iter().for_each(|note| evidence.own_checkpoint(note));
    if let Some(index) = source.first_misfiled()? {
        found.problems.push(format!("entry {index} is filed under other words than it says"));
    }
    let (mut verifier, mut roots) = (evidence.verifier(), Roots::of(store));
    source.each(|entry| {
        roots.follow(entry.leaf);
        progress.tell("log", entry.index + 1);
        if roots.is_undone() {
            return ControlFlow::Break(());
        }
        keys.see(&entry);
        verifier.entry(entry.index, &entry.bytes, &entry.leaf)
    })?;
    let report = verifier.finish();
    if let Some(Problem { index, words }) = keys.problem(report.size) {
        found.problems.push(format!("entry {index}: {words}"));
    }
    if !report.holds() {
        found.problems.push(report.to_string());
    } else if let Some(problem) = roots.finish(found.rows.get("roots").copied().unwrap_or(0))? {
        found.problems.push(problem);
    }
    (found.log_size, found.root, found.signed) = (report.size, report.root, report.signed);
    Ok(())
}

/// The stored roots of subtrees, held against those that the leaves give.
struct Roots<'a> {
    store: &'a Store,
    tree: Frontier,
    count: u64,
    answer: Result<Option<Subtree>, StoreError>,
}

impl<'a> Roots<'a> {
    fn of(store: &'a Store) -> Self {
        Self { store, tree: Frontier::new(), count: 0, answer: Ok(None) }
    }

    fn follow(&mut self, leaf: Digest) {
        for subtree in self.tree.append(leaf) {
            self.count += 1;
            let kept = self.store.read("store.roots", |tx| {
                tx.hashes(subtree.level, subtree.index, 1).map(|kept| kept.first().copied())
            });
            match kept {
                Ok(kept) if kept == Some(subtree.hash) => {}
                Ok(_) if matches!(self.answer, Ok(None)) => self.answer = Ok(Some(subtree)),
                Ok(_) => {}
                Err(error) => self.answer = Err(error),
            }
        }
    }

    /// Whether the store could not be read, so that going on says nothing.
    fn is_undone(&self) -> bool {
        self.answer.is_err()
    }

    fn finish(self, kept: u64) -> Result<Option<String>, StoreError> {
        Ok(match self.answer? {
            Some(Subtree { level, index, .. }) => Some(format!(
                "the stored root of level {level} at {index} is not the one its entries give"
            )),
            // A server may have appended since the rows were counted, never removed.
            None if kept > self.count => {
                Some(format!("{kept} roots are stored, and the entries give {}", self.count))
            }
            None => None,
        })
    }
}

impl Server {
    fn text(&self) -> String {
        let Self { name, release, last_word, policies, .. } = self;
        let release = if release.is_empty() { "unknown" } else { release };
        let policies = if policies.is_empty() { "unknown" } else { policies };
        format!("{name}, marque {release}, last word {last_word}, policies {policies}")
    }
}

/// For a person.
pub(super) fn text(found: &Found) -> String {
    let rows = found.rows.iter().map(|(table, rows)| format!("{table} {rows}"));
    let rows = rows.collect::<Vec<_>>().join(", ");
    Fields::default()
        .with("store", &found.store)
        .with("schema", found.schema)
        .with("epoch", found.epoch)
        .with("log", format!("{} entries, {} of them signed", found.log_size, found.signed))
        .with("root", found.root)
        .with("rows", rows)
        .maybe("feed", found.feed.map(|last| format!("{last} batches")))
        .each("server", found.servers.iter().map(Server::text))
        .maybe("policies", found.policies_differ.then_some("NOT THE SAME ON EVERY SERVER"))
        .maybe("moved to", found.moved_to.as_ref())
        .each("problem", &found.problems)
        .with("verdict", if found.ok { "all of it fits together" } else { "damaged" })
        .text()
}
