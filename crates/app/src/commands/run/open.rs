//! `marque run -- COMMAND…`

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use clap::Args;
use marque_domain::size::parse_size;
use marque_domain::{Limits, Name, TaskRef, Tier, UserName};
use marque_plane::spec::{Lines, RunSpec};
use marque_plane::view::{EndedView, OpenedRunView, WhoamiView};
use marque_tlog::VerifierKey;

#[cfg(target_os = "linux")]
use super::again::Again;
use super::desk::{Desk, client_of};
use super::ending::{conclude, end, introduce};
use super::held::{Held, HomeProfile};
use super::voice::Voice;
use crate::client::{Client, Request, Unheld};
use crate::commands::grant::LineArgs;
use crate::commands::token::key::Key;
use crate::commands::token::service;
use crate::config::Span;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch::git::{self, WantedGit};
use crate::launch::{self, Bundle, Reach, Wanted, anchor, bundle, mandate};

// Its help stands on `Run`, which it is flattened into.
#[derive(Args)]
pub(crate) struct Open {
    /// As which agent
    #[arg(long, value_name = "NAME")]
    agent: Option<Name>,
    /// For which outside reason, such as `ticket:OPS-12`
    #[arg(long, value_name = "TASK")]
    task: Option<TaskRef>,
    /// On behalf of which person [default: nobody, as itself]
    #[arg(long = "for", value_name = "USER")]
    on_behalf_of: Option<UserName>,
    /// How long it may last [default: `run.default_ttl`, 60m]
    #[arg(long, value_name = "SPAN")]
    ttl: Option<Span>,
    #[command(flatten)]
    lines: LineArgs,
    /// Take permission lines from this file as well: a table `[mandate]`
    #[arg(long, value_name = "FILE")]
    mandate: Option<PathBuf>,
    /// Calls in all
    #[arg(long, value_name = "N")]
    limit_calls: Option<u64>,
    /// Calls in a minute
    #[arg(long, value_name = "N")]
    limit_rate: Option<u32>,
    /// Bytes of bodies in all, both ways, such as `50MiB`
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    limit_bytes: Option<u64>,
    /// Pass this variable on to the command as well; may be repeated
    #[arg(long = "env", value_name = "NAME")]
    pub(super) env: Vec<String>,
    /// Leave git as it is: nobody signs what the run commits
    #[arg(long)]
    pub(super) no_git_identity: bool,
    /// Give the command a key of its own, by which it asks the token service for tokens: in
    /// MARQUE_KEY_FILE, beside MARQUE_CLIENT_ID and MARQUE_ISSUER
    #[arg(long)]
    pub(super) token_key: bool,
    /// Keep what was seen of the log in this file [default: in ~/.local/state/marque/anchors]
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
    /// Run in this tier or not at all: `captured`, `confined` by the
    /// kernel's fences for files and ports, or `advisory` to go without what holds a run
    /// [default: the best that this machine allows]
    #[arg(long, value_name = "TIER")]
    pub(super) tier: Option<Tier>,
    /// How much of your home directory the command sees, in the tier `captured`
    #[arg(long, value_name = "HOW", value_enum, default_value = "private")]
    pub(super) home: HomeProfile,
    /// Hide this path, which must be there, from the command as well; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(super) hide: Vec<PathBuf>,
    /// Say what the run would be, and start nothing; refused inside a run
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

impl Open {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.command.is_empty() && !self.dry_run {
            return Err(Failure::new(Exit::Usage, "there is no command to run")
                .hint("write it after two dashes: `marque run --agent NAME -- COMMAND…`")
                .into());
        }
        self.must_hide_what_is_there()?;
        #[cfg(target_os = "linux")]
        if let Some(launcher) = Self::launcher(context).filter(|_| !self.dry_run) {
            return self.ask(context, &launcher).await;
        }
        let held = self.hold_tight(context)?;
        let desk = Desk::find(context).await?;
        if let Some(tier) = self.tier.filter(|_| context.is_inside_a_run()) {
            must_be_its_parents(tier, &desk).await?;
        }
        let mut held = held.await?;
        let token_key = self.token_key(context, &desk.client).await?;
        let keys = token_key.as_ref().map(Key::public_set).transpose()?;
        let spec = RunSpec { tier: held.tier(), keys, ..self.spec(context)? };
        let request = Request::post(desk.path).json(&spec)?.dry_run(self.dry_run);
        let opened: OpenedRunView = desk.client.send(&request).await?;
        let voice = Voice::Own(context.output);
        introduce(&voice, &opened, (held.why_not_captured(), held.lacking()));
        if self.dry_run {
            return Ok(Exit::Done);
        }
        let run = client_of(context, &desk.client, &opened);
        #[cfg(target_os = "linux")]
        let again = Again::new(&voice, &run, &opened, context.data.doors());
        #[cfg(target_os = "linux")]
        let mut hold = std::pin::pin!(again.hold());
        #[cfg(not(target_os = "linux"))]
        let mut hold = std::pin::pin!(run.hold());
        let ended = match &mut held {
            #[cfg(target_os = "linux")]
            Held::Captured(stage) => {
                let parts = (&opened, &**stage, &run, token_key.as_ref());
                self.launch_captured(context, hold.as_mut(), parts, &again).await
            }
            #[cfg(target_os = "linux")]
            Held::Confined(fence, _) => {
                let parts = (&opened, &mut **fence, run.socket(), token_key.as_ref());
                self.launch_confined(context, hold.as_mut(), parts).await
            }
            Held::Advisory(_) => {
                let parts = (&opened, run.socket(), token_key.as_ref());
                self.launch(context, hold.as_mut(), parts).await
            }
        };
        let over = end(&voice, &run, ended).await?;
        match over.last {
            Ok(last) => {
                conclude(&voice, &last);
                if let Some(key) = desk.signer_of(&last.checkpoint).await {
                    self.anchor(context, &key, &last)?;
                }
            }
            Err(failure) => context.output.failure(&failure),
        }
        Ok(Exit::Passed(over.code))
    }

