//! One step: what a command may do in its turn of a transaction.
//!
//! It changes the world and the store together and appends entries. If it fails, all three are put
//! back. It may run twice, so it must not touch anything else.

use std::borrow::Borrow;
use std::sync::Arc;

use marque_crypto::Random;
use marque_crypto::seal::Sealed;
use marque_domain::{
    AccessToken, Credential, Decision, Digest, Event, Id, Limits, LogEntry, Meter, Revised, Run,
    Slot, Timestamp, limits,
};
use marque_store::Tx;
use marque_tlog::{Frontier, leaf_hash};
use serde::Serialize;

use crate::broker::Named;
use crate::failure::Failure;
use crate::limits::limits_of;
use crate::live::{Given, LiveRun};
use crate::oauth::{Deferral, TokenKeys};
use crate::spending::Held;
use crate::told::{Change, Changes, Kept};
use crate::world::{Listed, MeterKey, Place, Shelved, Unusable, World};

/// Entries of one kind that anybody can cause, in a minute.
const RECORDED_PER_MINUTE: u32 = 600;

/// What one command works with.
pub(crate) struct Step<'a, 'tx> {
    /// The store, in the command's turn.
    pub(crate) tx: &'a mut Tx<'tx>,
    /// The facts as they stand, every earlier command of the batch included.
    pub(crate) world: &'a mut World,
    /// One moment for the whole batch.
    pub(crate) now: Timestamp,
    pub(crate) head: &'a mut Frontier,
    pub(crate) random: &'a dyn Random,
    pub(crate) cuts: &'a mut Vec<Arc<LiveRun>>,
    /// What other servers of this plane must be told.
    pub(crate) changes: &'a mut Changes,
    /// This server's name among them.
    pub(crate) replica: &'a str,
}

/// Where an entry went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Appended {
    /// Its index.
    pub(crate) index: u64,
    /// The hash of its canonical bytes as a leaf.
    pub(crate) leaf: Digest,
}

impl Step<'_, '_> {
    /// A new id of this moment.
    pub(crate) fn id<K: marque_domain::Named>(&self) -> Id<K> {
        Id::new(self.now, marque_crypto::random::bytes(self.random))
    }

    /// Writes the next revision of a fact, to the store and to the world.
    pub(crate) fn save<T: Shelved>(&mut self, fact: T) -> Result<Arc<Revised<T>>, Failure> {
        let previous = T::shelf(self.world).revision(fact.id());
        let revision = if T::is_final(&fact) {
            self.tx.put_final(&fact, previous)?
        } else {
            self.tx.put(&fact, previous)?
        };
        let revised = Arc::new(Revised { fact, revision });
        T::place(self.world, Arc::clone(&revised));
        self.changes.note(|| Change::Fact(revised.reference()));
        Ok(revised)
    }

    /// Appends an event to the log.
    pub(crate) fn append(
        &mut self,
        event: impl Borrow<Event> + Serialize,
    ) -> Result<Appended, Failure> {
        let index = self.head.size();
        let entry = LogEntry { index, id: self.id(), at: self.now, event };
        let bytes = entry.canonical_bytes()?;
        let leaf = leaf_hash(&bytes);
        self.tx.append(&entry, &leaf, &bytes)?;
        for root in self.head.append(leaf) {
            self.tx.append_root(root.level, root.index, &root.hash)?;
        }
        self.changes.note(|| Change::Logged);
        Ok(Appended { index, leaf })
    }

    /// The log has this key from here on.
    pub(crate) fn set_log_key(&mut self, key: Digest) {
        self.world.log_key = Some(key);
        self.changes.note(|| Change::LogKey);
    }

    /// Sets a meter; where a bounded count must outlive the server, in the store as well.
    pub(crate) fn put_meter(&mut self, key: MeterKey, meter: Meter) -> Result<(), Failure> {
        // A run that was buried while its last call was under way has no meter any more.
        if matches!(key, MeterKey::Run(run) if self.world.runs.get(run).is_none()) {
            return Ok(());
        }
        if limits_of(self.world, key).counts()
            && let Some(kept) = key.kept()
        {
            self.tx.put_meter(&kept, &meter)?;
        }
        self.set_meter(key, meter);
        Ok(())
    }

    /// Writes down what was spent before there was a limit on it.
    pub(crate) fn keep_meter(&mut self, key: MeterKey) -> Result<(), Failure> {
        self.put_meter(key, self.world.meter(key))
    }

    /// Whether one more entry of a kind that anybody can cause may be written now. What may not is
    /// only counted, so that nobody fills the log with what they were refused.
    pub(crate) fn may_record(&mut self, key: MeterKey) -> bool {
        let limits = Limits { calls_per_minute: Some(RECORDED_PER_MINUTE), ..Limits::default() };
        // INVARIANT: nothing is recorded before the claim, which is entry 0.
        let spent = limits::spend(&limits, &self.world.meter(key), self.now);
        match spent {
            Ok(meter) if self.head.size() > 0 => {
                self.set_meter(key, meter);
                true
            }
            _ => false,
        }
    }

    /// Keeps what a call under way has reserved.
    pub(crate) fn hold(&mut self, decision: Id<Decision>, held: Arc<Held>) {
        self.world.hold(decision, held);
        self.changes.note_kept(Kept::Held(decision), false);
    }

    /// What a call had reserved, which is over.
    pub(crate) fn release(&mut self, decision: Id<Decision>) -> Option<Arc<Held>> {
        self.changes.note_kept(Kept::Held(decision), false);
        self.world.release(decision)
    }

    /// Counts a refusal of a run.
    pub(crate) fn count_refusal(&mut self, run: Id<Run>) {
        self.world.count_refusal(run);
        self.changes.note_kept(Kept::Refusals(run), self.world.outlives(run));
    }

