//! The plane of whoever asks: room for it, and its server.

use rustix::fs::statvfs;

use super::Row;
use crate::context::Context;

/// The log and the store grow; less than this is soon full.
const ROOM_MIN_BYTES: u64 = 256 * 1024 * 1024;

/// The rows about it.
pub(crate) async fn rows(context: &Context) -> Vec<Row> {
    vec![room(context), server(context).await]
}

fn room(context: &Context) -> Row {
    const WHAT: &str = "disk for the plane";
    let data = context.data.path();
    let there = data.ancestors().find(|path| path.exists()).unwrap_or(data);
    let found = match statvfs(there) {
        Ok(found) => found,
        Err(error) => {
            let result = format!("cannot tell what is free at `{}`: {error}", there.display());
            return Row::failed(WHAT, result, "make the directory, or name another: `--data-dir`");
        }
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let result = format!("{} MiB free at `{}`", free / (1024 * 1024), there.display());
    if free < ROOM_MIN_BYTES {
        let remedy = "free 256 MiB there, or name another place: `--data-dir`";
        return Row::failed(WHAT, result, remedy);
    }
    Row::ok(WHAT, result)
}

async fn server(context: &Context) -> Row {
    const WHAT: &str = "server";
    let client = context.client();
    if client.is_answered().await {
        return match client.is_ready().await {
            Ok(()) => Row::ok(WHAT, "it answers, and is ready"),
            Err(failure) => Row::failed(
                WHAT,
                format!("it answers, and is not ready: {}", failure.message),
                failure.hint.unwrap_or_default(),
            ),
        };
    }
    match context.must_have_a_plane() {
        Ok(()) => Row::ok(WHAT, "none runs; it is started when it is needed"),
        Err(_) => Row::absent(WHAT, "there is no plane yet: `marque claim` makes one"),
    }
}
