//! From the upstream to the client: each message is paid for, searched whole, and only then passed
//! on.
//!
//! Owns the act of the opening, which lasts as long as the socket.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use marque_domain::Outcome;
use marque_wire::http1::Guard;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::Line;
use super::end::{Ending, Side};
use crate::clean::{MessageCleaner, Unclean};
use crate::pace::Pace;
use crate::relay::Act;
use crate::session::Session;

/// The way down of one socket.
pub(super) struct Down {
    act: Act,
    cleaner: MessageCleaner,
    pace: Pace,
}

impl Down {
    /// Passes on what comes of `act`.
    pub(super) fn new(act: Act, cleaner: MessageCleaner) -> Self {
        Self { act, cleaner, pace: Pace::default() }
    }

    /// Tells how the whole socket went.
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.act.end(outcome);
    }

    /// Passes on what the upstream sends, until it must end.
    pub(super) async fn run<U, G, C, D>(
        &mut self,
        session: &Arc<Session>,
        from: &mut SplitStream<Line<U, G>>,
        to: &mut SplitSink<Line<C, D>, Message>,
    ) -> Ending
    where
        U: AsyncRead + AsyncWrite + Unpin,
        G: Guard,
        C: AsyncRead + AsyncWrite + Unpin,
        D: Guard,
    {
        loop {
            let message = match from.next().await {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Ending::broken(Side::Upstream, &error),
                None => return Ending::lost(Side::Upstream),
            };
            let cleaned = match message {
                Message::Text(text) => {
                    let cleaned = self.take(session, text.into()).await;
                    // Asterisks in the middle of a character: nothing true could be told of it.
                    let text = cleaned.and_then(|bytes| {
                        Utf8Bytes::try_from(bytes).map_err(|_| unclean(Unclean::Echo))
                    });
                    text.map(Message::Text)
                }
                Message::Binary(bytes) => self.take(session, bytes).await.map(Message::Binary),
                Message::Ping(_) => Ok(Message::Ping(Bytes::new())),
                Message::Close(frame) => {
                    let frame = frame.map(|frame| self.clean_goodbye(session, frame));
                    return Ending::closed_by_upstream(frame);
                }
                Message::Pong(_) | Message::Frame(_) => continue,
            };
            let sent = match cleaned {
                Ok(message) => to.send(message).await,
                Err(ending) => return *ending,
            };
            if sent.is_err() {
                return Ending::lost(Side::Client);
            }
        }
    }

    /// Pays for a message and cleans it.
    async fn take(&mut self, session: &Session, bytes: Bytes) -> Result<Bytes, Box<Ending>> {
        let size = bytes.len() as u64;
        if let Some(allowance) = self.act.allowance()
            && let Err(spent) = poll_fn(|cx| allowance.poll_take(cx, size)).await
        {
            return Err(Box::new(Ending::spent(&spent.refusal)));
        }
        self.act.received(size);
        let (bytes, searched) = self.clean(session, bytes).map_err(unclean)?;
        self.pace.went(searched);
        poll_fn(|cx| self.pace.poll(cx)).await;
        Ok(bytes)
    }

    // By what was injected until now, other requests of the run included.
    fn clean(&mut self, session: &Session, bytes: Bytes) -> Result<(Bytes, usize), Unclean> {
        let Some(live) = self.act.live() else { return Err(Unclean::Echo) };
        let needles = session.shared.injected.note(live, None);
        let cleaned = self.cleaner.clean(needles, bytes);
        self.act.found(self.cleaner.found());
        cleaned
    }

    // Why the upstream leaves is told as far as it is clean.
    fn clean_goodbye(&mut self, session: &Session, frame: CloseFrame) -> CloseFrame {
        let cleaned = self.clean(session, frame.reason.into());
        let reason = cleaned.ok().and_then(|(bytes, _)| Utf8Bytes::try_from(bytes).ok());
        CloseFrame { code: frame.code, reason: reason.unwrap_or_default() }
    }
}

fn unclean(unclean: Unclean) -> Box<Ending> {
    Box::new(Ending::unclean(unclean))
}
