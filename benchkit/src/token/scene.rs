//! One plane of a case: a crowd of agents and runs, policies, and two clients that ask for tokens.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use marque_domain::Service;
use marque_plane::oauth::{EndpointAsk, OAuthSettings};
use marque_plane::spec::{ConnectionSpec, TokenTargetSpec};
use marque_plane::{Plane, Settings};
use marque_testkit::connection;
use marque_wire::jose::NumericDate;
use marque_wire::oauth::{Issuer, TokenRequest};

use super::Case;
use super::client::{Client, request};
use crate::decision::{crowd, rules};
use crate::ground::{self, Alice};

const ISSUER: &str = "https://id.bench.test";
/// What tokens are for: the first is served by the second client's agent.
const RESOURCES: [(&str, &str); 2] =
    [("items", "https://items.bench.test/v1"), ("parts", "https://parts.bench.test/v1")];
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// Runs that one agent of the crowd has open at most.
const RUNS_OF_AN_AGENT: usize = 1_000;

/// A plane, and who asks it.
pub(super) struct Scene {
    pub(super) case: Case,
    plane: Plane,
    first: Client,
    second: Client,
}

impl Scene {
    pub(super) async fn lay(case: Case, database: &Path) -> anyhow::Result<Self> {
        crowd::settle(database, case.agents).await?;
        let oauth = OAuthSettings {
            issuer: Issuer::parse(ISSUER)?,
            gateway: None,
            token_ttl: Duration::from_secs(300),
            rotate_after: Duration::from_secs(30 * 86_400),
            runs_per_client: 10_000,
        };
        let settings = Settings { oauth: Some(oauth), ..Settings::default() };
        let policies = ground::policies(&rules::scoped(case.policies))?;
        let plane = ground::start_inline_as(database, policies, settings)?;
        let alice = Alice::of(&plane).await?;
        for number in 0..case.runs {
            let agent = number / RUNS_OF_AN_AGENT;
            alice.opens(&plane, &crowd::name(agent)).await?;
        }
        for agent in ["first", "second"] {
            plane.add_agent(&alice.acting, marque_testkit::agent(agent)).await?;
        }
        let lines = ["items:token", "items:scope read", "parts:token", "parts:scope read"];
        for ((name, audience), served_by) in RESOURCES.into_iter().zip([Some("second"), None]) {
            let tokens = TokenTargetSpec {
                audience: Some(audience.to_owned()),
                bearer: true,
                served_by: served_by.map(str::parse).transpose()?,
                ..TokenTargetSpec::default()
            };
            let spec = ConnectionSpec {
                service: Service::Resource,
                hosts: Vec::new(),
                slot: None,
                tokens: Some(tokens),
                ..connection(name)
            };
            plane.add_connection(&alice.acting, spec, None).await?;
        }
        for agent in ["first", "second"] {
            alice.grants(&plane, agent, &lines).await?;
        }
        let first = Client::register(&plane, &alice.acting, "first").await?;
        let second = Client::register(&plane, &alice.acting, "second").await?;
        Ok(Self { case, plane, first, second })
    }

    fn now(&self) -> NumericDate {
        NumericDate::of(self.plane.now())
    }

    /// So many requests, signed: for tokens, or to exchange one.
    pub(super) async fn prepare(
        &self,
        is_exchange: bool,
        count: usize,
    ) -> anyhow::Result<Vec<TokenRequest>> {
        let [(_, items), (_, parts)] = RESOURCES;
        let own = [("grant_type", "client_credentials"), ("scope", "read"), ("resource", items)];
        let first = || request(&own, &self.first.assertion(ISSUER, self.now())?);
        if !is_exchange {
            return (0..count).map(|_| first()).collect();
        }
        let subject = self.ask(first()?).await?;
        let exchange = || {
            let assertion = self.second.assertion(ISSUER, self.now())?;
            let grant = [
                ("grant_type", EXCHANGE),
                ("subject_token", subject.as_str()),
                ("subject_token_type", ACCESS_TOKEN),
                ("actor_token", &assertion),
                ("actor_token_type", JWT),
                ("scope", "read"),
                ("resource", parts),
            ];
            request(&grant, &assertion)
        };
        // The first one opens a run.
        self.ask(exchange()?).await?;
        (0..count).map(|_| exchange()).collect()
    }

    /// The token that it is answered with.
    pub(super) async fn ask(&self, request: TokenRequest) -> anyhow::Result<String> {
        let answer = self.plane.token(EndpointAsk::bare(), request).await;
        let given = answer.outcome.map_err(|refused| anyhow!("no token: {refused:?}"))?;
        let token = given.access_token.expose().to_vec();
        String::from_utf8(token).context("a token that is no text")
    }
}
