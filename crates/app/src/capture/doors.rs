//! Handing the run's listeners to the server.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use marque_crypto::Secret;
use marque_plane::DoorKind;
use marque_plane::view::OpenedRunView;
use serde::{Deserialize, Serialize};

use super::channel::{DESCRIPTORS_MAX, receive, send};
use crate::exit::{Exit, Failure};

/// How long the server may take.
const DEADLINE: Duration = Duration::from_secs(20);

#[derive(Serialize)]
struct HandOver<'a> {
    run: String,
    secret: &'a str,
    doors: Vec<DoorKind>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    remedy: Option<String>,
}

/// Why a server did not take them.
pub(crate) enum Untaken {
    /// None answered, or it goes.
    Unheard(io::Error),
    /// It does not take them.
    Refused(Failure),
}

/// Hands them over; they are served when this returns.
pub(crate) fn hand_over(
    socket: &Path,
    opened: &OpenedRunView,
    doors: &[(DoorKind, OwnedFd)],
) -> Result<(), Failure> {
    offer(socket, opened, doors).map_err(|why| match why {
        Untaken::Refused(failure) => failure,
        Untaken::Unheard(error) => {
            let message = format!("cannot hand the run's listeners to the server: {error}");
            Failure::new(Exit::Failed, message)
                .hint("is the server of another version? stop it, and start it again")
        }
    })
}

/// The same, and whether it makes sense to try again.
pub(crate) fn offer(
    socket: &Path,
    opened: &OpenedRunView,
    doors: &[(DoorKind, OwnedFd)],
) -> Result<(), Untaken> {
    let answer = exchange(socket, opened, doors).map_err(Untaken::Unheard)?;
    if answer.ok {
        return Ok(());
    }
    if answer.code == "stopping" {
        return Err(Untaken::Unheard(io::Error::other(answer.detail)));
    }
    let message = format!("the server refused the run's listeners: {}", answer.detail);
    let failure = Failure::new(Exit::Failed, message);
    Err(Untaken::Refused(match answer.remedy {
        Some(hint) => failure.hint(hint),
        None => failure,
    }))
}

fn exchange(
    socket: &Path,
    opened: &OpenedRunView,
    doors: &[(DoorKind, OwnedFd)],
) -> io::Result<Answer> {
    if doors.len() > DESCRIPTORS_MAX {
        return Err(io::Error::other("the run has too many of them"));
    }
    let stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    let asked = HandOver {
        run: opened.run.id.to_string(),
        secret: &opened.secret,
        doors: doors.iter().map(|(kind, _)| *kind).collect(),
    };
    let bytes = Secret::from_vec(serde_json::to_vec(&asked)?);
    let listeners: Vec<_> = doors.iter().map(|(_, listener)| listener.as_fd()).collect();
    send(&stream, bytes.expose(), &listeners)?;
    let (answer, _) = receive(&stream)?;
    Ok(serde_json::from_slice(&answer)?)
}
