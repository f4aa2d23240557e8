//! The doors for strangers, if they are on: the token service, over TLS or behind a proxy that
//! speaks it, and the gateway's reverse door.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use marque_api::{EdgeLimits, TokenService};
use marque_crypto::seal::KeyManager;
use marque_gateway::{Gateway, ReverseSettings};
use marque_plane::Plane;
use marque_wire::host::{Authority, Host};
use rustls::ServerConfig;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::certificate::Certificates;
use crate::config::Config;
use crate::context::Context;

/// The token service, ready to be served.
pub(crate) struct TokenDoor {
    service: TokenService,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    reverse: Option<(TcpListener, ReverseSettings)>,
    told: TokensTold,
}

/// What a start says of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TokensTold {
    /// Who issues.
    pub(crate) issuer: String,
    /// Where the token service listens.
    pub(crate) listen: SocketAddr,
    /// The certificate that vouches for it, where it is of this server's own authority.
    pub(crate) authority: Option<PathBuf>,
    /// Where the gateway serves connections to whoever has a token, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway: Option<String>,
    /// Where it listens for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gateway_listen: Option<SocketAddr>,
}

impl TokensTold {
    /// For people.
    pub(crate) fn lines(&self) -> String {
        let Self { issuer, listen, authority, gateway, gateway_listen } = self;
        let mut lines = format!("tokens     {issuer}, at {listen}\n");
        if let (Some(url), Some(listen)) = (gateway, gateway_listen) {
            lines.extend(["gateway    ", url, ", at ", &listen.to_string(), "\n"]);
        }
        if let Some(path) = authority {
            lines.extend(["authority  ", &path.display().to_string(), "\n"]);
        }
        lines
    }
}

impl TokenDoor {
    /// Listens, where it is on.
    pub(crate) async fn open(
        context: &Context,
        config: &Config,
        (plane, key_manager): (&Plane, &dyn KeyManager),
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Option<Self>> {
        let service = TokenService::new(plane.clone(), EdgeLimits::default(), shutdown.clone());
        let (Some(service), Some(settings), Some(address)) =
            (service, plane.oauth(), config.oauth.listen)
        else {
            return Ok(None);
        };
        let (issuer, reverse) = (settings.issuer.as_str(), config.oauth.gateway_listen);
        let certificates = if config.oauth.plain && reverse.is_none() {
            None
        } else {
            let parts = (key_manager, plane.clock().now());
            Some(Certificates::open(&config.oauth, &context.data, parts)?)
        };
        let tls = match certificates.as_ref().filter(|_| !config.oauth.plain) {
            Some(certificates) => Some(tls_of(certificates, issuer, plane)?),
            None => None,
        };
        let reverse = match (reverse, &settings.gateway, &certificates) {
            (Some(address), Some(base), Some(certificates)) => {
                let tls = Some(tls_of(certificates, base, plane)?);
                Some((bind(address).await?, ReverseSettings { base: base.clone(), tls }))
            }
            _ => None,
        };
        let listener = bind(address).await?;
        let is_own = matches!(certificates, Some(Certificates::Own(_)));
        let listens = reverse.as_ref().map(|(listener, _)| listener.local_addr()).transpose()?;
        let told = TokensTold {
            issuer: issuer.to_owned(),
            listen: listener.local_addr()?,
            authority: is_own.then(|| context.data.issuer_authority()),
            gateway: reverse.as_ref().map(|(_, settings)| settings.base.clone()),
            gateway_listen: listens,
        };
        Ok(Some(Self { service, listener, tls, reverse, told }))
    }

    /// That gateway with its reverse door, if it has one.
    pub(crate) fn open_gateway(&mut self, gateway: Gateway) -> anyhow::Result<Gateway> {
        Ok(match self.reverse.take() {
            Some((listener, settings)) => gateway.with_reverse(listener, settings)?,
            None => gateway,
        })
    }

    /// What a start says of it.
    pub(crate) fn told(&self) -> &TokensTold {
        &self.told
    }

    /// Serves until the shutdown.
    pub(crate) async fn serve(self) {
        self.service.serve(self.listener, self.tls).await;
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on `{address}`"))
}

fn tls_of(
    certificates: &Certificates,
    url: &str,
    plane: &Plane,
) -> anyhow::Result<Arc<ServerConfig>> {
    // The gateway offers HTTP/2 besides; that is its own to say.
    Ok(certificates.server_config(&host_of(url)?, (plane, &[b"http/1.1"]))?)
}

/// The host of a URL as a certificate names it: an address has no brackets.
fn host_of(url: &str) -> anyhow::Result<String> {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    let authority = behind.split('/').next().unwrap_or(behind);
    Ok(match Authority::parse_or(authority, 443)?.host {
        Host::Address(address) => address.to_string(),
        name @ Host::Name(_) => name.to_string(),
    })
}
