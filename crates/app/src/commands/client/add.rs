//! `marque client add`

use clap::Args;
use marque_domain::client::ClientKeys;
use marque_domain::{Name, TaskRef, Timestamp};
use marque_plane::spec::ClientSpec;
use marque_plane::view::ClientView;

use super::proof::ProofArgs;
use crate::cli::Rehearsal;
use crate::client::Request;
use crate::commands::grant::LineArgs;
use crate::commands::limits::LimitArgs;
use crate::commands::token::service;
use crate::config::Span;
use crate::context::Context;
use crate::exit::Exit;

/// Register a workload that may ask for tokens
///
/// It runs one agent, and each of its runs counts as opened by you: it may do what the agent's
/// grants and these lines both allow. It proves itself by what only it has; there is no client
/// secret, and a private key is never given here. Afterwards this prints what to configure in it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out nightly.key
  openssl pkey -in nightly.key -pubout -out nightly.pub
  marque client add nightly --agent closer --key nightly.pub --allow 'billing:token'
  marque client add mesh --agent closer --ca mesh-ca.pem --subject spiffe://acme.example/closer
  marque client add ci --agent builder --issuer https://token.actions.githubusercontent.com \\
      --audience https://id.acme.example --claim repository_id=1234 \\
      --claim repository_owner_id=99 \\
      --claim job_workflow_ref=acme/api/.github/workflows/release.yml@refs/heads/main")]
pub(crate) struct Add {
    /// What it is called: `a`-`z`, `0`-`9` and `-`; never given again
    name: Name,
    /// The agent it runs
    #[arg(long, value_name = "AGENT")]
    agent: Name,
    #[command(flatten)]
    proof: ProofArgs,
    /// For which outside reason its runs are [default: named after each run]
    #[arg(long, value_name = "TASK")]
    task: Option<TaskRef>,
    #[command(flatten)]
    lines: LineArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// How long one of its runs lasts at most; the next request opens another
    #[arg(long, value_name = "SPAN", default_value = "12h")]
    ttl: Span,
    /// Until then its assertions may name the token endpoint, for a library that knows no better
    #[arg(long, value_name = "MOMENT")]
    endpoint_audience_until: Option<Timestamp>,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Add {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let proof = self.proof.read()?;
        let audience = match &proof {
            ClientKeys::Issuer { audience, .. } => Some(audience.clone()),
            _ => None,
        };
        let spec = ClientSpec {
            name: self.name,
            agent: self.agent,
            proof,
            task: self.task,
            mandate: self.lines.into(),
            limits: self.limits.limits(),
            run_ttl_secs: self.ttl.0.as_secs(),
            endpoint_audience_until: self.endpoint_audience_until,
        };
        let request = Request::post("/v1/clients").json(&spec)?.dry_run(self.rehearsal.dry_run);
        let human = context.human().await?;
        let client: ClientView = human.send(&request).await?;
        context.output.result(&client, super::text)?;
        if !self.rehearsal.dry_run {
            let issuer = service::issuer(context, &human).await;
            context.output.remark(&configuration(&client, issuer.as_deref(), audience.as_deref()));
        }
        Ok(Exit::Done)
    }
}

/// What to configure in the client, line by line.
fn configuration(client: &ClientView, issuer: Option<&str>, audience: Option<&str>) -> String {
    let Some(issuer) = issuer else {
        return "The token service is off: nobody is answered until `oauth.listen` is set."
            .to_owned();
    };
    let id = client.id;
    let endpoint = service::endpoint(issuer, "token");
    let (label, value) = match audience {
        // It authenticates by the token of another issuer, and signs nothing itself.
        Some(audience) => ("audience of its tokens", audience),
        None => ("audience of its assertions", issuer),
    };
    let lines = match client.proof.as_str() {
        "tls_client_auth" | "self_signed_tls_client_auth" => String::new(),
        _ => format!("\n  {label:27} {value}"),
    };
    format!(
        "Configure in the client:\n  {:27} {id}\n  {:27} {issuer}\n  {:27} {endpoint}{lines}\n  \
         {:27} {}",
        "client_id", "issuer", "token endpoint", "authentication", client.proof
    )
}
