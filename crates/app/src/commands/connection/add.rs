//! `marque connection add`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use marque_api::exchange::ConnectionBody;
use marque_domain::{Name, Slot};
use marque_plane::spec::ConnectionSpec;
use marque_plane::view::ConnectionView;

use super::secret::SecretSource;
use crate::cli::Rehearsal;
use crate::client::Request;
use crate::commands::limits::LimitArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Register an upstream and seal its credential
///
/// The credential is set by the gateway in exactly one place of a request, on exactly these hosts,
/// over verified TLS, after the call was allowed and recorded. The run never holds it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque connection add tracker --host api.tracker.example --bearer --secret-stdin < token
  marque connection add wiki --host wiki.example:8443 --basic bot --secret-file wiki.secret
  marque connection add billing --host billing.example --header x-api-key \\
      --ceiling 'GET /v1/**' --never-holds 'card numbers'
  marque connection add status --host status.example --no-credential")]
pub(crate) struct Add {
    /// What it is called: the word before the colon of a permission
    name: Name,
    /// A host it serves, `HOST` or `HOST:PORT`; may be repeated
    #[arg(long = "host", value_name = "HOST", required = true)]
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
    /// What any agent may ever do through it, such as `GET /v1/**`; may be repeated
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
    /// What it must never carry, in words
    #[arg(long, value_name = "TEXT")]
    never_holds: Option<String>,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

/// Where in a request the credential goes.
#[derive(Args)]
#[group(required = true, multiple = false)]
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
    fn slot(self) -> Option<Slot> {
        match self {
            Self { bearer: true, .. } => Some(Slot::Bearer),
            Self { basic: Some(user), .. } => Some(Slot::Basic { user }),
            Self { header: Some(name), .. } => {
                Some(Slot::Header { name: name.to_ascii_lowercase() })
            }
            Self { .. } => None,
        }
    }
}

impl Add {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let authority_pem = self.authority.as_ref().map(|file| {
            std::fs::read_to_string(file).map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", file.display()))
            })
        });
        let slot = self.slot.slot();
        let secret = slot.is_some().then(|| self.secret.read()).transpose()?;
        let connection = ConnectionSpec {
            name: self.name,
            hosts: self.hosts,
            pin: self.pin,
            authority_pem: authority_pem.transpose()?,
            plain_http: self.plain_http,
            slot,
            ceiling: self.ceiling,
            limits: self.limits.limits(),
            trust_floor: self.trust_floor,
            rotation: None,
            never_holds: self.never_holds,
        };
        let request = Request::post("/v1/connections")
            .json_with_secret(&ConnectionBody { connection }, secret.as_ref())?
            .dry_run(self.rehearsal.dry_run);
        let connection: ConnectionView = context.human().await?.send(&request).await?;
        context.output.result(&connection, super::text)?;
        Ok(Exit::Done)
    }
}
