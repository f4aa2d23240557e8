//! Protocols that are refused: in their own words, and after the road said no, so that it is in
//! the log.

use std::io;
use std::sync::Arc;

use marque_wire::{postgres, ssh};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::super::http::close;
use super::super::tunnel::Tunnel;
use super::until_cut;
use crate::pipeline;
use crate::refuse::Notice;
use crate::session::Session;

/// Most requests for encryption before a client says who it is: one of each kind.
const ENCRYPTION_MAX: usize = 2;
/// `invalid_authorization_specification`, which no client tries again.
const SQLSTATE: &str = "28000";

/// Tells a client of SSH no.
pub(super) async fn refuse_ssh(session: &Arc<Session>, tunnel: Tunnel, mut stream: TcpStream) {
    let refusing = async {
        stream.write_all(ssh::IDENTIFICATION).await?;
        read_identification(&mut stream).await?;
        let notice = refused(session, tunnel).await;
        let word = format!(
            "ssh is not served in a captured run; git remotes go over https, to which `marque run` \
             rewrites `git@host:` by itself ({})",
            notice.brief()
        );
        stream.write_all(&ssh::disconnect(&word)).await
    };
    if let Some(Ok(())) = until_cut(session, refusing).await {
        close(stream, session).await;
    }
}

// RFC 4253 §4.2: a line that says which client it is, of which nothing is needed.
async fn read_identification(stream: &mut TcpStream) -> io::Result<()> {
    for _ in 0..ssh::IDENTIFICATION_MAX_BYTES {
        if stream.read_u8().await? == b'\n' {
            return Ok(());
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Tells a client of PostgreSQL no.
pub(super) async fn refuse_postgres(session: &Arc<Session>, tunnel: Tunnel, mut stream: TcpStream) {
    let refusing = async {
        if !read_startup(&mut stream).await? {
            return Ok(());
        }
        let notice = refused(session, tunnel).await;
        let message = "this version of marque does not serve PostgreSQL to captured runs";
        let hint = format!(
            "use an HTTP API that a connection serves, or have a human run the query ({})",
            notice.brief()
        );
        stream.write_all(&postgres::fatal(SQLSTATE, message, &hint)).await
    };
    if let Some(Ok(())) = until_cut(session, refusing).await {
        close(stream, session).await;
    }
}

/// Reads up to the client's word on who it is; `false` where it does not wait for an answer.
async fn read_startup(stream: &mut TcpStream) -> io::Result<bool> {
    for _ in 0..=ENCRYPTION_MAX {
        let mut head = [0; 8];
        stream.read_exact(&mut head).await?;
        let Ok(Some((opening, size))) = postgres::opening(&head) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let rest = u64::try_from(size - head.len()).unwrap_or(0);
        // Who it is and for which database is nothing to us.
        tokio::io::copy(&mut (&mut *stream).take(rest), &mut tokio::io::sink()).await?;
        match opening {
            postgres::Opening::Startup => return Ok(true),
            postgres::Opening::Cancel => return Ok(false),
            postgres::Opening::Encryption => stream.write_all(postgres::NO_ENCRYPTION).await?,
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

async fn refused(session: &Arc<Session>, tunnel: Tunnel) -> Notice {
    let Tunnel { way, endpoint, presented, .. } = tunnel;
    pipeline::refuse_opaque(session, (presented, way.place), (way.scheme, &endpoint)).await
}
