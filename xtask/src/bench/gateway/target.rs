//! What is measured: Marque, a program of others, or the upstream itself.

use std::net::SocketAddr;

use super::site::{PATH, TLS_HOST};
use crate::bench::drive::{Trust, Way, connect};
use crate::bench::papers::DOMAIN;
use crate::bench::process::Watched;
use crate::bench::program::Running;

/// One of them, and how it is called.
pub(in crate::bench) struct Target {
    pub(in crate::bench) name: &'static str,
    /// Connections take them in turn.
    pub(in crate::bench) ways: Vec<Way>,
    /// The process between the caller and the upstream; none where there is none.
    pub(super) watched: Option<Watched>,
    _running: Option<Running>,
}

impl Target {
    /// A program of others that runs, and ends with this.
    pub(super) fn peer(
        name: &'static str,
        running: Running,
        ways: impl FnOnce(SocketAddr) -> Vec<Way>,
    ) -> Self {
        let (watched, ways) = (Some(Watched(running.held.0.id())), ways(running.address));
        Self { name, ways, watched, _running: Some(running) }
    }

    /// One that runs anyway.
    pub(super) fn there(name: &'static str, ways: Vec<Way>, watched: Option<Watched>) -> Self {
        Self { name, ways, watched, _running: None }
    }

    /// What it computed so far, with all it started.
    pub(super) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.watched.map_or(Ok(f64::NAN), Watched::family_cpu_seconds)
    }

    /// What it and all it started say of their memory, together.
    pub(super) fn kib(&self, of: fn(Watched) -> anyhow::Result<u64>) -> anyhow::Result<u64> {
        let Some(watched) = self.watched else { return Ok(0) };
        watched.family()?.into_iter().map(of).sum()
    }
}

/// A GET of whoever listens there itself, with more fields.
pub(super) fn get(name: &str, address: SocketAddr, host: &str, fields: &str) -> Way {
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n").into_bytes();
    Way { name: name.to_owned(), address, connect: None, tls: None, request }
}

/// The same in TLS.
pub(super) fn get_tls(
    name: &str,
    address: SocketAddr,
    (host, trust): (&str, &Trust),
    fields: &str,
) -> Way {
    Way { tls: Some((host.to_owned(), trust.clone())), ..get(name, address, host, fields) }
}

/// A GET in TLS inside a CONNECT. Its `Host` names the port: Squid goes where that says.
pub(super) fn inside(
    name: &str,
    proxy: SocketAddr,
    authority: &str,
    (host, trust): (&str, &Trust),
) -> Way {
    let port = authority.rsplit_once(':').map_or("443", |(_, port)| port);
    let request = get(name, proxy, &format!("{host}:{port}"), "").request;
    let connect = Some(connect(authority, None));
    Way { connect, request, ..get_tls(name, proxy, (host, trust), "") }
}

/// The same way to another name of the upstream.
pub(super) fn to_cold(way: &Way, number: usize) -> Way {
    let host = format!("c{number}.{DOMAIN}");
    let put =
        |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).replace(TLS_HOST, &host).into_bytes();
    Way {
        name: way.name.clone(),
        address: way.address,
        connect: way.connect.as_ref().map(put),
        tls: way.tls.as_ref().map(|(_, trust)| (host.clone(), trust.clone())),
        request: put(&way.request),
    }
}
