//! Where a run is opened from, and what its launcher speaks to the server as.

use marque_crypto::Secret;
use marque_plane::view::{CheckpointView, OpenedRunView, StatusView};
use marque_tlog::{Checkpoint, VerifierKey};

use crate::client::{Client, Request, RunProof, connect_or_start};
use crate::context::Context;
use crate::exit::Failure;

/// Where a run is opened from.
pub(super) struct Desk {
    /// Speaks as whoever opens it.
    pub(super) client: Client,
    /// Where it is asked for.
    pub(super) path: &'static str,
    /// The log's key, where this launcher keeps anchors.
    key: Option<VerifierKey>,
}

impl Desk {
    /// Inside a run, the run itself; outside, a human.
    pub(super) async fn find(context: &Context) -> Result<Self, Failure> {
        if let Some(client) = context.run_client()? {
            return Ok(Self { client, path: "/v1/run/children", key: None });
        }
        let client = context.client();
        context.must_have_a_plane()?;
        let status = connect_or_start(context, &client).await?;
        Ok(Self { client, path: "/v1/runs", key: log_key(status) })
    }

    /// The key that should have signed that: the log's since the run was opened, or the one it has
    /// now, if it was rotated meanwhile.
    pub(super) async fn signer_of(&self, checkpoint: &CheckpointView) -> Option<VerifierKey> {
        let known = self.key.clone()?;
        if Checkpoint::open(&checkpoint.note, &known).is_ok() {
            return Some(known);
        }
        let status = self.client.send::<StatusView>(&Request::get("/v1/status")).await;
        Some(status.ok().and_then(log_key).unwrap_or(known))
    }
}

/// Speaks as a run that was just opened, at the same server as `client`.
pub(super) fn client_of(context: &Context, client: &Client, opened: &OpenedRunView) -> Client {
    let run = opened.run.id.to_string();
    let secret = Secret::from_string(opened.secret.clone());
    let socket = client.socket().to_owned();
    Client::new(socket, context.factor.clone()).speaking_as(RunProof { run, secret })
}

fn log_key(status: StatusView) -> Option<VerifierKey> {
    status.claimed.and_then(|claim| claim.log_key.parse().ok())
}
