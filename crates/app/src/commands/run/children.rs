//! The launcher as its run's processes see it: they ask for child runs, and it opens them.
//!
//! Each child is a sibling: namespaces and listeners of its own, made out here, and of its parent
//! nothing but the directories it is lent. What a process asks for only narrows what its run has.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use marque_domain::Tier;
use marque_plane::spec::RunSpec;
use marque_plane::view::OpenedRunView;
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::again::Again;
use super::captured::{Bounds, Captured, Command};
use super::desk::client_of;
use super::ending::{conclude, end, introduce};
use super::hold::sockets;
use super::voice::Voice;
use crate::capture::asked::{self, Asked, Told};
use crate::capture::{self, Below, Stage, Unfit};
use crate::client::{Client, Request, Unheld};
use crate::commands::token::key::Key;
use crate::context::Context;
use crate::environment::Environment;
use crate::exit::{Exit, Failure};

/// Child runs of one run at once, and askers that have not said yet what they want.
const CHILDREN_MAX: usize = 16;
/// What is told to an asker and not read yet, and signals of theirs not passed on yet.
const TOLD_MAX: usize = 256;
const SIGNALS_MAX: usize = 16;
/// What may be passed on to a child.
const SIGNALS: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];

/// What child runs of one run are made of.
pub(super) struct Children<'a> {
    /// What every command is given.
    pub(super) context: &'a Context,
    /// Speaks as the run above.
    pub(super) parent: &'a Client,
    /// What the run above works on.
    pub(super) work: &'a capture::Work,
    /// Lends it.
    pub(super) lender: Arc<capture::Lender>,
    /// What the run above sees at most.
    pub(super) bounds: &'a Bounds,
}

/// One asker: what they are told, what they pass on, and when they are gone.
struct Asker {
    voice: Voice,
    said: mpsc::Sender<Told>,
    signals: mpsc::Receiver<Signal>,
    gone: CancellationToken,
}

type Child<'b> = Pin<Box<dyn Future<Output = bool> + 'b>>;

