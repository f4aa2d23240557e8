//! `marque connection add`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use marque_api::exchange::ConnectionBody;
use marque_domain::{Answers, Name, OnEcho, Service, Slot};
use marque_plane::spec::ConnectionSpec;
use marque_plane::view::ConnectionView;

use super::secret::SecretSource;
use super::tokens::TokenArgs;
use crate::cli::Rehearsal;
use crate::client::Request;
use crate::commands::limits::LimitArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Register an upstream and seal its credential
///
/// The credential is set by the gateway in exactly one place of a request, on exactly these hosts,
/// over verified TLS, after the call was allowed and recorded. The run never holds it.
///
/// A `resource` is a server that verifies tokens itself: nothing is forwarded to it, and it has an
/// audience in place of hosts and a credential.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque connection add tracker --host api.tracker.example --bearer --secret-stdin < token
  marque connection add wiki --host wiki.example:8443 --basic bot --secret-file wiki.secret
  marque connection add billing --host billing.example --header x-api-key \\
      --ceiling 'GET /v1/**' --never-holds 'card numbers'
  marque connection add code --git --host git.example --basic x-access-token --secret-stdin < token
  marque connection add updates --opaque --host updates.example --no-credential
  marque connection add status --host status.example --no-credential
  marque connection add billing --service resource --audience https://billing.example/ \\
      --introspect-secret > billing.secret")]
pub(crate) struct Add {
    /// What it is called: the word before the colon of a permission
    name: Name,
    /// What its requests are: `http`; `git` and `net` are `--git` and `--opaque`; `resource` is a
    /// server that verifies tokens itself
    #[arg(long, value_name = "SERVICE", value_enum, conflicts_with_all = ["git", "opaque"])]
    service: Option<ServiceChoice>,
    /// Its requests are git's: clone, fetch and push, decided by repository and ref; `--basic USER`
    /// suits hosts that take a token as password
    #[arg(long)]
    git: bool,
    /// Its bytes pass unseen, in captured runs: for programs that trust no authority but their own
    #[arg(
        long,
        conflicts_with_all = ["git", "bearer", "basic", "header", "authority", "plain_http"]
    )]
    opaque: bool,
    /// A host it serves, `HOST` or `HOST:PORT`; may be repeated
    #[arg(long = "host", value_name = "HOST", required_unless_present = "audience")]
    hosts: Vec<String>,
    #[command(flatten)]
    slot: SlotChoice,
    #[command(flatten)]
    secret: SecretSource,
    /// Dial this address instead of what the names resolve to
    #[arg(long, value_name = "ADDRESS:PORT")]
    pin: Option<SocketAddr>,
    /// Trust only the authorities in this PEM file
    #[arg(long, value_name = "FILE", conflicts_with = "plain_http")]
    authority: Option<PathBuf>,
    /// Reach it without TLS: the credential crosses the network in the clear
    #[arg(long)]
    plain_http: bool,
    /// What any agent may ever do through it, such as `GET /v1/**` or `git.push acme/* **`; may be
    /// repeated
    #[arg(long = "ceiling", value_name = "LINE")]
    ceiling: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// Refuse runs whose trust is below this score, 0 to 100
    #[arg(
        long,
        value_name = "SCORE",
        default_value_t = 0,
        value_parser = clap::value_parser!(u8).range(..=100)
    )]
    trust_floor: u8,
    /// What becomes of an answer that holds a credential the gateway injected
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnEchoChoice::Redact)]
    on_echo: OnEchoChoice,
    /// Let answers keep this field, such as `set-cookie`; may be repeated
    #[arg(long = "pass-header", value_name = "NAME")]
    pass_headers: Vec<String>,
    /// What it must never carry, in words
    #[arg(long, value_name = "TEXT")]
    never_holds: Option<String>,
    #[command(flatten)]
    tokens: TokenArgs,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

/// The recogniser of its requests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ServiceChoice {
    /// Any HTTP API
    Http,
    /// A git server
    Git,
    /// Bytes that pass unseen
    Net,
    /// A server that verifies tokens itself
    Resource,
}

impl From<ServiceChoice> for Service {
    fn from(choice: ServiceChoice) -> Self {
        match choice {
            ServiceChoice::Http => Self::Http,
            ServiceChoice::Git => Self::Git,
            ServiceChoice::Net => Self::Net,
            ServiceChoice::Resource => Self::Resource,
        }
    }
}

