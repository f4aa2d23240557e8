//! mitmproxy without a window and without a script: ends the client's TLS, sets a credential by
//! its own option, keeps what passed in a file.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use super::{installed, start as start_program};
use crate::bench::clock::eventually;
use crate::bench::drive::Trust;
use crate::bench::gateway::site::{Site, TLS_HOST, TOKEN};
use crate::bench::gateway::target::{Target, inside};
use crate::bench::http::free_port;

/// How long it may take to make its authority.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts it, if it is there.
pub(super) fn start(site: &Site) -> anyhow::Result<Option<Target>> {
    let Some(program) = installed("mitmdump") else { return Ok(None) };
    let places = &site.places;
    let dir = places.at("mitmproxy");
    fs::create_dir_all(&dir)?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let mut command = places.command(program);
    command.args(["--quiet", "--listen-host", "127.0.0.1", "--listen-port"]);
    command.arg(address.port().to_string());
    let authority = places.at("papers/authority.pem");
    for option in [
        format!("confdir={}", dir.display()),
        format!("ssl_verify_upstream_trusted_ca={}", authority.display()),
        format!("modify_headers=/~q/Authorization/Bearer {TOKEN}"),
        format!("save_stream_file={}/flows", dir.display()),
        "flow_detail=0".to_owned(),
        "http2=false".to_owned(),
        "connection_strategy=lazy".to_owned(),
        "stream_large_bodies=1m".to_owned(),
    ] {
        command.args(["--set", &option]);
    }
    let running = start_program(places, command, ("mitmproxy", address))?;
    let own = dir.join("mitmproxy-ca-cert.pem");
    let trust = eventually(PATIENCE, || Ok(fs::read_to_string(&own).ok()))?;
    let trust = Trust::in_pem(&trust.context("mitmproxy makes no authority")?)?;
    // It looks names up with the system, which does not know ours; the one in TLS is enough.
    let authority = site.upstream.tls.to_string();
    Ok(Some(Target::peer("mitmproxy", running, |address| {
        vec![inside("mitmproxy", address, &authority, (TLS_HOST, &trust))]
    })))
}
