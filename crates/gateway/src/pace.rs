//! How much of one answer is worked on before others get their turn.
//!
//! Searching costs up to 70 ms of processor time for each MiB of a body that is all escapes, and a
//! small packed one may unpack to any length. Whoever relays spends from the runtime's budget as it
//! goes, so that no answer keeps a worker from its other tasks for long.

use std::task::{Context, Poll, ready};

use tokio::task::coop::poll_proceed;

/// Bytes that cost one unit. A task has 128 of them until it must yield, so it works on half a MiB
/// at a time, and one piece more.
const UNIT_BYTES: usize = 4 * 1024;

/// Follows the work on one answer.
#[derive(Default)]
pub(crate) struct Pace {
    owed_bytes: usize,
}

impl Pace {
    /// So much more was worked on.
    pub(crate) fn went(&mut self, bytes: usize) {
        self.owed_bytes = self.owed_bytes.saturating_add(bytes);
    }

    /// Ready once all work is paid for. Where it is not, the task is woken for its next turn.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(left) = self.owed_bytes.checked_sub(UNIT_BYTES) {
            ready!(poll_proceed(cx)).made_progress();
            self.owed_bytes = left;
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::{Pace, UNIT_BYTES};

    // threat 92: an answer that is slow to search leaves room for others.
    #[tokio::test]
    async fn a_task_yields_after_half_a_mib_and_goes_on_in_its_next_turn() {
        let mut pace = Pace::default();
        let (mut turns, mut passed) = (Vec::new(), 0);
        poll_fn(|cx| {
            let before = passed;
            while passed < 4 * 1024 * 1024 {
                if pace.poll(cx).is_pending() {
                    turns.push(passed - before);
                    return Poll::Pending;
                }
                pace.went(16 * 1024);
                passed += 16 * 1024;
            }
            Poll::Ready(())
        })
        .await;
        let most = 128 * UNIT_BYTES + 16 * 1024;
        assert!(turns.len() >= 7, "{turns:?}");
        assert!(turns.iter().all(|turn| *turn <= most), "{turns:?}");
    }

    #[tokio::test]
    async fn small_events_cost_nothing_until_they_come_to_something() {
        let mut pace = Pace::default();
        poll_fn(|cx| {
            for _ in 0..100 {
                pace.went(100);
                assert!(pace.poll(cx).is_ready());
            }
            Poll::Ready(())
        })
        .await;
    }
}
