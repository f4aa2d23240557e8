//! `marque agent add`

use std::collections::BTreeMap;

use clap::Args;
use marque_domain::{Digest, Name, UserName};
use marque_plane::spec::AgentSpec;
use marque_plane::view::AgentView;

use crate::cli::Rehearsal;
use crate::client::Request;
use crate::commands::limits::LimitArgs;
use crate::context::Context;
use crate::exit::{Exit, Failure};

/// Register an agent
///
/// Its name is its identity towards others (`spiffe://…/agent/NAME`) and is never given again. It
/// may do nothing until a grant says so.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque agent add triage --purpose 'sorts incoming issues'
  marque agent add closer --purpose 'monthly close' --owner bob --sponsor carol
  marque agent add coder --purpose 'small fixes' --digest prompt=sha256:…")]
pub(crate) struct Add {
    /// What it is called: `a`-`z`, `0`-`9` and `-`
    name: Name,
    /// What it is for, in words
    #[arg(long, value_name = "TEXT")]
    purpose: String,
    /// The technical human [default: you]
    #[arg(long, value_name = "USER")]
    owner: Option<UserName>,
    /// The accountable human [default: the owner]
    #[arg(long, value_name = "USER")]
    sponsor: Option<UserName>,
    /// What it is made of: `prompt`, `tools`, `model` or `code`, and the digest
    #[arg(long = "digest", value_name = "PART=sha256:HEX", value_parser = part)]
    digests: Vec<(String, Digest)>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

impl Add {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let count = self.digests.len();
        let digests: BTreeMap<String, Digest> = self.digests.into_iter().collect();
        if digests.len() != count {
            return Err(Failure::new(Exit::Usage, "`--digest` names one part twice").into());
        }
        let spec = AgentSpec {
            name: self.name,
            purpose: self.purpose,
            owner: self.owner,
            sponsor: self.sponsor,
            digests,
            limits: self.limits.limits(),
        };
        let request = Request::post("/v1/agents").json(&spec)?.dry_run(self.rehearsal.dry_run);
        let agent: AgentView = context.human().await?.send(&request).await?;
        context.output.result(&agent, super::text)?;
        Ok(Exit::Done)
    }
}

fn part(text: &str) -> Result<(String, Digest), String> {
    let (part, digest) = text.split_once('=').ok_or("write `PART=sha256:HEX`")?;
    let digest = digest.parse::<Digest>().map_err(|error| error.to_string())?;
    Ok((part.to_owned(), digest))
}
