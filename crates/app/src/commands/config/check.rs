//! `marque config check`

use std::collections::BTreeSet;

use clap::Args;
use marque_domain::{Agent, Connection, Name};
use marque_store::StoreError;
use serde::Serialize;

use crate::context::Context;
use crate::database::Database;
use crate::exit::{Exit, Failure};
use crate::output::Fields;
use crate::server::policies;

/// More policies without a scope than this slow every decision down.
const MANY_UNSCOPED: usize = 50;

/// Check the configuration and the policies
///
/// Reads both the way the server would, and says what is wrong and where. Warns of policies that
/// name nothing that exists, and of many that apply to every call.
#[derive(Args)]
#[command(after_help = "\
Examples:
  marque config check
  marque config check --config /etc/marque/config.toml")]
pub(crate) struct Check {}

/// What was found.
#[derive(Serialize)]
struct Found {
    config: String,
    store: String,
    policies_in: String,
    policies: usize,
    unscoped: usize,
    warnings: Vec<String>,
}

pub(crate) fn run(context: &Context) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let directory = policies::directory(&config, &context.data);
    let set = policies::load(&directory)?;
    let database = Database::of(&config, &context.environment, &context.data)?;
    let mut warnings: Vec<String> = match names(&database)? {
        Ok(names) => set
            .check_names(
                |name| names.agents.contains(name),
                |name| names.connections.contains(name),
            )
            .iter()
            .map(ToString::to_string)
            .collect(),
        Err(unreachable) => vec![format!("names in policies were not checked: {unreachable}")],
    };
    let unscoped = set.unscoped_count();
    if unscoped > MANY_UNSCOPED {
        warnings.push(format!(
            "{unscoped} policies name neither agent, action nor connection in their head: \
             every decision pays for each of them"
        ));
    }
    for warning in &warnings {
        context.output.warning(warning);
    }
    let found = Found {
        config: context.config_file.display().to_string(),
        store: database.place(),
        policies_in: directory.display().to_string(),
        policies: set.len(),
        unscoped,
        warnings,
    };
    context.output.result(&found, |found| {
        Fields::default()
            .with("config", &found.config)
            .with("store", &found.store)
            .with("policies", format!("{} in {}", found.policies, found.policies_in))
            .with("warnings", found.warnings.len())
            .text()
    })?;
    Ok(Exit::Done)
}

#[derive(Default)]
struct Names {
    agents: BTreeSet<Name>,
    connections: BTreeSet<Name>,
}

/// The names that exist, if there is a plane yet; or why its database cannot be asked.
fn names(database: &Database) -> Result<Result<Names, StoreError>, Failure> {
    let read = database.open_read_only().and_then(|store| {
        store.read("config.names", |tx| {
            Ok(Names {
                agents: tx.all::<Agent>()?.into_iter().map(|agent| agent.fact.name).collect(),
                connections: tx
                    .all::<Connection>()?
                    .into_iter()
                    .map(|connection| connection.fact.name)
                    .collect(),
            })
        })
    });
    match read {
        Err(StoreError::Absent(_)) => Ok(Ok(Names::default())),
        Err(error @ StoreError::Unreachable(_)) => Ok(Err(error)),
        answer => Ok(Ok(answer.map_err(|error| {
            let message = format!("cannot read the plane's names: {error}");
            Failure { message, ..Failure::from(error) }
        })?)),
    }
}
