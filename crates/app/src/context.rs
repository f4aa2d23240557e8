//! What every command is given: the plane's place, the configuration, and where results go.

use std::path::PathBuf;

use marque_crypto::Secret;

use crate::cli::Global;
use crate::client::{Client, RunProof, connect_or_start};
use crate::config::Config;
use crate::database::Database;
use crate::environment::Environment;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::passphrase::FactorSource;
use crate::place::DataDir;

/// What every command is given.
pub(crate) struct Context {
    /// The directory that holds the plane.
    pub(crate) data: DataDir,
    /// The configuration file, named or not, there or not.
    pub(crate) config_file: PathBuf,
    /// Whether it was named.
    pub(crate) config_was_named: bool,
    /// The environment of this process.
    pub(crate) environment: Environment,
    /// Where results go.
    pub(crate) output: Output,
    /// Where the human's factor comes from.
    pub(crate) factor: FactorSource,
}

impl Context {
    /// From the command line and the environment.
    pub(crate) fn new(global: &Global, environment: Environment) -> Result<Self, Failure> {
        let no_color = environment.os("NO_COLOR").is_some();
        let data = DataDir::find(global.data_dir.as_deref(), &environment)?;
        let config_file = global.config.clone().unwrap_or_else(|| data.config());
        let config_file = std::path::absolute(&config_file).unwrap_or(config_file);
        Ok(Self {
            data,
            config_file,
            config_was_named: global.config.is_some(),
            output: Output::new(global, no_color),
            factor: FactorSource::new(global.passphrase_file.clone()),
            environment,
        })
    }

    /// The configuration.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        Config::load(&self.config_file, self.config_was_named)
    }

    /// A client that speaks as a human.
    pub(crate) fn client(&self) -> Client {
        let inherited = self.environment.os("MARQUE_SOCKET").filter(|_| self.is_inside_a_run());
        let socket = inherited.map_or_else(|| self.data.socket(), PathBuf::from);
        Client::new(socket, self.factor.clone())
    }

    /// Whether this process was started by a run and still says so.
    pub(crate) fn is_inside_a_run(&self) -> bool {
        self.environment.os("MARQUE_RUN").is_some()
    }

    /// The same, with a server behind it: started if the plane is there and nobody serves it.
    pub(crate) async fn human(&self) -> Result<Client, Failure> {
        let client = self.client();
        if !self.is_inside_a_run() && !client.is_answered().await {
            self.must_have_a_plane()?;
            connect_or_start(self, &client).await?;
        }
        Ok(client)
    }

    /// Fails if there is no plane that a server could be started for.
    pub(crate) fn must_have_a_plane(&self) -> Result<(), Failure> {
        // A database is asked by the server alone.
        if Database::is_configured(self)? { Ok(()) } else { self.data.must_exist() }
    }

    /// A client that speaks as the run this process belongs to; none outside a run.
    pub(crate) fn run_client(&self) -> Result<Option<Client>, Failure> {
        let Some(run) = self.environment.text("MARQUE_RUN") else { return Ok(None) };
        let wanted = |name: &str| {
            self.environment.os(name).ok_or_else(|| {
                let message = format!("`MARQUE_RUN` is set and `{name}` is not");
                Failure::new(Exit::Failed, message)
                    .hint("inside a run leave the variables it set alone; outside unset them all")
            })
        };
        let client = Client::new(PathBuf::from(wanted("MARQUE_SOCKET")?), self.factor.clone());
        // The socket of a captured run proves it: there is no secret inside.
        let Some(secret) = self.environment.os("MARQUE_RUN_SECRET") else {
            return Ok(Some(client));
        };
        let secret = Secret::from_string(secret.to_string_lossy().into_owned());
        Ok(Some(client.speaking_as(RunProof { run: run.to_owned(), secret })))
    }
}
