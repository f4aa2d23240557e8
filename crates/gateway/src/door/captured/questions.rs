//! Questions for names over TCP, each after its length (RFC 7766).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::until_cut;
use crate::captured::CapturedRun;
use crate::session::Session;

/// Longest question that is read.
const QUESTION_MAX_BYTES: usize = 4 * 1024;

/// Answers questions until the client is done, or has been silent for long.
pub(super) async fn serve(run: &CapturedRun, session: &Session, mut stream: TcpStream) {
    while let Some(Ok(true)) = until_cut(session, answer_one(run, &mut stream)).await {}
}

/// Whether there may be another.
async fn answer_one(run: &CapturedRun, stream: &mut TcpStream) -> std::io::Result<bool> {
    let size = usize::from(stream.read_u16().await?);
    if size > QUESTION_MAX_BYTES {
        return Ok(false);
    }
    let mut question = vec![0; size];
    stream.read_exact(&mut question).await?;
    let Some(answer) = run.names().answer(&question) else { return Ok(false) };
    let mut framed = u16::try_from(answer.len()).unwrap_or(u16::MAX).to_be_bytes().to_vec();
    framed.extend_from_slice(&answer);
    stream.write_all(&framed).await?;
    Ok(true)
}
