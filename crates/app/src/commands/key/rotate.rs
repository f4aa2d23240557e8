//! `marque key rotate`

use clap::{Args, ValueEnum};
use marque_api::exchange::TokenKeyBody;
use marque_plane::view::{KeyView, RotatedView};

use crate::cli::Rehearsal;
use crate::client::Request;
use crate::commands::connection::tokens::Algorithm;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::Fields;

/// Retire a key for a new one, as after a theft
///
/// `log`: the key that signs the log's checkpoints. The new key is recorded in the log, in the last
/// entry that the old one vouches for; what was signed before still verifies, and whatever the old
/// key signs from then on is refused. The old key is destroyed on this machine. Other servers of
/// the plane end, until they are given this one's folder `keys`.
///
/// `git`: the key that signs what runs commit. Every server of the plane signs with the new key
/// from then on; the old one still verifies what it signed.
///
/// `token`: a key that signs access tokens, in two steps. The first publishes the next key, so that
/// verifiers learn it; the second, once they have, lets it sign. What the old one signed verifies
/// until it is over. The server does both by itself every `oauth.rotate_after`; this does the next
/// one now, and says when the one after is possible.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque key rotate log
  marque key rotate log --dry-run
  marque key rotate git
  marque key rotate token
  marque key rotate token --alg RS256")]
pub(crate) struct Rotate {
    /// Which key
    #[arg(value_name = "KEY")]
    which: Which,
    /// Of a key of tokens: which of the two [default: ES256]
    #[arg(long, value_name = "ALG", value_enum)]
    alg: Option<Algorithm>,
    #[command(flatten)]
    rehearsal: Rehearsal,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Log,
    Git,
    Token,
}

impl Rotate {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.alg.is_some() && self.which != Which::Token {
            return Err(Failure::new(Exit::Usage, "only keys of tokens have `--alg`")
                .hint("write `marque key rotate token --alg RS256`")
                .into());
        }
        let (path, label, next) = match self.which {
            Which::Log => (
                "/v1/keys/log/rotate",
                "log key",
                "Keep the new log key where you kept the old one, and copy the folder `keys` to \
                 the other servers of this plane.",
            ),
            Which::Git => (
                "/v1/keys/git/rotate",
                "git key",
                "Publish it where commits are verified: `marque key allowed-signers`.",
            ),
            Which::Token => return self.token(context).await,
        };
        let request = Request::post(path).dry_run(self.rehearsal.dry_run);
        let rotated: RotatedView = context.human().await?.send(&request).await?;
        context.output.result(&rotated, |rotated| {
            Fields::default()
                .with("entry", rotated.index)
                .with("retired", &rotated.old)
                .with(label, &rotated.new)
                .text()
        })?;
        if !self.rehearsal.dry_run {
            context.output.remark(next);
        }
        Ok(Exit::Done)
    }

    async fn token(&self, context: &Context) -> anyhow::Result<Exit> {
        let algorithm = self.alg.unwrap_or(Algorithm::Es256).name();
        let body = TokenKeyBody { algorithm: algorithm.to_owned() };
        let request = Request::post("/v1/keys/token/rotate").json(&body)?;
        let request = request.dry_run(self.rehearsal.dry_run);
        let keys: Vec<KeyView> = context.human().await?.send(&request).await?;
        context.output.result(&keys, |keys| super::list::text(keys))?;
        if !self.rehearsal.dry_run {
            context.output.remark(&next_step(&keys, algorithm));
        }
        Ok(Exit::Done)
    }
}

/// What was done to the keys of that algorithm, and what comes next.
fn next_step(keys: &[KeyView], algorithm: &str) -> String {
    let purpose = format!("token {algorithm}");
    let again = if algorithm == "ES256" { "" } else { " --alg RS256" };
    let prepared = keys.iter().find(|key| key.purpose == purpose && key.state == "prepared");
    match prepared.and_then(|key| Some((key.id.as_deref()?, key.at?))) {
        Some((id, from)) => format!(
            "The next key `{id}` is published, and may sign from {from}: run `marque key rotate \
             token{again}` again then, or leave it to the server."
        ),
        None => "The new key signs. The old one verifies until the last token of its is over; \
                 `marque key retire token KEY` ends it at once."
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use marque_domain::Timestamp;
    use marque_plane::view::KeyView;

    use super::next_step;

    #[test]
    fn a_rotation_says_when_the_next_step_is_possible() {
        let key = |state: &str, at: u64| KeyView {
            purpose: "token RS256".to_owned(),
            id: Some("k2".to_owned()),
            since: None,
            until: None,
            state: state.to_owned(),
            at: Some(Timestamp::from_millis(at)),
        };
        let told = next_step(&[key("active", 0), key("prepared", 86_400_000)], "RS256");
        assert_eq!(
            told,
            "The next key `k2` is published, and may sign from 1970-01-02T00:00:00.000Z: run \
             `marque key rotate token --alg RS256` again then, or leave it to the server."
        );
        let told = next_step(&[key("active", 0), key("retired", 9)], "RS256");
        assert!(told.starts_with("The new key signs."), "{told}");
    }
}
