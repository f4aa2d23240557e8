//! Allowances: the bytes a call may still move, reserved in portions while its bodies flow.
//!
//! Taking from what is reserved is one atomic subtraction. Only where that is too little does it
//! wait for the sequencer, which looks at every limit again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use marque_domain::portion::Portion;
use marque_domain::{Decision, Id, Refusal};

use crate::plane::Plane;
use crate::sequence::Durability;
use crate::{record, spending};

/// Tasks of one call that wait for more at once; it has an upload and a download.
const WAITERS: usize = 8;

/// The bytes one call may move, up and down together. Only where some limit of bytes binds it.
pub struct Allowance {
    plane: Plane,
    decision: Id<Decision>,
    tank: Arc<Tank>,
}

/// No more bytes may pass: the call must end here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", refusal.message)]
pub struct Spent {
    /// The same as a refusal says it to the client.
    pub refusal: Box<Refusal>,
}

// What is reserved, shared with the task that reserves more.
struct Tank {
    left: AtomicU64,
    taken: AtomicU64,
    refill: Mutex<Refill>,
}

struct Refill {
    state: State,
    /// What the last portion came to.
    portion: u64,
}

enum State {
    Idle,
    UnderWay(Vec<Waker>),
    Refused(Spent),
}

impl Allowance {
    pub(crate) fn new(plane: Plane, decision: Id<Decision>, portion: u64) -> Self {
        let refill = Mutex::new(Refill { state: State::Idle, portion });
        let (left, taken) = (AtomicU64::new(portion), AtomicU64::new(0));
        Self { plane, decision, tank: Arc::new(Tank { left, taken, refill }) }
    }

    /// Takes `bytes` from what is reserved, reserving more through the sequencer where that is too
    /// little. Call it before the bytes move, and again with the same number once woken.
    pub fn poll_take(&self, cx: &mut Context<'_>, bytes: u64) -> Poll<Result<(), Spent>> {
        if self.tank.take(bytes) {
            return Poll::Ready(Ok(()));
        }
        let mut refill = self.tank.refill();
        // What was reserved since the look above is visible under the lock.
        if self.tank.take(bytes) {
            return Poll::Ready(Ok(()));
        }
        match &mut refill.state {
            State::Refused(spent) => Poll::Ready(Err(spent.clone())),
            State::UnderWay(waiting) => {
                wait(waiting, cx.waker());
                Poll::Pending
            }
            State::Idle => {
                let lacking = bytes.saturating_sub(self.tank.left.load(Ordering::Acquire));
                self.reserve(Portion::next(lacking, refill.portion));
                refill.state = State::UnderWay(vec![cx.waker().clone()]);
                Poll::Pending
            }
        }
    }

    /// Nothing more is taken: what is left was given back.
    pub(crate) fn close(&self) {
        self.tank.left.store(0, Ordering::Release);
    }

    /// What was taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.tank.taken.load(Ordering::Acquire)
    }

    fn reserve(&self, wanted: Portion) {
        let (plane, decision, tank) = (self.plane.clone(), self.decision, Arc::clone(&self.tank));
        self.plane.spawn(async move {
            let more = plane.sequencer().submit_patiently(Durability::Read, move |step| {
                spending::more(step, decision, wanted)
            });
            let granted = more.await.unwrap_or_else(|failure| Err(record::unwritable(&failure)));
            tank.filled(granted);
        });
    }
}

impl Tank {
    fn take(&self, bytes: u64) -> bool {
        let took = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(bytes));
        if took.is_ok() {
            self.taken.fetch_add(bytes, Ordering::AcqRel);
        }
        took.is_ok()
    }

    fn filled(&self, granted: Result<u64, Refusal>) {
        let mut refill = self.refill();
        let next = match granted {
            Ok(bytes) => {
                refill.portion = bytes;
                self.left.fetch_add(bytes, Ordering::AcqRel);
                State::Idle
            }
            Err(refusal) => State::Refused(Spent { refusal: Box::new(refusal) }),
        };
        let before = std::mem::replace(&mut refill.state, next);
        drop(refill);
        if let State::UnderWay(waiting) = before {
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    fn refill(&self) -> MutexGuard<'_, Refill> {
        self.refill.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Whoever is pushed out asks again.
fn wait(waiting: &mut Vec<Waker>, waker: &Waker) {
    if waiting.iter().any(|known| known.will_wake(waker)) {
        return;
    }
    if waiting.len() >= WAITERS {
        waiting.remove(0).wake();
    }
    waiting.push(waker.clone());
}