    /// A fresh key for the run, if it is to have one.
    async fn token_key(&self, context: &Context, client: &Client) -> Result<Option<Key>, Failure> {
        if !self.token_key {
            return Ok(None);
        }
        if service::issuer(context, client).await.is_none() {
            let message = "there is no token service that a run could have a key for";
            return Err(Failure::new(Exit::Unavailable, message)
                .hint("set `oauth.listen` in the configuration, and start the server anew"));
        }
        Key::make().map(Some)
    }

    // A path that is not there hides nothing, and a slip in it would leave a secret in sight.
    fn must_hide_what_is_there(&self) -> Result<(), Failure> {
        for path in &self.hide {
            path.canonicalize().map_err(|error| {
                let message = format!("cannot hide `{}`: {error}", path.display());
                let hint = "`--hide` takes what is there when the run begins; correct the path, or \
                            leave it out";
                Failure::new(Exit::Usage, message).hint(hint)
            })?;
        }
        Ok(())
    }

    async fn launch(
        &self,
        context: &Context,
        hold: Pin<&mut impl Future<Output = Result<EndedView, Unheld>>>,
        (opened, socket, token_key): (&OpenedRunView, &Path, Option<&Key>),
    ) -> Result<launch::Ended, Failure> {
        let bundle = Bundle::write(&context.environment, &bundle::own(&context.data, opened))?;
        if !bundle.has_system() {
            context.output.warning("this system's certificate authorities were not found");
        }
        let path = bundle.path();
        let (reach, also) = (Reach::Proxy, &self.env);
        let token_key = laid(token_key, &bundle)?;
        let token_key = token_key.as_deref();
        let wanted = Wanted { opened, reach, bundle: &path, socket, token_key, also };
        let mut variables = launch::of_run(&context.environment, &wanted)?;
        variables.extend(self.git_identity(context, opened, &bundle)?);
        launch::supervise(&self.command, &variables, hold).await
    }

