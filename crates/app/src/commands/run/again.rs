//! A captured run whose server is gone: it waits for the next one, and is handed over to it.
//!
//! Meanwhile nothing goes out: its listeners are open, and nobody takes what comes in. No server is
//! started here: whoever stopped it meant it, and whoever looks after it starts it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use marque_plane::view::{EndedView, OpenedRunView};
use marque_plane::{Clock as _, DoorKind};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use super::voice::Voice;
use crate::capture::doors::{self, Untaken};
use crate::client::{Client, Unheld};
use crate::clock::SystemClock;
use crate::exit::{Exit, Failure};

/// How long a run waits for its server. A server that starts waits for runs as long.
const GRACE: Duration = Duration::from_secs(60);
/// How often it looks whether one is there.
const EVERY: Duration = Duration::from_millis(200);
/// How long a server that does not take the doors may take to say what became of the run.
const REASON: Duration = Duration::from_secs(5);

/// What a captured run is handed over with.
pub(super) struct Again<'a> {
    /// Who hears about it.
    pub(super) voice: &'a Voice,
    /// Speaks as the run.
    pub(super) run: &'a Client,
    /// The run.
    pub(super) opened: &'a OpenedRunView,
    /// Where doors are handed over.
    pub(super) socket: PathBuf,
    /// Its listeners. They close with this, so that nothing waits at them once the run is over.
    pub(super) doors: Arc<Vec<(DoorKind, OwnedFd)>>,
}

impl Again<'_> {
    /// Holds the run until it is closed, beginning with `first`, the hold it has; again and again
    /// as long as a server comes back in time.
    pub(super) async fn hold(
        self,
        first: Pin<&mut impl Future<Output = Result<EndedView, Unheld>>>,
    ) -> Result<EndedView, Failure> {
        let mut held = first.await;
        loop {
            let why = match held {
                Ok(ended) => return Ok(ended),
                Err(Unheld::Refused(failure)) => return Err(failure),
                Err(Unheld::Gone(why)) => why,
            };
            let grace = self.grace();
            self.voice.warning(&format!(
                "the server is gone: nothing goes out until it is back, and the run waits {} s",
                grace.as_secs()
            ));
            let handed = timeout(grace, self.hand_over()).await;
            if let Err(failure) = handed.unwrap_or_else(|_| Err(given_up(grace, &why))) {
                return self.reason(failure).await;
            }
            self.voice.remark("marque: the server is back, and the run goes on");
            held = self.run.hold().await;
        }
    }

    /// Hands the doors over to the next server.
    ///
    // ORDER: before the run is held. A hold that is dropped because the doors were not taken yet
    // would abandon the run.
    async fn hand_over(&self) -> Result<(), Failure> {
        loop {
            sleep(EVERY).await;
            if !self.run.is_answered().await {
                continue;
            }
            let (socket, opened) = (self.socket.clone(), self.opened.clone());
            let doors = Arc::clone(&self.doors);
            // Waits for the server's answer, and other runs of this launcher do not wait with it.
            let handed = TaskTracker::new()
                .spawn_blocking(move || doors::offer(&socket, &opened, &doors))
                .await;
            match handed {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(Untaken::Refused(failure))) => return Err(failure),
                Ok(Err(Untaken::Unheard(_))) | Err(_) => {}
            }
        }
    }

    // What the server says of the run is more than that it takes no doors.
    async fn reason(&self, failure: Failure) -> Result<EndedView, Failure> {
        match timeout(REASON, self.run.hold()).await {
            Ok(Ok(ended)) => Ok(ended),
            Ok(Err(Unheld::Refused(said))) => Err(said),
            Ok(Err(Unheld::Gone(_))) | Err(_) => Err(failure),
        }
    }

    // No longer than the run itself.
    fn grace(&self) -> Duration {
        GRACE.min(self.opened.run.expires_at.since(SystemClock::start().now()))
    }
}

fn given_up(grace: Duration, why: &Failure) -> Failure {
    let secs = grace.as_secs();
    let message = format!("the server did not come back within {secs} s: {}", why.message);
    Failure::new(Exit::Unavailable, message)
        .hint("start it with `marque up`, and the run again with `marque run`")
}
