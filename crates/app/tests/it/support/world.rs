//! The usual cast: an agent with a grant, and one upstream behind two connections.

use std::ops::{Deref, DerefMut};

use super::plane::Marque;
use super::proxy::Proxy;
use super::run::Run;
use super::told::Json;
use super::upstream::Upstream;

/// What the upstreams demand. It must turn up nowhere but there.
pub(crate) const CREDENTIAL: &str = "canary-credential-7f3a91";

/// `api` is https://api.test, `plain` is http://plain.test; agent `bot` may read both, may POST
/// items, and must ask before it POSTs orders.
pub(crate) struct World {
    pub(crate) marque: Marque,
    /// Behind `api`, over TLS.
    pub(crate) api: Upstream,
    /// Behind `plain`.
    pub(crate) plain: Upstream,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(Marque::start())
    }

    /// The cast on a plane that is served and claimed.
    pub(crate) fn on(marque: Marque) -> Self {
        Self::before(marque, Upstream::plain())
    }

    /// The same, with that upstream behind `plain`.
    pub(crate) fn before(marque: Marque, plain: Upstream) -> Self {
        let api = Upstream::private("api.test");
        let world = Self { marque, api, plain };
        world.write("secret", CREDENTIAL);
        world.cli(&["agent", "add", "bot", "--purpose", "stories"]).ok();
        let authority = world.write("authority.pem", world.api.authority.as_deref().unwrap());
        let authority = authority.to_str().unwrap();
        world.connects("api", &world.api, &["--host", "api.test", "--authority", authority]);
        world.connects("plain", &world.plain, &["--host", "plain.test", "--plain-http"]);
        world.grants("bot");
        world
    }

    /// Registers a connection that dials `upstream`.
    pub(crate) fn connects(&self, name: &str, upstream: &Upstream, words: &[&str]) {
        let (secret, pin) = (self.path("secret"), upstream.address.to_string());
        let secret = secret.to_str().unwrap();
        let common = ["connection", "add", name, "--pin", &pin, "--bearer"];
        self.cli(&[&common, ["--secret-file", secret].as_slice(), words].concat()).ok();
    }

    /// Grants an agent what `bot` has; the grant's id.
    pub(crate) fn grants(&self, agent: &str) -> String {
        let grant = self.json(&[
            "grant",
            "add",
            agent,
            "--until",
            "30d",
            "--allow",
            "api:GET /v1/**",
            "--allow",
            "plain:GET /v1/**",
            "--allow",
            "api:POST /v1/items",
            "--allow",
            "plain:POST /v1/items",
            "--ask",
            "api:POST /v1/orders",
            "--ask",
            "plain:POST /v1/orders",
        ]);
        grant["id"].as_str().unwrap().to_owned()
    }

    /// Limits the calls of `bot` to so many a day, and its bytes to many.
    pub(crate) fn sets_budget(&self, calls: usize) {
        let calls = calls.to_string();
        let bytes = ["--bytes-per-day", "1TiB"];
        self.cli(&[&["agent", "limit", "bot", "--calls-per-day", &calls], &bytes[..]].concat())
            .ok();
    }

    /// What `bot` may spend today, and has spent.
    pub(crate) fn budget(&self) -> Json {
        self.json(&["agent", "show", "bot"])["budget"].clone()
    }

    /// A run of `bot` with a shell in it.
    pub(crate) fn run(&self) -> Run {
        Run::open(self, &["--agent", "bot", "--task", "ticket:OPS-12"])
    }

    /// A captured run of `bot` with a shell in it.
    pub(crate) fn captured(&self) -> Run {
        Run::open_in("captured", self, &["--agent", "bot", "--task", "ticket:OPS-12"])
    }

    /// [`World::run`], and the proxy with its proof.
    pub(crate) fn door(&self) -> (Run, Proxy) {
        let mut run = self.run();
        let proxy = run.proxy();
        (run, proxy)
    }

    /// Gives the only approval that waits; its id.
    pub(crate) fn gives(&self) -> String {
        let waiting = self.json(&["approval", "list"]);
        assert_eq!(waiting.as_array().unwrap().len(), 1, "{waiting}");
        let id = waiting[0]["approval"]["id"].as_str().unwrap().to_owned();
        self.cli(&["approval", "give", &id]).ok();
        id
    }
}

impl Deref for World {
    type Target = Marque;

    fn deref(&self) -> &Marque {
        &self.marque
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut Marque {
        &mut self.marque
    }
}
