//! `marque run -- COMMAND…`

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use clap::Args;
use marque_crypto::Secret;
use marque_domain::size::parse_size;
use marque_domain::{Limits, Name, TaskRef, Tier, UserName};
use marque_plane::spec::{Lines, RunSpec};
use marque_plane::view::{CheckpointView, EndedView, OpenedRunView, StatusView};
use marque_tlog::{Checkpoint, VerifierKey};

use super::held::{Held, HomeProfile};
use super::shown;
use crate::client::{Client, Request, RunProof, connect_or_start};
use crate::commands::grant::LineArgs;
use crate::config::Span;
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch::git::{self, WantedGit};
use crate::launch::{self, Bundle, Cause, Reach, Wanted, anchor, mandate};

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
    /// Hide this path from the command as well; may be repeated
    #[arg(long, value_name = "PATH")]
    pub(super) hide: Vec<PathBuf>,
    /// Say what the run would be, and start nothing; refused inside a run
    #[arg(long)]
    dry_run: bool,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

/// Where a run is opened from.
struct Desk {
    client: Client,
    path: &'static str,
    /// The log's key, where this launcher keeps anchors.
    key: Option<VerifierKey>,
}

impl Open {
    pub(crate) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        if self.command.is_empty() && !self.dry_run {
            return Err(Failure::new(Exit::Usage, "there is no command to run")
                .hint("write it after two dashes: `marque run --agent NAME -- COMMAND…`")
                .into());
        }
        let desk = Desk::find(context).await?;
        let mut held = if self.dry_run { Held::untried() } else { self.hold_tight(context)? };
        let spec = RunSpec { tier: held.tier(), ..self.spec(context)? };
        let request = Request::post(desk.path).json(&spec)?.dry_run(self.dry_run);
        let opened: OpenedRunView = desk.client.send(&request).await?;
        introduce(context, &opened, &held);
        if self.dry_run {
            return Ok(Exit::Done);
        }
        let run = desk.client_of(context, &opened);
        let hold = Request::get("/v1/run/hold").waiting();
        let mut hold = std::pin::pin!(run.send::<EndedView>(&hold));
        let ended = match &mut held {
            Held::Captured(stage) => {
                let door = context.data.doors();
                self.launch_captured(context, hold.as_mut(), (&opened, stage, &door)).await
            }
            #[cfg(target_os = "linux")]
            Held::Confined(fence, _) => {
                let parts = (&opened, &mut **fence, run.socket());
                self.launch_confined(context, hold.as_mut(), parts).await
            }
            Held::Advisory(_) => self.launch(context, hold.as_mut(), (&opened, run.socket())).await,
        };
        let is_clean = ended.as_ref().is_ok_and(|ended| ended.is_clean);
        // ORDER: the server takes an end for the word that no process of the run is left at this
        // terminal. Without that word it closes the run when the hold below is dropped.
        let told: Option<EndedView> = if is_clean || ended.is_err() {
            run.send(&Request::post("/v1/run/end")).await.ok()
        } else {
            context.output.warning(
                "a process of this run could not be ended: this terminal's unlock no longer counts",
            );
            None
        };
        let ended = ended?;
        let last = match (ended.cause, told) {
            (Cause::Lost(failure), None) => Err(failure),
            (Cause::Closed(last), told) => {
                context.output.warning(&format!("the run was closed: {}", last.run.state));
                // The end's checkpoint was made later, and covers what the kill recorded.
                Ok(told.unwrap_or(*last))
            }
            (_, Some(told)) => Ok(told),
            (Cause::Itself, None) => {
                Err(Failure::new(Exit::Failed, "the run's end could not be told to the server"))
            }
        };
        match last {
            Ok(last) => {
                let key = desk.signer_of(&last.checkpoint).await;
                self.conclude(context, key.as_ref(), &last)?;
            }
            Err(failure) => context.output.failure(&failure),
        }
        Ok(Exit::Passed(ended.code))
    }

    async fn launch(
        &self,
        context: &Context,
        hold: Pin<&mut impl Future<Output = Result<EndedView, Failure>>>,
        (opened, socket): (&OpenedRunView, &Path),
    ) -> Result<launch::Ended, Failure> {
        let bundle = Bundle::write(&context.environment, &opened.ca_pem)?;
        if !bundle.has_system() {
            context.output.warning("this system's certificate authorities were not found");
        }
        let path = bundle.path();
        let reach = Reach::Proxy;
        let wanted = Wanted { opened, reach, bundle: &path, socket, also: &self.env };
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

    fn spec(&self, context: &Context) -> Result<RunSpec, Failure> {
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

    /// Prints what the run came to, and keeps what was seen of the log.
    fn conclude(
        &self,
        context: &Context,
        key: Option<&VerifierKey>,
        last: &EndedView,
    ) -> Result<(), Failure> {
        let (run, checkpoint) = (&last.run, &last.checkpoint);
        context.output.remark(&format!(
            "marque: {} {}: {} calls, {} refused; see `marque log query --run {}`\n\
             marque: checkpoint {}:{}",
            run.id, run.state, run.calls, run.refusals, run.id, checkpoint.size, checkpoint.root
        ));
        let Some(key) = key else { return Ok(()) };
        let file = match &self.anchors {
            Some(file) => file.clone(),
            None => anchor::file(&context.environment, key)?,
        };
        anchor::append(&file, checkpoint, key)?;
        context.output.remark(&format!("marque: anchored in `{}`", file.display()));
        Ok(())
    }
}

impl Desk {
    /// Inside a run, the run itself; outside, a human.
    async fn find(context: &Context) -> Result<Self, Failure> {
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
    async fn signer_of(&self, checkpoint: &CheckpointView) -> Option<VerifierKey> {
        let known = self.key.clone()?;
        if Checkpoint::open(&checkpoint.note, &known).is_ok() {
            return Some(known);
        }
        let status = self.client.send::<StatusView>(&Request::get("/v1/status")).await;
        Some(status.ok().and_then(log_key).unwrap_or(known))
    }

    fn client_of(&self, context: &Context, opened: &OpenedRunView) -> Client {
        let run = opened.run.id.to_string();
        let secret = Secret::from_string(opened.secret.clone());
        let socket = self.client.socket().to_owned();
        Client::new(socket, context.factor.clone()).speaking_as(RunProof { run, secret })
    }
}

fn log_key(status: StatusView) -> Option<VerifierKey> {
    status.claimed.and_then(|claim| claim.log_key.parse().ok())
}

/// The identity line, and what the tier is worth.
fn introduce(context: &Context, opened: &OpenedRunView, held: &Held) {
    let run = &opened.run;
    if context.output.is_json() {
        context.output.remark(&serde_json::to_string(run).unwrap_or_default());
    } else {
        context.output.remark(shown::fields(run).text().trim_end());
    }
    for line in &opened.left_out {
        context.output.warning(&format!(
            "`{}` of {} lies beyond the grants and was left out",
            crate::output::clean(line),
            mandate::REPOSITORY_FILE
        ));
    }
    if let Some(why) = held.why_not_captured() {
        context.output.warning(&format!("this machine does not let a run be captured: {why}"));
    }
    if run.tier == Tier::Confined {
        let port = opened.proxy.rsplit_once(':').map_or("?", |(_, port)| port);
        context.output.warning(&format!(
            "tier confined: any host stays reachable at port {port}, the proxy's; nothing in the \
             working directory is locked; commits are not signed"
        ));
        for what in held.lacking() {
            context.output.warning(&format!("tier confined: this kernel does not hold {what}"));
        }
    }
    if run.tier == Tier::Advisory {
        context.output.warning(
            "tier advisory: a tool that ignores the proxy variables is not held, and another \
             process of your user can use this run's identity or read your files",
        );
    }
}
