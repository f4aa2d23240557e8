//! HAProxy: passes requests on, and verifies the caller's token for each of them.

use std::fs;
use std::net::SocketAddr;

use super::{installed, start};
use crate::bench::gateway::site::{PLAIN_HOST, Site, TOKEN};
use crate::bench::gateway::target::{Target, get};
use crate::bench::http::free_port;

/// Passes everything on.
pub(super) fn bare(site: &Site) -> anyhow::Result<Option<Target>> {
    run(site, ("HAProxy", "haproxy"), "", "")
}

/// The same for callers whose token is signed by the key it knows, not over, and who ask for what
/// they may.
pub(super) fn verifying(site: &Site) -> anyhow::Result<Option<Target>> {
    let key = site.places.at("papers/token.pub");
    let verified = format!("http_auth_bearer,jwt_verify(txn.alg,\"{}\")", key.display());
    let rules = format!(
        "http-request deny deny_status 401 unless {{ http_auth_bearer -m found }}
    http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')
    http-request set-var(txn.exp) http_auth_bearer,jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str ES256 }}
    http-request deny deny_status 401 unless {{ {verified} -m int 1 }}
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request deny unless {{ method GET POST }} {{ path_beg /v1/ }}"
    );
    let fields = format!("Authorization: Bearer {}\r\n", site.token);
    run(site, ("HAProxy, JWT", "haproxy-jwt"), &rules, &fields)
}

fn run(
    site: &Site,
    (name, folder): (&'static str, &str),
    rules: &str,
    fields: &str,
) -> anyhow::Result<Option<Target>> {
    let Some(program) = installed("haproxy") else { return Ok(None) };
    let places = &site.places;
    let dir = places.at(folder);
    fs::create_dir_all(&dir)?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let upstream = site.upstream.plain;
    // Twice as many descriptors as connections would be more than there may be.
    let text = format!(
        "global
    nbthread 2
    maxconn 12000
    no strict-limits
defaults
    mode http
    timeout connect 10s
    timeout client 300s
    timeout server 300s
    timeout http-keep-alive 300s
    option http-keep-alive
    http-reuse always
frontend door
    bind {address}
    {rules}
    http-request set-header Host {PLAIN_HOST}
    http-request set-header Authorization \"Bearer {TOKEN}\"
    default_backend up
backend up
    server one {upstream} pool-max-conn 1024
"
    );
    fs::write(dir.join("haproxy.cfg"), text)?;
    let mut command = places.command(program);
    command.arg("-db").arg("-f").arg(dir.join("haproxy.cfg"));
    let running = start(places, command, (folder, address))?;
    Ok(Some(Target::peer(name, running, |address| vec![get(name, address, PLAIN_HOST, fields)])))
}
