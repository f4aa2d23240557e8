//! An open WebSocket (RFC 6455): every message of the client is asked for, every message of the
//! upstream is paid for and searched.
//!
//! Owns what passes each way, one message at a time. Frames are the library's; the opening was the
//! pipeline's. Pings are answered here, and go on without what they hold: nobody decides on that.

mod down;
mod end;
mod up;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use marque_domain::{Operation, SOCKET_MESSAGE};
use marque_plane::{Ask, Presented};
use marque_wire::http1::Guard;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use self::down::Down;
use self::end::{Ending, FAREWELL};
use self::up::Up;
use crate::clean::MessageCleaner;
use crate::dial::{Key, Switched};
use crate::guarded::Guarded;
use crate::places::SocketPlace;
use crate::relay::Act;
use crate::session::Session;

/// Longest message, and so longest frame.
const MESSAGE_MAX_BYTES: usize = 1024 * 1024;
/// What is read at once of small frames.
const READ_BYTES: usize = 8 * 1024;
/// What may wait to be written: one message and what is due to it, such as pongs.
const WRITE_MAX_BYTES: usize = MESSAGE_MAX_BYTES + 64 * 1024;

/// One side's socket, guarded against silence.
type Line<IO, G> = WebSocketStream<Guarded<IO, G>>;

/// Asks the road for each message of one socket.
pub(crate) struct Asker {
    presented: Presented,
    /// What the opening was, in the words of a message.
    operation: Operation,
    place: SocketPlace,
}

impl Asker {
    /// Asks as the opening was asked for.
    pub(crate) fn new(opening: &Ask, place: SocketPlace) -> Self {
        let operation = Operation { name: SOCKET_MESSAGE.to_owned(), ..opening.operation.clone() };
        Self { presented: opening.presented.duplicate(), operation, place }
    }
}

/// A socket both sides have opened.
pub(crate) struct Socket {
    upstream: Switched,
    up: Up,
    down: Down,
}

impl Socket {
    /// A socket to `upstream`, opened by the act, over a line of that key.
    pub(crate) fn new(
        upstream: Switched,
        (asker, key): (Asker, Key),
        (act, cleaner): (Act, MessageCleaner),
    ) -> Self {
        Self { upstream, up: Up::new(asker, key), down: Down::new(act, cleaner) }
    }

    /// Passes messages on until one side ends it or nothing more may pass, and gives the client's
    /// socket back: as an error where it must be broken off.
    pub(crate) async fn talk<IO, G>(
        self,
        session: &Arc<Session>,
        (client, ahead): (Guarded<IO, G>, Bytes),
    ) -> Result<IO, IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        G: Guard,
    {
        let Self { upstream, up, mut down } = self;
        let client = open(client, ahead, Role::Server).await;
        let upstream = open(upstream.io, upstream.ahead, Role::Client).await;
        let (mut to_client, mut from_client) = client.split();
        let (mut to_upstream, mut from_upstream) = upstream.split();
        let ending = tokio::select! {
            biased;
            () = session.cut() => None,
            () = session.shared.plane.lost() => None,
            () = session.shared.shutdown.cancelled() => Some(Ending::away()),
            ending = up.run(session, &mut from_client, &mut to_upstream) => Some(ending),
            ending = down.run(session, &mut from_upstream, &mut to_client) => Some(ending),
        };
        let halves = "invariant: both are halves of one socket";
        let mut client = to_client.reunite(from_client).expect(halves);
        let mut upstream = to_upstream.reunite(from_upstream).expect(halves);
        let is_over = match ending {
            // What is under way says so itself, as it is dropped.
            None => false,
            Some(Ending { outcome, to_client, to_upstream }) => {
                down.end(outcome);
                let parting = async {
                    tokio::join!(part(&mut client, to_client), part(&mut upstream, to_upstream))
                };
                tokio::select! {
                    biased;
                    () = session.cut() => false,
                    _parted = parting => true,
                }
            }
        };
        let io = client.into_inner().into_inner();
        if is_over { Ok(io) } else { Err(io) }
    }
}

async fn open<IO, G>(io: Guarded<IO, G>, ahead: Bytes, role: Role) -> Line<IO, G>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    G: Guard,
{
    let bounds = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_MAX_BYTES)
        .max_message_size(Some(MESSAGE_MAX_BYTES))
        .max_frame_size(Some(MESSAGE_MAX_BYTES));
    WebSocketStream::from_partially_read(io, ahead.into(), role, Some(bounds)).await
}

/// Says goodbye, and reads on until the other side has: what comes meanwhile is dropped.
async fn part<IO, G>(line: &mut Line<IO, G>, goodbye: Option<Message>)
where
    IO: AsyncRead + AsyncWrite + Unpin,
    G: Guard,
{
    let parting = async {
        match goodbye {
            Some(goodbye) => line.send(goodbye).await?,
            None => line.flush().await?,
        }
        while let Some(message) = line.next().await {
            message?;
        }
        Ok::<_, tokio_tungstenite::tungstenite::Error>(())
    };
    let _in_time = timeout(FAREWELL, parting).await;
}