    /// Lays the run's git identity beside its certificates; the variables that lead git there.
    pub(super) fn git_identity(
        &self,
        context: &Context,
        opened: &OpenedRunView,
        bundle: &Bundle,
    ) -> Result<Vec<(OsString, OsString)>, Failure> {
        let Some(git) = opened.git.as_ref().filter(|_| !self.no_git_identity) else {
            return Ok(Vec::new());
        };
        let marque = std::env::current_exe().map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot tell where this program is: {error}"))
        })?;
        let (dir, inherited) = (bundle.dir().join("git"), git::inherited(&context.environment));
        let (run, hosts) = (&opened.run, &git.hosts);
        let wanted =
            WantedGit { run, git, hosts, dir: &dir, marque: &marque, inherited: &inherited };
        let setup = git::setup(&wanted);
        git::lay(&setup, &dir)?;
        Ok(setup.variables.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    pub(super) fn spec(&self, context: &Context) -> Result<RunSpec, Failure> {
        let mut lines = Lines {
            allow: self.lines.allow.clone(),
            ask: self.lines.ask.clone(),
            never: self.lines.never.clone(),
        };
        let mut tier_floor = None;
        if let Some(file) = &self.mandate {
            let named = mandate::read(file)?;
            tier_floor = named.tier_floor;
            lines.allow.extend(named.lines.allow);
            lines.ask.extend(named.lines.ask);
            lines.never.extend(named.lines.never);
        }
        let of_repository = mandate::of_repository(Path::new("."))?;
        let tier_floor = tier_floor.max(of_repository.as_ref().and_then(|file| file.tier_floor));
        let ttl = match self.ttl {
            Some(ttl) => ttl,
            None => context.config()?.run.default_ttl,
        };
        Ok(RunSpec {
            keys: None,
            agent: self.agent.clone(),
            task: self.task.clone(),
            on_behalf_of: self.on_behalf_of.clone(),
            mandate: lines,
            file_mandate: of_repository.map(|file| file.lines),
            limits: Limits {
                calls_per_minute: self.limit_rate,
                burst: None,
                calls: self.limit_calls,
                bytes: self.limit_bytes,
            },
            ttl_secs: ttl.0.as_secs(),
            tier: Tier::Advisory,
            tier_floor,
        })
    }

    /// Keeps what was seen of the log.
    fn anchor(
        &self,
        context: &Context,
        key: &VerifierKey,
        last: &EndedView,
    ) -> Result<(), Failure> {
        let file = match &self.anchors {
            Some(file) => file.clone(),
            None => anchor::file(&context.environment, key)?,
        };
        anchor::append(&file, &last.checkpoint, key)?;
        context.output.remark(&format!("marque: anchored in `{}`", file.display()));
        Ok(())
    }
}

/// Lays the key of a run, if it has one, where it goes away with the run.
pub(super) fn laid(key: Option<&Key>, bundle: &Bundle) -> Result<Option<PathBuf>, Failure> {
    key.map(|key| bundle.lay_token_key(&key.to_pem()?)).transpose()
}

/// Refuses a child run in another tier than that of the run it is opened from.
async fn must_be_its_parents(wanted: Tier, desk: &Desk) -> Result<(), Failure> {
    match desk.client.send(&Request::get("/v1/run/whoami")).await? {
        WhoamiView::Run(above) if above.tier != wanted => Err(no_other_tier(wanted, above.tier)),
        _ => Ok(()),
    }
}

/// That a child run is in the tier of the run above it.
pub(super) fn no_other_tier(wanted: Tier, above: Tier) -> Failure {
    let message = format!("no child run in tier {wanted} here: the run above is {above}");
    Failure::new(Exit::Usage, message)
        .hint("a child run is held as its parent is; leave `--tier` out")
}
