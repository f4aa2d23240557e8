//! Waiting for a human, and coming again for the answer
//! (draft-ietf-oauth-deferred-token-response).

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use marque_crypto::Secret;
use marque_plane::Clock as _;
use serde_json::Value;

use super::desk::{Desk, Received, received, says};
use super::form::FormDraft;
use super::key::Key;
use crate::clock::SystemClock;
use crate::exit::{Exit, Failure};
use crate::output::{Output, clean};

const DEFERRED: &[u8] = b"urn:ietf:params:oauth:grant-type:deferred";
/// How much longer to wait once the server says that it is asked too often, in seconds (RFC 8628
/// section 3.5).
const SLOWER_SECS: u64 = 5;
/// Bounds of what a server may say of how often to ask, in seconds.
const PAUSE_SECS: std::ops::RangeInclusive<u64> = 1..=60;

/// What a server says to whom it sends away.
struct Told {
    code: Secret,
    approval: String,
    pause: Duration,
    left: Duration,
}

impl Told {
    fn of(answer: &Response<Bytes>) -> Option<Self> {
        let body: Value = serde_json::from_slice(answer.body()).ok()?;
        let number = |name: &str| body.get(name).and_then(Value::as_u64);
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let pause = number("interval")?.clamp(*PAUSE_SECS.start(), *PAUSE_SECS.end());
        Some(Self {
            code: Secret::from_string(text("deferral_code")?.to_owned()),
            approval: text("marque_approval").unwrap_or_default().to_owned(),
            pause: Duration::from_secs(pause),
            left: Duration::from_secs(number("expires_in")?),
        })
    }
}

impl Desk {
    /// Asks for a token that is bound to that key and, where a human is asked, waits for them.
    pub(super) async fn token_when_approved(
        &self,
        form: FormDraft,
        (confirm, output): (&Key, Output),
    ) -> Result<Received, Failure> {
        let form = form.with("completion_mode", b"deferred");
        let answer = self.with_nonce("token", &form, Some(confirm)).await?;
        let Some(mut told) = Told::of(&answer) else { return received(&answer) };
        output.remark(&format!(
            "a human was asked: `marque approval give {}`; waits {} seconds at most",
            clean(&told.approval),
            told.left.as_secs()
        ));
        let again = FormDraft::default()
            .with("grant_type", DEFERRED)
            .with("deferral_code", told.code.expose());
        let clock = SystemClock::start();
        loop {
            tokio::time::sleep(told.pause).await;
            let is_over = clock.elapsed() > told.left.saturating_add(told.pause);
            match self.with_nonce("token", &again, Some(confirm)).await {
                Ok(answer) if says(&answer, "authorization_pending") && !is_over => {}
                Ok(answer) if says(&answer, "slow_down") && !is_over => {
                    told.pause += Duration::from_secs(SLOWER_SECS);
                }
                // A server that starts again knows the code.
                Err(failure) if failure.exit == Exit::Unavailable && !is_over => {}
                answer => return received(&answer?),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &'static str) -> Response<Bytes> {
        Response::builder().status(400).body(Bytes::from_static(body.as_bytes())).unwrap()
    }

    #[test]
    fn only_a_code_is_waited_for_and_never_in_a_hurry() {
        let told = r#"{"error":"authorization_pending","deferral_code":"c","expires_in":60,
            "interval":0,"marque_approval":"apr_1"}"#;
        let told = Told::of(&answer(told)).unwrap();
        assert_eq!((told.pause, told.left), (Duration::from_secs(1), Duration::from_secs(60)));
        for other in [
            r#"{"error":"authorization_pending","interval":5,"marque_approval":"apr_1"}"#,
            r#"{"error":"access_denied"}"#,
            "<html>",
        ] {
            assert!(Told::of(&answer(other)).is_none(), "{other}");
        }
    }
}
