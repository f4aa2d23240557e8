//! `marque issuer add`

use std::collections::BTreeMap;

use clap::Args;
use marque_domain::issuer::PersonNaming;
use marque_domain::{Name, UserName};
use marque_plane::spec::IssuerSpec;
use marque_plane::view::IssuerView;

use crate::cli::Rehearsal;
use crate::client::Request;
use crate::commands::key_args::KeyArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Trust an issuer to say who a person is
///
/// A workload may then exchange a person's token of that issuer for one of its own, on their
/// behalf. The token alone is never enough: the workload must be a registered client, and a grant
/// of its agent must name the person as opener.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque issuer add login --issuer https://login.acme.example --audience marque \\
      --person 00u1a2b3=alice
  marque issuer add sessions --issuer ccr --audience ccpool_0123 --jwks sessions.jwks \\
      --hosted --person usr-77=alice")]
pub(crate) struct Add {
    /// What it is called here: `a`-`z`, `0`-`9` and `-`
    name: Name,
    /// The `iss` of its tokens, byte for byte
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// What its tokens must name this server by
    #[arg(long, value_name = "AUDIENCE")]
    audience: String,
    #[command(flatten)]
    keys: KeyArgs,
    /// What its tokens call a person, and who that is here; may be repeated
    #[arg(long = "person", value_name = "SUBJECT=USER", value_parser = person, required = true)]
    people: Vec<(String, UserName)>,
    /// Its tokens are those of hosted sessions: the person is the outermost actor
    #[arg(long)]
    hosted: bool,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Add {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let count = self.people.len();
        let people: BTreeMap<_, _> = self.people.into_iter().collect();
        if people.len() != count {
            let message = "`--person` names one subject twice";
            return Err(Failure::new(Exit::Usage, message).into());
        }
        let naming = if self.hosted { PersonNaming::OutermostActor } else { PersonNaming::Subject };
        let (jwks, source) = self.keys.read()?;
        let spec = IssuerSpec {
            name: self.name,
            issuer: self.issuer,
            audience: self.audience,
            jwks,
            source,
            naming,
            people,
        };
        let request = Request::post("/v1/issuers").json(&spec)?.dry_run(self.rehearsal.dry_run);
        let issuer: IssuerView = context.human().await?.send(&request).await?;
        context.output.result(&issuer, super::text)?;
        Ok(Exit::Done)
    }
}

fn person(text: &str) -> Result<(String, UserName), String> {
    let (subject, user) = text.split_once('=').ok_or("write `SUBJECT=USER`")?;
    let user = user.parse::<UserName>().map_err(|error| error.to_string())?;
    Ok((subject.to_owned(), user))
}
