//! TLS at the door of a captured run: read here, or passed on unseen where a line allows that.
//!
//! Owns the bytes that nobody reads: no credential goes with them, and they are counted, paid for
//! and cut like all others. Where to is what the client's hello says, which is agreed on before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use marque_domain::Outcome;
use marque_plane::{Allowance, Opened};
use marque_wire::http1::{Guard, Malformed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::http::break_off;
use super::super::tunnel::{self, Greeted, Tunnel};
use super::until_cut;
use crate::body::Progress;
use crate::guarded::Guarded;
use crate::pipeline;
use crate::relay::Act;
use crate::session::Session;

/// Bytes that are carried at once.
const PIECE_BYTES: usize = 16 * 1024;
/// RFC 9110 §9.3.6: what a tunnel that was opened and has ended is answered with.
const CARRIED: Outcome = Outcome::Answered { status: 200 };

/// Why bytes do not go on.
#[derive(Clone, Copy)]
enum Broken {
    /// The client is gone.
    Client,
    /// The upstream is.
    Upstream,
    /// There are no bytes left for them.
    Spent,
}

/// Serves a client of TLS.
pub(super) async fn serve(session: Arc<Session>, tunnel: Tunnel, stream: TcpStream) {
    let greeted = until_cut(&session, tunnel::greet(&tunnel, stream)).await;
    let Some(Some(greeted)) = greeted else { return };
    let presented = tunnel.presented.duplicate();
    match pipeline::permit_opaque(&session, presented, &tunnel.endpoint).await {
        Some(opened) => Box::pin(carry(&session, opened, (tunnel, greeted))).await,
        None => Box::pin(tunnel::intercept_from(session, tunnel, greeted)).await,
    }
}

// Passes everything on until one side is done or nothing more may pass.
async fn carry(session: &Arc<Session>, opened: Opened, (tunnel, greeted): (Tunnel, Greeted)) {
    // A connection for opaque bytes has no credential, and none would go anywhere from here.
    let Opened { connection, lease, .. } = opened;
    let (progress, received) = (Arc::<Progress>::default(), AtomicU64::new(0));
    let mut act = Act::new(session, lease, Arc::clone(&progress));
    let allowance = act.allowance();
    let Greeted { hello, stream, .. } = greeted;
    let mut client = Guarded::new(stream, Unseen, session.shared.settings.silence);
    let carrying = async {
        let dialled = session.shared.dialer.reach(&connection.fact, &tunnel.endpoint).await;
        let mut upstream = match dialled {
            Ok(upstream) => upstream,
            Err(failure) => return Outcome::Failed { code: failure.code().to_owned() },
        };
        let (mut from_client, mut to_client) = tokio::io::split(&mut client);
        let (mut from_upstream, mut to_upstream) = upstream.split();
        let sent = |bytes| progress.sends(bytes);
        let up = async {
            let mut hello = hello.as_slice();
            let ends = (Broken::Client, Broken::Upstream);
            pass(&mut hello, &mut to_upstream, (&allowance, &sent), ends).await?;
            pass(&mut from_client, &mut to_upstream, (&allowance, &sent), ends).await?;
            to_upstream.shutdown().await.map_err(|_| Broken::Upstream)
        };
        let down = async {
            let count = |bytes| {
                received.fetch_add(bytes, Ordering::Relaxed);
            };
            let ends = (Broken::Upstream, Broken::Client);
            pass(&mut from_upstream, &mut to_client, (&allowance, &count), ends).await?;
            to_client.shutdown().await.map_err(|_| Broken::Client)
        };
        match tokio::try_join!(up, down) {
            Ok(_) => CARRIED,
            Err(Broken::Client) => Outcome::Abandoned,
            Err(Broken::Upstream) => Outcome::Failed { code: "failed.upstream".to_owned() },
            Err(Broken::Spent) => Outcome::Failed { code: "failed.bytes".to_owned() },
        }
    };
    let cancelled = act.cancelled();
    let outcome = tokio::select! {
        biased;
        () = cancelled => None,
        () = session.cut() => None,
        outcome = carrying => Some(outcome),
    };
    act.received(received.load(Ordering::Relaxed));
    if outcome != Some(CARRIED) {
        // What is cut off must not look like an end.
        break_off(&client.into_inner());
    }
    // Without one, it was cut.
    if let Some(outcome) = outcome {
        act.end(outcome);
    }
}

// Passes on what comes until it ends; `ends` are what the two sides are called.
async fn pass<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    from: &mut R,
    to: &mut W,
    (allowance, count): (&Option<Arc<Allowance>>, &impl Fn(u64)),
    ends: (Broken, Broken),
) -> Result<(), Broken> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = from.read(&mut piece).await.map_err(|_| ends.0)?;
        let read = piece.get(..read).unwrap_or_default();
        if read.is_empty() {
            return Ok(());
        }
        let size = read.len() as u64;
        if let Some(allowance) = allowance {
            let paid = std::future::poll_fn(|cx| allowance.poll_take(cx, size)).await;
            paid.map_err(|_| Broken::Spent)?;
        }
        to.write_all(read).await.map_err(|_| ends.1)?;
        count(size);
    }
}

/// Admits everything: the bytes are between the client and its upstream.
struct Unseen;

impl Guard for Unseen {
    fn admit(&mut self, _bytes: &[u8]) -> Result<(), Malformed> {
        Ok(())
    }

    fn is_between_messages(&self) -> bool {
        false
    }
}