impl Children<'_> {
    /// Opens what is asked for until `over`, and waits until all of it has ended. Whether no
    /// process of any is left.
    pub(super) async fn serve(&self, launch: &UnixListener, over: CancellationToken) -> bool {
        let mut running: FuturesUnordered<Child<'_>> = FuturesUnordered::new();
        let mut are_clean = true;
        loop {
            let is_over = over.is_cancelled();
            if is_over && running.is_empty() {
                return are_clean;
            }
            tokio::select! {
                Some(is_clean) = running.next(), if !running.is_empty() => are_clean &= is_clean,
                () = over.cancelled(), if !is_over => {}
                came = launch.accept(), if !is_over => match came {
                    Ok((stream, _)) if running.len() < CHILDREN_MAX => {
                        running.push(Box::pin(self.child(stream, over.clone())));
                    }
                    Ok((stream, _)) => refuse(&stream),
                    // Out of descriptors, say: not again at once.
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                },
            }
        }
    }

    /// One child run from what is asked to its end. Whether no process of it is left.
    async fn child(&self, mut stream: UnixStream, over: CancellationToken) -> bool {
        let heard = tokio::select! {
            heard = asked::hear(&mut stream) => heard,
            () = over.cancelled() => return true,
        };
        let (asked, streams) = match heard {
            Ok(heard) => heard,
            Err(failure) => {
                asked::tell_now(&stream, &Told::from(&failure));
                asked::tell_now(&stream, &Told::Ended(failure.exit.code()));
                return true;
            }
        };
        let (reader, writer) = stream.into_split();
        let (said, telling) = mpsc::channel(TOLD_MAX);
        let (passed, signals) = mpsc::channel(SIGNALS_MAX);
        let gone = over.child_token();
        let voice = Voice::Asker { is_json: asked.is_json, said: said.clone() };
        let asker = Asker { voice, said, signals, gone: gone.clone() };
        let whole = async {
            let run = self.run(asked, streams, asker);
            tokio::join!(run, speak(writer, telling, gone.clone())).0
        };
        tokio::select! {
            is_clean = whole => is_clean,
            never = listen(reader, passed, &gone) => never,
        }
    }

    async fn run(&self, asked: Asked, streams: Streams, asker: Asker) -> bool {
        let Asker { voice, said, signals, gone } = asker;
        let mut is_clean = true;
        let ended = self.open(asked, streams, (&voice, signals, &gone), &mut is_clean).await;
        let code = ended.unwrap_or_else(|failure| {
            voice.failure(&failure);
            failure.exit.code()
        });
        // Whoever is told may not read; the writer gives up on them.
        let _heard = said.send(Told::Ended(code)).await;
        is_clean
    }

    /// Opens a child run, and returns its command's code once it is over.
    async fn open(
        &self,
        asked: Asked,
        streams: Streams,
        (voice, signals, gone): (&Voice, mpsc::Receiver<Signal>, &CancellationToken),
        is_clean: &mut bool,
    ) -> Result<u8, Failure> {
        let environment: Environment = asked.variables.into_iter().collect();
        let token_key = asked.has_token_key.then(Key::make).transpose()?;
        let keys = token_key.as_ref().map(Key::public_set).transpose()?;
        let spec = RunSpec { tier: Tier::Captured, keys, ..asked.spec };
        let request = Request::post("/v1/run/children").json(&spec)?;
        let opened: OpenedRunView = self.parent.send(&request).await?;
        let run = client_of(self.context, self.parent, &opened);
        let again = Again::new(voice, &run, &opened, self.context.data.doors());
        let hold = async {
            tokio::select! {
                ended = again.hold() => ended,
                () = gone.cancelled() => {
                    let message = "whoever asked for this run is gone";
                    Err(Unheld::Refused(Failure::new(Exit::Failed, message)))
                }
            }
        };
        let mut hold = std::pin::pin!(hold);
        let hidden = self.bounds.hidden.iter().chain(&asked.hide).cloned().collect();
        let bounds = Bounds { profile: self.bounds.profile.max(asked.home), hidden };
        // ORDER: held from here on, however long it takes to build.
        let stage = tokio::select! {
            biased;
            ended = hold.as_mut() => match ended {
                Ok(ended) => Err(Failure::new(
                    Exit::Failed,
                    format!("the run was closed before it began: {}", ended.run.state),
                )),
                Err(why) => Err(why.into()),
            },
            stage = self.build(asked.directory, bounds.clone(), streams) => stage,
        };
        let ended = match &stage {
            Ok(stage) => {
                introduce(voice, &opened, (None, &[]));
                let captured = Captured {
                    context: self.context,
                    voice,
                    opened: &opened,
                    run: &run,
                    again: &again,
                    stage,
                    bounds: &bounds,
                    command: Command {
                        words: &asked.words,
                        environment: &environment,
                        also: &asked.also,
                        has_git: asked.has_git,
                        token_key: token_key.as_ref(),
                    },
                };
                captured.launch(Some(signals), hold.as_mut()).await
            }
            Err(failure) => Err(failure.clone()),
        };
        *is_clean = ended.as_ref().map_or(true, |ended| ended.is_clean);
        let over = end(voice, &run, ended).await?;
        match over.last {
            Ok(last) => conclude(voice, &last),
            Err(failure) => voice.failure(&failure),
        }
        Ok(over.code)
    }

    // Walks what processes inside may have made large, so others wait for it and not the runtime.
    async fn build(
        &self,
        directory: PathBuf,
        bounds: Bounds,
        streams: Streams,
    ) -> Result<Stage, Failure> {
        let home = self.context.environment.path("HOME").filter(|home| home.is_dir());
        let (work, lender) = (self.work.clone(), Arc::clone(&self.lender));
        let covered = capture::named_by(&self.context.environment);
        let built = TaskTracker::new().spawn_blocking(move || {
            let wanted = capture::Wanted {
                home,
                profile: bounds.profile,
                directory,
                hidden: bounds.hidden,
                program: std::env::current_exe().ok(),
                covered,
                sockets: sockets()?,
            };
            Stage::build_below(&wanted, Below { work: &work, lender: &lender, streams })
        });
        let built = built.await.map_err(|error| {
            Failure::new(Exit::Failed, format!("no child run could be built: {error}"))
        })?;
        built?.map_err(|Unfit { step, why }| {
            Failure::new(Exit::Failed, format!("no child run here: cannot {step}: {why}"))
        })
    }
}

type Streams = [std::os::fd::OwnedFd; 3];

fn refuse(stream: &UnixStream) {
    let message = format!("this run has {CHILDREN_MAX} child runs, and no more at once");
    let failure = Failure::new(Exit::Refused, message).hint("let one of them end first");
    asked::tell_now(stream, &Told::from(&failure));
    asked::tell_now(stream, &Told::Ended(failure.exit.code()));
}

/// Tells what is to be told; an asker that does not read it in time counts as gone.
async fn speak(
    mut writer: OwnedWriteHalf,
    mut telling: mpsc::Receiver<Told>,
    gone: CancellationToken,
) {
    while let Some(told) = telling.recv().await {
        if asked::tell(&mut writer, &told).await.is_err() {
            gone.cancel();
        }
    }
}

/// Hears which signals an asker passes on, a byte each, and that they are gone.
async fn listen(
    mut reader: OwnedReadHalf,
    passed: mpsc::Sender<Signal>,
    gone: &CancellationToken,
) -> bool {
    while let Ok(code) = reader.read_u8().await {
        let known = SIGNALS.into_iter().find(|signal| signal.as_raw() == i32::from(code));
        if let Some(signal) = known {
            let _heard = passed.try_send(signal);
        }
    }
    gone.cancel();
    std::future::pending().await
}
