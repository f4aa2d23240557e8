//! The plane of whoever asks: room for it, its server, and its token service.

use marque_plane::view::StatusView;
use rustix::fs::statvfs;

use super::Row;
use crate::client::Request;
use crate::context::Context;

/// The log and the store grow; less than this is soon full.
const ROOM_MIN_BYTES: u64 = 256 * 1024 * 1024;

/// The rows about it.
pub(crate) async fn rows(context: &Context) -> Vec<Row> {
    vec![room(context), server(context).await, tokens(context).await]
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

async fn tokens(context: &Context) -> Row {
    const WHAT: &str = "token service";
    let settings = context.config().and_then(|config| config.oauth.settings());
    let settings = match settings {
        Ok(Some(settings)) => settings,
        Ok(None) => return Row::absent(WHAT, "off: `oauth.listen` is not configured"),
        Err(failure) => {
            return Row::failed(WHAT, failure.message, failure.hint.unwrap_or_default());
        }
    };
    let issuer = settings.issuer.as_str();
    let client = context.client();
    if !client.is_answered().await {
        return Row::ok(WHAT, format!("configured as {issuer}; no server runs"));
    }
    let status: Result<StatusView, _> = client.send(&Request::get("/v1/status")).await;
    match status.ok().and_then(|status| status.issuer) {
        Some(found) if found == issuer => Row::ok(WHAT, format!("on, as {issuer}")),
        _ => Row::failed(
            WHAT,
            format!("configured as {issuer}; the server that runs does not issue as that"),
            "stop the server and start it again: `marque up`",
        ),
    }
}
