//! Building what holds a run, beside the search for its server: captured if the machine allows it,
//! or the next best.

use std::io::Read as _;
use std::path::PathBuf;

use marque_domain::Tier;
use tokio_util::task::TaskTracker;

use super::held::Held;
use super::open::Open;
use crate::capture::{self, Fence, Stage, Unfit, Wanted, kernel};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::launch::children;
use crate::place::anchors_dir;

/// Most bytes of the kernel's list of sockets.
const SOCKETS_MAX_BYTES: u64 = 4 * 1024 * 1024;

impl Open {
    /// Begins to build what holds the run. It is awaited for what was built, or why nothing could
    /// be; nothing is opened by then.
    pub(super) fn hold_tight(
        &self,
        context: &Context,
    ) -> Result<impl Future<Output = Result<Held, Failure>> + use<>, Failure> {
        // A child is held as its parent is.
        let is_bare = self.dry_run || self.tier == Some(Tier::Advisory);
        let is_held = !is_bare && !context.is_inside_a_run();
        let plan = is_held.then(|| self.plan(context)).transpose()?;
        // ORDER: begun here, and not where it is awaited.
        let built = plan.map(|plan| TaskTracker::new().spawn_blocking(move || plan.build()));
        Ok(async {
            match built {
                None => Ok(Held::Advisory(None)),
                Some(built) => built.await.unwrap_or_else(|error| {
                    let message = format!("what holds the run could not be built: {error}");
                    Err(Failure::new(Exit::Failed, message))
                }),
            }
        })
    }

    fn plan(&self, context: &Context) -> Result<Plan, Failure> {
        // What is inside becomes ours to end, whatever becomes of the process that starts it.
        children::adopt().map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot adopt what the command leaves: {error}"))
        })?;
        let wanted = Wanted {
            home: context.environment.path("HOME"),
            profile: self.home,
            directory: PathBuf::from("."),
            hidden: self.hidden(context)?,
            program: std::env::current_exe().ok(),
            covered: capture::named_by(&context.environment),
            sockets: String::new(),
        };
        Ok(Plan { tier: self.tier, wanted })
    }

    /// Paths that the command does not see, beside those that nobody's does.
    pub(super) fn hidden(&self, context: &Context) -> Result<Vec<PathBuf>, Failure> {
        let mut hidden = vec![context.data.path().to_owned(), context.config_file.clone()];
        hidden.extend(anchors_dir(&context.environment));
        hidden.extend(self.hide.iter().cloned());
        hidden.extend(context.factor.file().map(std::path::Path::to_owned));
        hidden.extend(context.config()?.database.url_file);
        Ok(hidden)
    }
}

/// What is to be built.
struct Plan {
    /// The tier that was demanded.
    tier: Option<Tier>,
    wanted: Wanted,
}

impl Plan {
    /// Builds the inside of the run, or falls back where that is allowed.
    fn build(mut self) -> Result<Held, Failure> {
        self.wanted.home = self.wanted.home.filter(|home| home.is_dir());
        if self.tier == Some(Tier::Confined) {
            return self.fence_in(None);
        }
        self.wanted.sockets = sockets()?;
        match Stage::build(&self.wanted)? {
            Ok(stage) => Ok(Held::Captured(Box::new(stage))),
            Err(unfit) if self.tier.is_some() => Err(self.impossible(&reason(&unfit))),
            Err(unfit) => self.fence_in(Some(reason(&unfit))),
        }
    }

    /// Fences the run in, or falls back where that is allowed; `why` it is not captured.
    fn fence_in(mut self, why: Option<String>) -> Result<Held, Failure> {
        // No socket of this machine can be connected to, wherever it lies.
        self.wanted.sockets = String::new();
        match Fence::build(&self.wanted)? {
            Ok(fence) => Ok(Held::Confined(Box::new(fence), why)),
            Err(Unfit { step, why: unfit }) => {
                let unfit = format!("cannot {step}: {unfit}");
                match why {
                    Some(why) => Ok(Held::Advisory(Some(format!("{why}; nor confined: {unfit}")))),
                    None => Err(self.impossible(&unfit)),
                }
            }
        }
    }

    fn impossible(&self, why: &str) -> Failure {
        let wanted = self.tier.unwrap_or_default();
        let message = format!("no run in tier {wanted} here: {why}");
        Failure::new(Exit::Failed, message).hint("`marque doctor` tells what this machine lacks")
    }
}

/// Why nothing can be captured here, and what to do about it if that is known.
fn reason(unfit: &Unfit) -> String {
    let Unfit { step, why } = unfit;
    match kernel::obstacle() {
        Some(known) => format!("cannot {step}: {why}: {}; {}", known.why, known.remedy),
        None => format!("cannot {step}: {why}"),
    }
}

/// The kernel's list of sockets.
pub(super) fn sockets() -> Result<String, Failure> {
    let mut list = String::new();
    let read = std::fs::File::open("/proc/net/unix")
        .and_then(|file| file.take(SOCKETS_MAX_BYTES).read_to_string(&mut list));
    match read {
        Ok(length) if (length as u64) < SOCKETS_MAX_BYTES => Ok(list),
        Ok(_) => {
            Err(Failure::new(Exit::Failed, "this machine has too many sockets to look at each"))
        }
        Err(error) => {
            let message = format!("cannot tell which sockets this machine has: {error}");
            Err(Failure::new(Exit::Failed, message))
        }
    }
}
