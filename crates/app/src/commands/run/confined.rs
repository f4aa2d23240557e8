//! `marque run` in the tier `confined`: fenced in by the kernel where namespaces are not allowed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::pin::Pin;

use marque_plane::view::{EndedView, OpenedRunView};

use super::captured::tell_changes;
use super::open::{Open, laid};
use super::voice::Voice;
use crate::capture::Fence;
use crate::client::Unheld;
use crate::commands::token::key::Key;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch::{self, Bundle, Reach, bundle};

/// Tools that keep what can be made again at home, where nothing can be written.
const CACHES: &[(&str, &str)] = &[
    ("XDG_CACHE_HOME", "cache"),
    ("npm_config_cache", "npm"),
    ("PIP_CACHE_DIR", "pip"),
    ("GOCACHE", "go-build"),
    ("GOMODCACHE", "go-mod"),
];
/// What asks the server to sign: its socket is out of reach.
const SIGNING: &[&str] = &["commit.gpgSign", "tag.forceSignAnnotated"];

impl Open {
    /// Fences the command in, starts it and waits for it.
    pub(super) async fn launch_confined(
        &self,
        context: &Context,
        hold: Pin<&mut impl Future<Output = Result<EndedView, Unheld>>>,
        (opened, fence, socket, token_key): (&OpenedRunView, &mut Fence, &Path, Option<&Key>),
    ) -> Result<launch::Ended, Failure> {
        let bundle = Bundle::write(&context.environment, &bundle::own(&context.data, opened))?;
        if !bundle.has_system() {
            context.output.warning("this system's certificate authorities were not found");
        }
        fence.open(bundle.dir(), port(opened)?)?;
        let path = bundle.path();
        let (reach, also) = (Reach::Proxy, &self.env);
        let token_key = laid(token_key, &bundle)?;
        let token_key = token_key.as_deref();
        let wanted = launch::Wanted { opened, reach, bundle: &path, socket, token_key, also };
        let mut variables = launch::of_run(&context.environment, &wanted)?;
        variables.extend(self.git_identity(context, opened, &bundle)?);
        unsigned(&mut variables);
        let scratch = fence.scratch();
        for (name, below) in CACHES {
            variables.insert((*name).into(), scratch.join(below).into());
        }
        variables.insert("TMPDIR".into(), scratch.into());
        let mut words: Vec<OsString> = fence.words().map(OsString::from).to_vec();
        words.extend(self.command.iter().cloned());
        let ended = launch::supervise(&words, &variables, hold).await?;
        tell_changes(&Voice::Own(context.output), fence.directory(), fence.executed_since());
        Ok(ended)
    }
}

/// The only port that stays open: the proxy's.
pub(super) fn port(opened: &OpenedRunView) -> Result<u16, Failure> {
    let port = opened.proxy.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    port.ok_or_else(|| {
        let message = format!("the server's proxy `{}` has no port", opened.proxy);
        Failure::new(Exit::Failed, message)
    })
}

/// Commits go on without a signature.
fn unsigned(variables: &mut BTreeMap<OsString, OsString>) {
    const KEY: &str = "GIT_CONFIG_KEY_";
    let is_signing = |value: &OsStr| SIGNING.iter().any(|key| value == *key);
    let places: Vec<_> = variables
        .iter()
        .filter(|(_, value)| is_signing(value))
        .filter_map(|(name, _)| name.to_str()?.strip_prefix(KEY).map(str::to_owned))
        .collect();
    for place in places {
        variables.insert(format!("GIT_CONFIG_VALUE_{place}").into(), "false".into());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::unsigned;

    #[test]
    fn nobody_is_asked_to_sign_who_cannot_be_reached() {
        let pairs = [
            ("GIT_CONFIG_KEY_0", "user.name"),
            ("GIT_CONFIG_VALUE_0", "true"),
            ("GIT_CONFIG_KEY_1", "commit.gpgSign"),
            ("GIT_CONFIG_VALUE_1", "true"),
        ];
        let mut variables: BTreeMap<_, _> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        unsigned(&mut variables);
        assert_eq!(variables[std::ffi::OsStr::new("GIT_CONFIG_VALUE_0")], "true");
        assert_eq!(variables[std::ffi::OsStr::new("GIT_CONFIG_VALUE_1")], "false");
    }
}
