//! A captured run whose server is gone: it waits for the next one, and is handed over to it.
//!
//! Meanwhile nothing goes out: its listeners are open, and nobody takes what comes in. No server is
//! started here: whoever stopped it meant it, and whoever looks after it starts it.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

type Doors = Arc<Vec<(DoorKind, OwnedFd)>>;

/// Holds a run, and again where it is captured and its server was gone.
pub(super) struct Again<'a> {
    voice: &'a Voice,
    run: &'a Client,
    opened: &'a OpenedRunView,
    /// Where doors are handed over.
    socket: PathBuf,
    doors: Mutex<Option<Doors>>,
}

impl<'a> Again<'a> {
    /// For a run that has no doors yet.
    pub(super) fn new(
        voice: &'a Voice,
        run: &'a Client,
        opened: &'a OpenedRunView,
        socket: PathBuf,
    ) -> Self {
        Self { voice, run, opened, socket, doors: Mutex::default() }
    }

    /// Hands the run's listeners to the server it was opened at, and keeps them for the next.
    pub(super) fn begin(&self, doors: Vec<(DoorKind, OwnedFd)>) -> Result<(), Failure> {
        doors::hand_over(&self.socket, self.opened, &doors)?;
        *self.doors() = Some(Arc::new(doors));
        Ok(())
    }

    /// Holds the run until it is closed, again and again as long as a server comes back in time.
    /// Dropping this abandons the run.
    pub(super) async fn hold(&self) -> Result<EndedView, Unheld> {
        let ended = self.hold_on().await;
        // Nothing is to wait at the listeners of a run that is over.
        self.doors().take();
        ended
    }

    async fn hold_on(&self) -> Result<EndedView, Unheld> {
        let mut held = self.run.hold().await;
        loop {
            let why = match held {
                Err(Unheld::Gone(why)) => why,
                over => return over,
            };
            let Some(doors) = self.doors().clone() else { return Err(Unheld::Gone(why)) };
            let grace = self.grace();
            self.voice.warning(&format!(
                "the server is gone: nothing goes out until it is back, and the run waits {} s",
                grace.as_secs()
            ));
            let handed = timeout(grace, self.hand_over(&doors)).await;
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
    async fn hand_over(&self, doors: &Doors) -> Result<(), Failure> {
        loop {
            sleep(EVERY).await;
            if !self.run.is_answered().await {
                continue;
            }
            let (socket, opened) = (self.socket.clone(), self.opened.clone());
            let doors = Arc::clone(doors);
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
    async fn reason(&self, failure: Failure) -> Result<EndedView, Unheld> {
        match timeout(REASON, self.run.hold()).await {
            Ok(Err(Unheld::Gone(_))) | Err(_) => Err(Unheld::Refused(failure)),
            Ok(said) => said,
        }
    }

    fn doors(&self) -> MutexGuard<'_, Option<Doors>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
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
