//! The authorization server as its clients see it: metadata, then its endpoints.

use std::sync::Arc;
use std::time::Duration;

use marque_domain::Timestamp;
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{Issuer, Resource, ServerEndpoints};

use crate::ambient::{Clock, SystemClock};
use crate::build::BuildError;
use crate::http::{Answer, Ask, FetchError, Http, malformed};
use crate::kept::{Absent, Fetched, Kept};
use crate::trust::trusting;

/// How long metadata need not be read again, and how long it may be used at most.
const FRESH: Duration = Duration::from_secs(3600);
const USABLE: Duration = Duration::from_secs(24 * 3600);
/// How often it is read at most.
const PAUSE: Duration = Duration::from_secs(10);
const METADATA_MAX_BYTES: usize = 64 * 1024;

/// One issuer, how to reach it, and the time.
pub(crate) struct Server {
    pub(crate) issuer: Issuer,
    pub(crate) http: Http,
    pub(crate) clock: Arc<dyn Clock>,
    endpoints: Kept<ServerEndpoints, FetchError>,
}

/// How a server is told in a builder.
#[derive(Default)]
pub(crate) struct ServerDraft {
    pub(crate) issuer: String,
    pub(crate) ca_pem: Option<Vec<u8>>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl ServerDraft {
    pub(crate) fn build(self) -> Result<Arc<Server>, BuildError> {
        let issuer = Issuer::parse(&self.issuer)
            .map_err(|problem| BuildError::Issuer { url: self.issuer, problem })?;
        let is_plain = issuer.as_str().starts_with("http://");
        let tls = if is_plain { None } else { Some(trusting(self.ca_pem.as_deref())?) };
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::start()));
        Ok(Server::new(issuer, Http::new(tls), clock))
    }
}

impl Server {
    fn new(issuer: Issuer, http: Http, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new_cyclic(|server: &std::sync::Weak<Self>| {
            let weak = server.clone();
            let endpoints = Kept::new(Arc::clone(&clock), PAUSE, move || {
                let server = weak.upgrade();
                Box::pin(async move {
                    let server = server.ok_or_else(|| FetchError::Late("metadata".to_owned()))?;
                    let value = server.discover().await?;
                    Ok(Fetched { value, fresh: FRESH, usable: USABLE })
                })
            });
            Self { issuer, http, clock: Arc::clone(&clock), endpoints }
        })
    }

    /// Now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Now, as tokens write it.
    pub(crate) fn date(&self) -> NumericDate {
        NumericDate::of(self.now())
    }

    /// Where it answers what.
    pub(crate) async fn endpoints(&self) -> Result<Arc<ServerEndpoints>, FetchError> {
        match self.endpoints.get(|_| true).await {
            Ok(endpoints) => Ok(endpoints),
            Err(Absent::Failed(problem)) => Err(problem),
            Err(Absent::Other) => Err(FetchError::Late(self.issuer.to_string())),
        }
    }

    /// Gets what stands at a URL.
    pub(crate) async fn get(
        &self,
        url: &Resource,
        accept: &'static str,
        max_bytes: usize,
    ) -> Result<Answer, FetchError> {
        let ask = Ask { url, accept, form: None, proof: None, max_bytes, is_repeatable: true };
        self.http.ask(ask).await?.ok(url)
    }

    async fn discover(&self) -> Result<ServerEndpoints, FetchError> {
        let mut told = Err(FetchError::Late(self.issuer.to_string()));
        for url in well_known(&self.issuer) {
            told = self.get(&url, "application/json", METADATA_MAX_BYTES).await.and_then(|read| {
                let endpoints = ServerEndpoints::read(&read.body, &self.issuer);
                endpoints.map_err(|problem| malformed(&url, problem))
            });
            // Nothing there: the next place is tried. Whatever else is wrong is told.
            if !matches!(told, Err(FetchError::Status { status: 404, .. })) {
                break;
            }
        }
        told
    }
}

/// Where metadata may be: RFC 8414 section 3.1 puts its name before the path of the issuer, OpenID
/// Connect Discovery section 4 behind it.
fn well_known(issuer: &Issuer) -> Vec<Resource> {
    let (origin, path) = (issuer.origin(), issuer.tail().trim_end_matches('/'));
    let inserted = format!("{origin}/.well-known/oauth-authorization-server{path}");
    let appended = format!("{origin}{path}/.well-known/openid-configuration");
    let urls = [inserted, appended];
    urls.iter().filter_map(|url| Resource::parse(url).ok()).collect()
}
