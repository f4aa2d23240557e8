//! nginx: what everybody's requests are for, and a reverse proxy that only passes them on.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;

use super::{Running, installed, start};
use crate::bench::gateway::site::{PATH, PLAIN_HOST, Site, TOKEN};
use crate::bench::gateway::target::{Target, get};
use crate::bench::http::free_port;
use crate::bench::places::Places;

/// Where Debian puts the module that runs scripts.
const NJS: &str = "/usr/lib/nginx/modules/ngx_http_js_module.so";
/// Bytes of the large answer.
pub(in crate::bench::gateway) const LARGE_BYTES: u64 = 1 << 30;
/// The answer to everybody.
const BODY: &str = r#"{"id":7,"title":"An item","state":"open","labels":["a","b"],"votes":3}"#;

/// What listens in the clear and what listens in TLS.
pub(in crate::bench::gateway) struct Upstream {
    _running: Running,
    pub(in crate::bench::gateway) plain: SocketAddr,
    pub(in crate::bench::gateway) tls: SocketAddr,
}

/// Answers at once from memory, sends 1 GiB from a sparse file, and lets `sink` read what is sent.
pub(in crate::bench::gateway) fn upstream(
    places: &Places,
    sink: SocketAddr,
) -> anyhow::Result<Upstream> {
    let (plain, tls) = (free()?, free()?);
    fs::create_dir_all(places.at("upstream/files/v1"))?;
    let large = fs::File::create(places.at("upstream/files/v1/large"))?;
    large.set_len(LARGE_BYTES)?;
    let papers = places.at("papers");
    let papers = papers.display();
    let files = places.at("upstream/files");
    let server = format!(
        "server {{
            listen {plain};
            listen {tls} ssl;
            ssl_certificate {papers}/upstream.pem;
            ssl_certificate_key {papers}/upstream.key;
            location = {PATH} {{ default_type application/json; return 200 '{BODY}'; }}
            location = /v1/large {{ root {}; }}
            location = /v1/sink {{
                proxy_pass http://{sink}; proxy_request_buffering off; proxy_http_version 1.1;
            }}
        }}",
        files.display()
    );
    let running = run(places, ("upstream", plain), (1, "", &server))?;
    let running = running.context("nginx is needed for the upstream (Debian's `nginx-light`)")?;
    Ok(Upstream { _running: running, plain, tls })
}

/// Passes everything on, as fast as it can.
pub(in crate::bench::gateway) fn bare(site: &Site) -> anyhow::Result<Option<Target>> {
    let pass = pass();
    let address = free()?;
    let server = reverse(site, address, &format!("location / {{ {pass} }}"));
    let running = run(&site.places, ("nginx", address), (2, "", &server))?;
    Ok(running.map(|running| {
        Target::peer("nginx", running, |address| vec![get("nginx", address, PLAIN_HOST, "")])
    }))
}

/// The same, once a script has verified the caller's token.
pub(in crate::bench::gateway) fn verifying(site: &Site) -> anyhow::Result<Option<Target>> {
    if !Path::new(NJS).exists() {
        return Ok(None);
    }
    let places = &site.places;
    let folder = "nginx-njs";
    fs::create_dir_all(places.at(folder))?;
    let script = places.at(folder).join("token.js");
    let key = fs::read_to_string(places.at("papers/token.pub"))?;
    let key: String = key.lines().filter(|line| !line.starts_with('-')).collect();
    fs::write(&script, SCRIPT.replace("KEY", &key))?;
    let pass = pass();
    let inside = format!(
        "location / {{ auth_request /verify; {pass} }}
         location = /verify {{ internal; js_content token.verify; }}"
    );
    let address = free()?;
    let server = reverse(site, address, &inside);
    let import = format!("js_import token from {};", script.display());
    let running = run(places, (folder, address), (2, &import, &server))?;
    let fields = format!("Authorization: Bearer {}\r\n", site.token);
    Ok(running.map(|running| {
        Target::peer("nginx + njs, JWT", running, |address| {
            vec![get("nginx + njs", address, PLAIN_HOST, &fields)]
        })
    }))
}

// The key is read anew for each request: a script's memory lasts no longer.
const SCRIPT: &str = r"
const key = Buffer.from('KEY', 'base64');
const ways = { name: 'ECDSA', namedCurve: 'P-256' };
async function verify(r) {
  try {
    const parts = r.headersIn.Authorization.slice(7).split('.');
    const known = await crypto.subtle.importKey('spki', key, ways, false, ['verify']);
    const good = await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, known,
      Buffer.from(parts[2], 'base64url'), parts[0] + '.' + parts[1]);
    const said = JSON.parse(Buffer.from(parts[1], 'base64url'));
    r.return(good && said.exp * 1000 > Date.now() ? 200 : 401);
  } catch (error) {
    r.error(error);
    r.return(401);
  }
}
export default { verify };
";

fn pass() -> String {
    format!(
        "proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection \"\";
         proxy_set_header Host {PLAIN_HOST}; proxy_set_header Authorization \"Bearer {TOKEN}\";
         proxy_request_buffering off;"
    )
}

fn reverse(site: &Site, address: SocketAddr, inside: &str) -> String {
    format!(
        "upstream up {{ server {}; keepalive 512; keepalive_requests 100000000; }}
         server {{ listen {address}; {inside} }}",
        site.upstream.plain
    )
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(SocketAddr::from(([127, 0, 0, 1], free_port()?)))
}

/// Starts it with so many workers, if it is there.
fn run(
    places: &Places,
    (folder, address): (&str, SocketAddr),
    (workers, module, servers): (usize, &str, &str),
) -> anyhow::Result<Option<Running>> {
    let Some(program) = installed("nginx") else { return Ok(None) };
    let dir = places.at(folder);
    fs::create_dir_all(&dir)?;
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let load = if module.is_empty() { String::new() } else { format!("load_module {NJS};") };
    let at = dir.display();
    let text = format!(
        "{user} {load} daemon off; worker_processes {workers}; worker_rlimit_nofile 20000;
         pid {at}/pid; error_log stderr warn;
         events {{ worker_connections 16000; }}
         http {{
            access_log off; sendfile on; tcp_nodelay on; client_max_body_size 0;
            keepalive_timeout 300s; keepalive_requests 100000000;
            client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;
            fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi;
            scgi_temp_path {at}/scgi;
            {module}
            {servers}
         }}"
    );
    fs::write(dir.join("nginx.conf"), text)?;
    let mut command = places.command(program);
    command.arg("-c").arg(dir.join("nginx.conf")).arg("-p").arg(&dir);
    start(places, command, (folder, address)).map(Some)
}
