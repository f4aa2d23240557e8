//! The doors for strangers, if they are on: the token service, over TLS or behind a proxy that
//! speaks it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use marque_api::{EdgeLimits, TokenService};
use marque_crypto::seal::KeyManager;
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
}

impl TokensTold {
    /// For people.
    pub(crate) fn lines(&self) -> String {
        let Self { issuer, listen, authority } = self;
        let authority = authority.as_ref();
        let authority = authority.map(|path| format!("authority  {}\n", path.display()));
        format!("tokens     {issuer}, at {listen}\n{}", authority.unwrap_or_default())
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
        let certificates = if config.oauth.plain {
            None
        } else {
            let parts = (key_manager, plane.clock().now());
            Some(Certificates::open(&config.oauth, &context.data, parts)?)
        };
        let issuer = settings.issuer.as_str();
        let tls = match &certificates {
            Some(certificates) => {
                let host = host_of(issuer)?;
                Some(certificates.server_config(&host, (plane, &[b"http/1.1"]))?)
            }
            None => None,
        };
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| format!("cannot listen on `{address}`"))?;
        let is_own = matches!(certificates, Some(Certificates::Own(_)));
        let told = TokensTold {
            issuer: issuer.to_owned(),
            listen: listener.local_addr()?,
            authority: is_own.then(|| context.data.issuer_authority()),
        };
        Ok(Some(Self { service, listener, tls, told }))
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

/// The host of a URL as a certificate names it: an address has no brackets.
fn host_of(url: &str) -> anyhow::Result<String> {
    let behind = url.split_once("://").map_or(url, |(_, behind)| behind);
    let authority = behind.split('/').next().unwrap_or(behind);
    Ok(match Authority::parse_or(authority, 443)?.host {
        Host::Address(address) => address.to_string(),
        name @ Host::Name(_) => name.to_string(),
    })
}
