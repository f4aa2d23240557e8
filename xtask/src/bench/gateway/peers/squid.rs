//! Squid with `ssl_bump`: ends the client's TLS under certificates it makes, judges by its access
//! lists, sets a credential, writes an access log.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::{installed, start as start_program};
use crate::bench::drive::Trust;
use crate::bench::gateway::site::{COLD_HOSTS, Site, TLS_HOST, TOKEN};
use crate::bench::gateway::target::{Target, inside};
use crate::bench::http::free_port;
use crate::bench::papers::DOMAIN;

/// Makes certificates for it.
const MAKER: &str = "/usr/lib/squid/security_file_certgen";
/// Whom it runs as if it is started by root, as Debian builds it.
const USER: &str = "proxy";

/// Starts it, if it is there and can intercept.
pub(super) fn start(site: &Site) -> anyhow::Result<Option<Target>> {
    let Some(program) = installed("squid").filter(|_| Path::new(MAKER).exists()) else {
        return Ok(None);
    };
    let places = &site.places;
    let dir = places.at("squid");
    fs::create_dir_all(&dir)?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let cold = (0..COLD_HOSTS).map(|number| format!(" c{number}.{DOMAIN}"));
    fs::write(dir.join("hosts"), format!("127.0.0.1 {TLS_HOST}{}\n", cold.collect::<String>()))?;
    for name in ["authority.pem", "authority.key"] {
        fs::copy(places.at("papers").join(name), dir.join(name))?;
    }
    let mut make = places.command(MAKER);
    make.args(["-c", "-s"]).arg(dir.join("made")).args(["-M", "16MB"]);
    ensure!(make.output()?.status.success(), "squid's store of certificates cannot be made");
    fs::write(dir.join("squid.conf"), config(&dir, address))?;
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(places.at(""), Permissions::from_mode(0o711))?;
        let mut give = places.command("chown");
        ensure!(give.arg("-R").arg(USER).arg(&dir).status()?.success(), "chown to `{USER}`");
    }
    let mut command = places.command(program);
    command.arg("-N").arg("-f").arg(dir.join("squid.conf"));
    let running = start_program(places, command, ("squid", address))?;
    let trust = fs::read_to_string(places.at("papers/authority.pem"))?;
    let trust = Trust::in_pem(&trust).context("the authority")?;
    let port = site.upstream.tls.port();
    Ok(Some(Target::peer("Squid ssl_bump", running, |address| {
        vec![inside("Squid", address, &format!("{TLS_HOST}:{port}"), (TLS_HOST, &trust))]
    })))
}

fn config(dir: &Path, address: SocketAddr) -> String {
    let at = dir.display();
    format!(
        "http_port {address} ssl-bump generate-host-certificates=on \
             dynamic_cert_mem_cache_size=16MB tls-cert={at}/authority.pem \
             tls-key={at}/authority.key
sslcrtd_program {MAKER} -s {at}/made -M 16MB
sslcrtd_children 4 startup=2 idle=1
tls_outgoing_options cafile={at}/authority.pem
acl hello at_step SslBump1
ssl_bump peek hello
ssl_bump bump all
acl CONNECT method CONNECT
acl served dstdomain .{DOMAIN}
acl known method GET POST
acl allowed urlpath_regex ^/v1/
http_access allow CONNECT served
http_access allow served known allowed
http_access deny all
request_header_access Authorization deny all
request_header_add Authorization \"Bearer {TOKEN}\" all
hosts_file {at}/hosts
dns_nameservers 127.0.0.1
access_log stdio:{at}/access.log
cache_log {at}/cache.log
coredump_dir {at}
pid_filename {at}/pid
cache deny all
cache_mem 8 MB
max_filedescriptors 16384
client_persistent_connections on
server_persistent_connections on
persistent_request_timeout 5 minutes
shutdown_lifetime 0 seconds
pinger_enable off
"
    )
}