    /// Gives a run its living side.
    pub(crate) fn enliven(&mut self, live: Arc<LiveRun>) {
        self.changes.note_kept(Kept::Live(live.run), live.is_kept());
        self.world.enliven(live);
    }

    /// Notes which credential a call of the run is given, where the run may outlive this server:
    /// the next one must search answers for it too.
    pub(crate) fn note_given(&mut self, run: Id<Run>, (named, slot): (&Named, &Slot)) {
        if !self.world.may_return(run) {
            return;
        }
        let is_known = |given: &Given| given.is_of(&named.credential, slot);
        if !self.world.given(run).iter().any(is_known) {
            self.world.give(run, Given::new(&named.credential, slot, &named.sealed));
            self.changes.note_kept(Kept::Live(run), true);
        }
    }

    /// Uses something that is good once, and remembers it until then.
    pub(crate) fn use_once(&mut self, digest: Digest, until: Timestamp) -> Result<(), Unusable> {
        self.world.tokens.saw(self.now);
        // By the clock that never stepped back, for which it is as much later.
        let ahead = self.world.tokens.steady(self.now).since(self.now);
        let until = until.plus(ahead);
        self.world.tokens.must_be_new(digest, self.now)?;
        for over in self.world.tokens.used_up(self.now) {
            self.forget_used(over);
        }
        self.remember(digest, until);
        Ok(())
    }

    fn remember(&mut self, digest: Digest, until: Timestamp) {
        self.forget_used(digest);
        self.world.tokens.put_used(digest, until);
        self.changes.note_kept(Kept::Once(until, digest), true);
    }

    fn forget_used(&mut self, digest: Digest) {
        if let Some(until) = self.world.tokens.used_until(digest) {
            self.world.tokens.forget_used(digest);
            self.changes.note_kept(Kept::Once(until, digest), true);
        }
    }

    /// Remembers until then that something was stopped, whether there is room or not.
    pub(crate) fn remember_stop(&mut self, digest: Digest, until: Timestamp) {
        self.remember(digest, until);
    }

    /// Keeps a request that waits for a human, and forgets a few that do not any more.
    pub(crate) fn defer(&mut self, code: Digest, deferral: Deferral) {
        for over in self.world.deferrals.over(self.now) {
            self.world.deferrals.forget(over);
            self.changes.note_kept(Kept::Deferral(over), true);
        }
        self.world.deferrals.put(code, Arc::new(deferral));
        self.changes.note_kept(Kept::Deferral(code), true);
    }

    /// Forgets that something was stopped.
    pub(crate) fn forget_stop(&mut self, digest: Digest) {
        self.forget_used(digest);
    }

    /// Takes a token back, which would be good until then.
    pub(crate) fn revoke_token(&mut self, token: Id<AccessToken>, until: Timestamp) {
        self.world.tokens.revoke(token, until);
        self.changes.note_kept(Kept::Revoked(token), true);
    }

    /// Gives a token a place in a status list.
    pub(crate) fn list(&mut self, place: Place, listed: Listed) {
        self.world.tokens.listed.put(place, listed);
        self.changes.note_kept(Kept::Listed(place), true);
    }

    /// Gives places back whose tokens have been over for a while, at most so many.
    pub(crate) fn unlist(&mut self, most: usize) {
        for place in self.world.tokens.listed.over(self.now, most) {
            self.world.tokens.listed.forget(place);
            self.changes.note_kept(Kept::Listed(place), true);
        }
    }

    /// Ends every status list.
    pub(crate) fn unlist_all(&mut self) {
        for place in self.world.tokens.listed.all() {
            self.world.tokens.listed.forget(place);
            self.changes.note_kept(Kept::Listed(place), true);
        }
    }

    /// Forgets that a token was taken back, which is over by now.
    pub(crate) fn forget_revoked(&mut self, token: Id<AccessToken>) {
        self.world.tokens.forget_revoked(token);
        self.changes.note_kept(Kept::Revoked(token), true);
    }

    /// Signs tokens with these keys from now on.
    pub(crate) fn set_token_keys(&mut self, keys: TokenKeys) {
        self.world.tokens.set_keys(Arc::new(keys));
        self.changes.note_kept(Kept::TokenKeys, true);
    }

    /// Drops what is left of a run that was closed a while ago.
    pub(crate) fn bury(&mut self, run: Id<Run>) {
        let outlives = self.world.outlives(run);
        for kept in [Kept::Live(run), Kept::Refusals(run), Kept::Meter(MeterKey::Run(run))] {
            self.changes.note_kept(kept, outlives);
        }
        self.changes.note_kept(Kept::Meter(MeterKey::Refusals(run)), false);
        self.world.bury(run);
    }

    /// Holds the sealed bytes of a credential's current revision, or none any more.
    pub(crate) fn seal(&mut self, credential: Id<Credential>, sealed: Option<Arc<Sealed>>) {
        match sealed {
            Some(sealed) => self.world.seal(credential, sealed),
            None => self.world.unseal_never(credential),
        }
        self.changes.note(|| Change::Sealed(credential));
    }

    fn set_meter(&mut self, key: MeterKey, meter: Meter) {
        self.world.set_meter(key, meter);
        let outlives = matches!(key, MeterKey::Run(run) if self.world.outlives(run));
        self.changes.note_kept(Kept::Meter(key), outlives);
    }

    /// Cuts a run's streams once the batch is committed, and not before.
    // ORDER: a stream cut before the closing entry is durable would be a kill nobody can prove.
    pub(crate) fn cut(&mut self, live: Arc<LiveRun>) {
        self.cuts.push(live);
    }
}
