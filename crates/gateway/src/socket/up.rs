//! From the client to the upstream: each message is an operation of its own on the road.
//!
//! Nothing is written to the upstream before its entry is durable, and the next message is not read
//! before that.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use marque_domain::{Operation, Outcome};
use marque_plane::{Ask, Presented};
use marque_wire::http1::Guard;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Message;

use super::end::{Ending, OPENED, Side};
use super::{Asker, Line};
use crate::body::{self, Progress};
use crate::dial::Key;
use crate::pipeline;
use crate::places::SocketPlace;
use crate::relay::Act;
use crate::session::Session;

/// The parameter of a message that says how its bytes are meant (RFC 6455 §5.6).
const KIND: &str = "message";

/// The way up of one socket.
pub(super) struct Up {
    presented: Presented,
    operation: Operation,
    /// What the line may be used for.
    key: Key,
    _place: SocketPlace,
}

impl Up {
    /// Asks with `asker`, over a line of that key.
    pub(super) fn new(Asker { presented, operation, place }: Asker, key: Key) -> Self {
        Self { presented, operation, key, _place: place }
    }

    /// Passes on what the client sends, until it must end.
    pub(super) async fn run<C, D, U, G>(
        &self,
        session: &Arc<Session>,
        from: &mut SplitStream<Line<C, D>>,
        to: &mut SplitSink<Line<U, G>, Message>,
    ) -> Ending
    where
        C: AsyncRead + AsyncWrite + Unpin,
        D: Guard,
        U: AsyncRead + AsyncWrite + Unpin,
        G: Guard,
    {
        loop {
            let message = match from.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Ending::broken(Side::Client, &error),
                None => return Ending::lost(Side::Client),
            };
            let (kind, bytes) = match &message {
                Message::Text(text) => ("text", Bytes::from(text.clone())),
                Message::Binary(bytes) => ("binary", bytes.clone()),
                Message::Ping(_) => match to.send(Message::Ping(Bytes::new())).await {
                    Ok(()) => continue,
                    Err(_) => return Ending::lost(Side::Upstream),
                },
                Message::Close(frame) => return Ending::closed_by_client(frame.as_ref()),
                Message::Pong(_) | Message::Frame(_) => continue,
            };
            let mut act = match self.ask(session, kind, &bytes).await {
                Ok(act) => act,
                Err(ending) => return *ending,
            };
            if to.send(message).await.is_err() {
                act.end(Outcome::Failed { code: "failed.upstream".to_owned() });
                return Ending::lost(Side::Upstream);
            }
            act.end(OPENED);
        }
    }

    /// Asks for one message, and pays for it.
    async fn ask(
        &self,
        session: &Arc<Session>,
        kind: &str,
        bytes: &Bytes,
    ) -> Result<Act, Box<Ending>> {
        let mut operation = Operation { body: body::whole(bytes), ..self.operation.clone() };
        operation.parameters.insert(KIND.to_owned(), kind.to_owned());
        let size = bytes.len() as u64;
        let presented = self.presented.duplicate();
        let ask = Ask { presented, operation, announced_bytes: size };
        let opened = pipeline::decide(session, ask).await;
        let opened = opened.map_err(|refusal| Ending::refused(&refusal))?;
        let progress: Arc<Progress> = Arc::default();
        let mut act = Act::new(session, opened.lease, Arc::clone(&progress));
        // The line has the credential of its opening, and is used for nothing else.
        if Key::new(&opened.connection, opened.credential, self.key.endpoint()) != self.key {
            act.end(Outcome::Failed { code: "failed.stale".to_owned() });
            return Err(Box::new(Ending::stale()));
        }
        if let Some(allowance) = act.allowance()
            && let Err(spent) = poll_fn(|cx| allowance.poll_take(cx, size)).await
        {
            act.end(Outcome::Failed { code: "failed.bytes".to_owned() });
            return Err(Ending::refused(&spent.refusal));
        }
        progress.sends(size);
        Ok(act)
    }
}
