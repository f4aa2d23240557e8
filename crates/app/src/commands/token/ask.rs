//! What a token is asked for, on the command line, and how the answer is shown.

use std::path::{Path, PathBuf};

use clap::Args;
use marque_wire::oauth::{AuthorizationDetails, Resource, Scope};
use serde_json::{Value, json};

use super::desk::{Desk, Received};
use super::form::FormDraft;
use super::key::Key;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::{Output, clean};

/// Most bytes of a file with details.
const DETAILS_MAX_BYTES: u64 = 16 * 1024;

/// What every token is asked for.
#[derive(Args)]
pub(super) struct AskArgs {
    /// What it is for, byte for byte: the audience of a connection
    #[arg(long, value_name = "URL", value_parser = resource)]
    resource: Resource,
    /// A scope it is to allow; may be repeated
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// What it is to allow in detail (RFC 9396): JSON, or a file with it
    #[arg(long, value_name = "JSON|FILE")]
    details: Option<String>,
    /// Ask as this client, over the network [default: as the run this process is in]
    #[arg(long, value_name = "CLIENT_ID", requires = "key")]
    client: Option<String>,
    /// The client's private key (0600), PKCS#8 in PEM
    #[arg(long, value_name = "FILE", requires = "client")]
    key: Option<PathBuf>,
    /// Who issues [default: what the server says]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Bind the token to this private key (0600) [default: a new one]
    #[arg(long, value_name = "FILE")]
    confirm_key: Option<PathBuf>,
    /// Where a human must approve it, wait for them [default: exit with 4]
    #[arg(long)]
    wait: bool,
}

impl AskArgs {
    /// Asks for it on that ground, and shows it.
    pub(super) async fn run(self, context: &Context, ground: FormDraft) -> anyhow::Result<Exit> {
        let scope = self.scopes.join(" ");
        if !scope.is_empty() {
            Scope::parse(&scope).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        }
        let details = self.details.as_deref().map(read_details).transpose()?.unwrap_or_default();
        let desk = Desk::find(context, (self.client, self.key), self.issuer).await?;
        let form = ground
            .with("resource", self.resource.as_str().as_bytes())
            .maybe("scope", &scope)
            .maybe("authorization_details", &details);
        let confirm = match &self.confirm_key {
            Some(file) => Key::read(file)?,
            None => Key::make()?,
        };
        let received = if self.wait {
            desk.token_when_approved(form, (&confirm, context.output)).await?
        } else {
            desk.token(form, &confirm).await?
        };
        // ORDER: nothing is left behind of a request that was refused.
        let kept = match (self.confirm_key, received.is_bound) {
            (Some(file), _) => Some(file),
            (None, true) => Some(confirm.keep()?),
            (None, false) => None,
        };
        show(context.output, &received, kept.as_deref())?;
        Ok(Exit::Done)
    }
}

/// The token alone on standard output, and what there is to know of it beside.
fn show(output: Output, received: &Received, key: Option<&Path>) -> anyhow::Result<()> {
    if output.is_json() {
        let mut answer = received.answer.clone();
        if let (Value::Object(members), Some(key)) = (&mut answer, key) {
            members.insert("key_file".to_owned(), json!(key));
        }
        return output.result(&answer, |_| String::new());
    }
    let until = format!("good for {} seconds", received.expires_in_secs);
    output.remark(&match key {
        Some(key) => {
            let key = clean(&key.display().to_string());
            format!("{until}, with proofs that the key in `{key}` signs")
        }
        None => format!("{until}, and bound to no key: whoever has it can use it"),
    });
    Output::bytes(&[received.token.expose(), b"\n"].concat())
}

fn resource(text: &str) -> Result<Resource, String> {
    Resource::parse(text).map_err(|error| error.to_string())
}

/// The text of details that a server would read, from the argument itself or from a file.
fn read_details(named: &str) -> Result<String, Failure> {
    let text = if named.trim_start().starts_with('[') {
        named.to_owned()
    } else {
        let failed = |why: &str| {
            Failure::new(Exit::Failed, format!("cannot read `{named}`: {why}"))
                .hint("give a JSON list, or a file that holds one")
        };
        let found = std::fs::metadata(named).map_err(|error| failed(&error.to_string()))?;
        if found.len() > DETAILS_MAX_BYTES {
            return Err(failed("it is longer than 16 KiB"));
        }
        std::fs::read_to_string(named).map_err(|error| failed(&error.to_string()))?
    };
    let read = AuthorizationDetails::parse(text.trim());
    let read = read.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    Ok(read.to_json().to_string())
}

#[cfg(test)]
mod tests {
    use super::read_details;

    #[test]
    fn details_come_from_the_argument_or_from_a_file_and_are_read_as_a_server_would() {
        let told = read_details(" [{\"type\":\"sql\",\"actions\":[\"select\"]}] ").unwrap();
        assert_eq!(told, "[{\"type\":\"sql\",\"actions\":[\"select\"]}]");
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("details.json");
        std::fs::write(&file, format!("{told}\n")).unwrap();
        assert_eq!(read_details(file.to_str().unwrap()).unwrap(), told);
        for wrong in ["[{}]", "[1]", "[", "/nowhere/details.json"] {
            assert!(read_details(wrong).is_err(), "`{wrong}` was read");
        }
    }
}
