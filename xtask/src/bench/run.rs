//! A run of an agent, held open, and what proves it at the proxy door.

use std::fs::File;

use anyhow::ensure;

use super::places::Places;
use super::shell::Shell;

/// A run, held open by its shell.
pub(super) struct Run {
    pub(super) id: String,
    /// What proves it at a proxy door.
    pub(super) proof: String,
    shell: Shell,
}

impl Run {
    /// Opens an advisory run of the agent `bench` on the plane in that data directory.
    pub(super) fn open(places: &Places, data: &str) -> anyhow::Result<Self> {
        let words = ["run", "--tier", "advisory", "--agent", "bench", "--ttl", "12h", "--", "sh"];
        let mut launcher = places.marque(data, &words);
        let said = File::options().create(true).append(true).open(places.at("launchers"))?;
        launcher.stderr(said);
        let mut shell = Shell::open(launcher)?;
        let id = shell.says("printf %s \"$MARQUE_RUN\"")?;
        // `http://RUN:SECRET@ADDRESS`: what is before the address proves the run.
        let proof = "printf %s \"$http_proxy\" | sed 's,^http://,,; s,@.*,,' | base64 -w 0";
        let proof = shell.says(proof)?;
        ensure!(!proof.is_empty(), "the run is not told of a proxy door");
        Ok(Self { id, proof, shell })
    }

    /// The authorities its tools trust, in PEM.
    pub(super) fn trust(&mut self) -> anyhow::Result<String> {
        self.shell.says("cat \"$SSL_CERT_FILE\"")
    }
}