/// What becomes of an answer that holds a credential.
#[derive(Clone, Copy, ValueEnum)]
enum OnEchoChoice {
    /// It goes on with asterisks in its place
    Redact,
    /// It ends there
    Cut,
}

impl From<OnEchoChoice> for OnEcho {
    fn from(choice: OnEchoChoice) -> Self {
        match choice {
            OnEchoChoice::Redact => Self::Redact,
            OnEchoChoice::Cut => Self::Cut,
        }
    }
}

/// Where in a request the credential goes.
#[derive(Args)]
#[group(multiple = false)]
struct SlotChoice {
    /// The secret is a bearer token
    #[arg(long)]
    bearer: bool,
    /// The secret is the password of this user
    #[arg(long, value_name = "USER")]
    basic: Option<String>,
    /// The secret is the value of this header
    #[arg(long, value_name = "NAME")]
    header: Option<String>,
    /// The upstream wants no credential
    #[arg(long)]
    no_credential: bool,
}

impl SlotChoice {
    /// Where it goes; fails where nothing was said.
    fn slot(self) -> Result<Option<Slot>, Failure> {
        let slot = match self {
            Self { bearer: true, .. } => Some(Slot::Bearer {}),
            Self { basic: Some(user), .. } => Some(Slot::Basic { user }),
            Self { header: Some(name), .. } => {
                Some(Slot::Header { name: name.to_ascii_lowercase() })
            }
            Self { no_credential: true, .. } => return Ok(None),
            Self { .. } => {
                let message = "nothing says where the credential goes";
                let hint = "name one of `--bearer`, `--basic USER`, `--header NAME` and \
                            `--no-credential`";
                return Err(Failure::new(Exit::Usage, message).hint(hint));
            }
        };
        Ok(slot)
    }
}

impl Add {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let authority_pem = self.authority.as_ref().map(|file| {
            std::fs::read_to_string(file).map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", file.display()))
            })
        });
        let service = self.service();
        // What verifies tokens itself is sent nothing.
        let slot = if service == Service::Resource { None } else { self.slot.slot()? };
        let secret = slot.is_some().then(|| self.secret.read()).transpose()?;
        let shows_secret = self.tokens.introspect_secret && !self.rehearsal.dry_run;
        let connection = ConnectionSpec {
            tokens: self.tokens.spec()?,
            name: self.name,
            service,
            hosts: self.hosts,
            pin: self.pin,
            authority_pem: authority_pem.transpose()?,
            plain_http: self.plain_http,
            slot,
            ceiling: self.ceiling,
            limits: self.limits.limits(),
            trust_floor: self.trust_floor,
            rotation: None,
            answers: Answers {
                on_echo: self.on_echo.into(),
                passes: self.pass_headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            },
            never_holds: self.never_holds,
        };
        let request = Request::post("/v1/connections")
            .json_with_secret(&ConnectionBody { connection }, secret.as_ref())?
            .dry_run(self.rehearsal.dry_run);
        let connection: ConnectionView = context.human().await?.send(&request).await?;
        show(context.output, &connection, shows_secret)?;
        Ok(Exit::Done)
    }

    fn service(&self) -> Service {
        match (self.service, self.git, self.opaque) {
            (Some(service), ..) => service.into(),
            (None, true, _) => Service::Git,
            (None, _, true) => Service::Net,
            (None, ..) => Service::Http,
        }
    }
}

/// The connection; or, where a secret was made, that alone on standard output, and the connection
/// beside it.
fn show(output: Output, connection: &ConnectionView, shows_secret: bool) -> anyhow::Result<()> {
    let made = connection.tokens.as_ref().and_then(|tokens| tokens.secret.as_ref());
    match made.filter(|_| shows_secret && !output.is_json()) {
        None => output.result(connection, super::text),
        Some(secret) => {
            output.remark(super::text(connection).trim_end());
            output.remark(&format!(
                "Configure `{}` as client_id and this secret in the resource server; it is not \
                 shown again:",
                connection.id
            ));
            Output::bytes(format!("{secret}\n").as_bytes())
        }
    }
}
