//! `marque store restored`

use clap::Args;
use marque_plane::{Plane, RestoredView};
use serde::Serialize;

use crate::cli::Rehearsal;
use crate::context::Context;
use crate::database::{Database, Opened};
use crate::exit::{Exit, Failure};
use crate::output::Fields;
use crate::server::keys::Keys;
use crate::server::seen::Memory;
use crate::server::{parts, policies};

/// Take a store that was restored from a backup, and turn off what may have been revoked since
///
/// What was taken away after the backup is not known to it: a revoked grant is live in it, a killed
/// run is open. So every agent is suspended, every run closed, every approval lapsed, until a human
/// turns it on again; the log says so. Needs every server of the plane stopped, and no passphrase:
/// it only takes away. A server that finds a store older than it has seen it does not start before.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque store restored --dry-run
  marque store restored")]
pub(crate) struct Restored {
    #[command(flatten)]
    rehearsal: Rehearsal,
}

#[derive(Serialize)]
struct Taken {
    store: String,
    #[serde(flatten)]
    view: RestoredView,
    dry_run: bool,
}

impl Restored {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Exit> {
        context.must_have_a_plane()?;
        let (config, database) = (context.config()?, Database::find(context)?);
        context.data.prepare()?;
        let policies = policies::load(&policies::directory(&config, &context.data))?;
        let dry_run = self.rehearsal.dry_run;
        let view = if dry_run {
            let (store, keys) = (database.open_read_only()?, Keys::load(&context.data)?);
            let memory = Memory::load(context, &store, keys.log_key.public())?;
            Plane::would_restore(&store, &parts(keys, policies, &memory)).map_err(Failure::from)?
        } else {
            // The lock is held to the end.
            let Opened { store, keys, lock: _lock } = database.open(&config, &context.data)?;
            let mut memory = Memory::load(context, &store, keys.log_key.public())?;
            let view = Plane::restore(store, parts(keys, policies, &memory));
            let view = view.map_err(Failure::from)?;
            if let Some(head) = view.head {
                memory.keep(head)?;
            }
            view
        };
        context.output.result(&Taken { store: database.place(), view, dry_run }, text)?;
        Ok(Exit::Done)
    }
}

fn text(taken: &Taken) -> String {
    let Taken { store, view, dry_run } = taken;
    let seen = match &view.seen {
        Some(seen) if seen.size > view.found => format!("{} entries", seen.size),
        Some(_) => "no more than that".to_owned(),
        None => "nobody remembers".to_owned(),
    };
    let fields = Fields::default()
        .with("store", store)
        .with("log", format!("{} entries, {}", view.found, view.root))
        .with("seen before", seen)
        .each("suspended", &view.agents)
        .with("runs closed", view.runs.len())
        .with("approvals lapsed", view.approvals.len());
    if *dry_run {
        return format!("{}nothing was changed: this was a rehearsal\n", fields.text());
    }
    let resume = view.agents.first().map_or("NAME", marque_domain::Name::as_str);
    format!(
        "{}
Nothing is allowed until a human turns it on again. Start the server, then:

  marque grant list             revoke again what was revoked since the backup
  marque connection list        remove again what was removed; credentials rotated since are the
                                old ones again: `marque connection rotate`
  marque agent resume {resume}
                                each agent that is to go on, once its grants are right

Anchors from after the backup speak of entries that are lost: put their file aside, or `marque log
verify` says so for ever.
",
        fields.text()
    )
}
