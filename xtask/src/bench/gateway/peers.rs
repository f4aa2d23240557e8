//! Programs of others that do part of the same: each a process of its own on loopback, with a
//! configuration that the benchmark writes. One that is not installed is left out, and said so.

mod haproxy;
mod mitmproxy;
mod nginx;
mod squid;

use anyhow::{Context as _, ensure};

pub(super) use self::nginx::{LARGE_BYTES, Upstream, upstream};
use super::site::Site;
use super::target::Target;
use crate::bench::drive::Line;
use crate::bench::program::{Running, installed, start};

/// Those that are there, and the names of those that are not.
pub(super) type Peers = (Vec<Target>, Vec<&'static str>);

/// Those that pass plain requests on.
pub(super) fn plain(site: &Site) -> anyhow::Result<Peers> {
    let verifying = [nginx::verifying(site)?, haproxy::verifying(site)?];
    verifying.iter().flatten().try_for_each(|target| require_refusal(target, &site.token))?;
    let [nginx_jwt, haproxy_jwt] = verifying;
    Ok(sorted([
        ("nginx", nginx::bare(site)?),
        ("nginx + njs, JWT", nginx_jwt),
        ("HAProxy", haproxy::bare(site)?),
        ("HAProxy, JWT", haproxy_jwt),
    ]))
}

/// Fails unless a token with another signature is refused: who verifies nothing is fast.
fn require_refusal(target: &Target, token: &str) -> anyhow::Result<()> {
    let (text, _) = token.rsplit_once('.').context("a token has a signature")?;
    let forged = format!("{text}.{}", "A".repeat(86));
    for way in &target.ways {
        let request = String::from_utf8_lossy(&way.request).replace(token, &forged);
        let status = Line::open(way)?.call(request.as_bytes())?;
        ensure!(status == 401, "{} answers {status} to a forged token", target.name);
    }
    Ok(())
}

/// Those that end TLS and begin it anew.
pub(super) fn intercepting(site: &Site) -> anyhow::Result<Peers> {
    Ok(sorted([("Squid", squid::start(site)?), ("mitmproxy", mitmproxy::start(site)?)]))
}

fn sorted<const N: usize>(found: [(&'static str, Option<Target>); N]) -> Peers {
    let absent = found.iter().filter(|(_, target)| target.is_none()).map(|(name, _)| *name);
    let absent = absent.collect();
    (found.into_iter().filter_map(|(_, target)| target).collect(), absent)
}
