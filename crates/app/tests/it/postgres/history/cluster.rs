//! Three servers on one database, and what the cast shares.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use marque_testkit::PostgresServer;

use super::super::super::support::Dice;
use super::super::super::support::{Marque, Proxy, Run, Upstream, World, eventually};
use super::super::{configure, url_of};

pub(super) const SERVERS: usize = 3;
/// Whose calls are limited, to how many, and what they may do. Nobody changes that.
pub(super) const THRIFTY: (&str, usize) = ("thrifty", 60);
/// Whose authority changes all the time.
pub(super) const AGENTS: [&str; 2] = ["anna", "bert"];

/// An open run, as clients know it.
#[derive(Clone)]
pub(super) struct OpenRun {
    pub(super) proxy: Proxy,
    pub(super) agent: &'static str,
}

pub(super) struct Cluster {
    servers: Vec<RwLock<Marque>>,
    /// Where their doors are, whatever becomes of them.
    pub(super) doors: Vec<SocketAddr>,
    pub(super) database: Mutex<PostgresServer>,
    pub(super) upstream: Upstream,
    pub(super) runs: Mutex<Vec<OpenRun>>,
    /// Calls answered, and changes acknowledged, so far.
    pub(super) answered: AtomicUsize,
    pub(super) changed: AtomicUsize,
    /// Commands under way at each server.
    under_way: [AtomicUsize; SERVERS],
    /// Which servers nobody is to command now.
    is_down: [AtomicBool; SERVERS],
    is_over: AtomicBool,
    // Holds the other upstream of the usual cast open.
    _api: Upstream,
}

impl Cluster {
    pub(super) fn new(database: PostgresServer) -> Self {
        let url = url_of(&database);
        let doors: Vec<_> = (0..SERVERS).map(|_| free_address()).collect();
        let mut first = Marque::nothing_yet();
        settle(&first, &url, doors[0], 0);
        first.serve();
        first.cli(&["claim", "--name", "alice"]).ok();
        let World { marque: first, api, plain } = World::on(first);
        for agent in AGENTS {
            first.cli(&["agent", "add", agent, "--purpose", "histories"]).ok();
        }
        let limit = THRIFTY.1.to_string();
        first.cli(&["agent", "add", THRIFTY.0, "--purpose", "-", "--limit-calls", &limit]).ok();
        let lines = ["--allow", "plain:read /v1/**", "--allow", "plain:write /v1/**"];
        first.cli(&[&["grant", "add", THRIFTY.0, "--until", "30d"], &lines[..]].concat()).ok();
        let mut servers = vec![first];
        for (number, door) in doors.iter().enumerate().skip(1) {
            let mut other = Marque::nothing_yet();
            settle(&other, &url, *door, number);
            let keys = servers[0].path("data/keys");
            other.tool("cp", &["-a", keys.to_str().unwrap(), "../data/keys"]).ok();
            other.serve();
            servers.push(other);
        }
        Self {
            servers: servers.into_iter().map(RwLock::new).collect(),
            doors,
            database: Mutex::new(database),
            upstream: plain,
            runs: Mutex::default(),
            answered: AtomicUsize::new(0),
            changed: AtomicUsize::new(0),
            under_way: Default::default(),
            is_down: Default::default(),
            is_over: AtomicBool::new(false),
            _api: api,
        }
    }

    /// What becomes of `marque` with these words at one of the servers.
    pub(super) fn commands<T>(
        &self,
        server: usize,
        words: &[&str],
        act: impl FnOnce(Command) -> T,
    ) -> T {
        self.under_way[server].fetch_add(1, Ordering::SeqCst);
        let command = self.servers[server].read().unwrap().words(words);
        let done = act(command);
        self.under_way[server].fetch_sub(1, Ordering::SeqCst);
        done
    }

    /// A server that can be commanded, after a short while.
    pub(super) fn some_server(&self, dice: &mut Dice) -> Option<usize> {
        let server = dice.throw(SERVERS);
        let is_down = self.is_down[server].load(Ordering::SeqCst);
        (self.waits(Duration::from_millis(2)) && !is_down).then_some(server)
    }

    /// Kills a server, and starts it again a while later.
    pub(super) fn kills(&self, server: usize, span: Duration) {
        self.is_down[server].store(true, Ordering::SeqCst);
        self.servers[server].write().unwrap().kill_server();
        std::thread::sleep(span);
        eventually("commands notice", || {
            (self.under_way[server].load(Ordering::SeqCst) == 0).then_some(())
        });
        self.with(server, |marque| {
            // One of them may have started a server in the background.
            marque.stop_background();
            marque.serve();
        });
        self.is_down[server].store(false, Ordering::SeqCst);
    }

    /// What is done to a server itself.
    pub(super) fn with<T>(&self, server: usize, act: impl FnOnce(&mut Marque) -> T) -> T {
        act(&mut self.servers[server].write().unwrap())
    }

    pub(super) fn ends(&self) {
        self.is_over.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// All faults are mended: every server opens a run, and every server serves it.
    pub(super) fn is_well(&self) {
        for server in 0..SERVERS {
            let (mut run, proxy) = self.with(server, |marque| {
                let mut run = Run::open(marque, &["--agent", "bot", "--task", "ticket:well"]);
                let proxy = run.proxy();
                (run, proxy)
            });
            for door in &self.doors {
                let there = Proxy { address: *door, ..proxy.clone() };
                let path = format!("http://plain.test/v1/well/{server}/{}", door.port());
                eventually("every server serves every run again", || {
                    (there.asks("GET", &path, "", "").status == 200).then_some(())
                });
            }
            run.types("true");
        }
    }

    /// Ends every server in order, and starts it anew.
    pub(super) fn restarts(&self) {
        for server in 0..SERVERS {
            self.with(server, |marque| {
                assert_eq!(marque.stop(), Some(0), "{}", marque.server_output());
                marque.serve();
            });
        }
    }

    /// A pause that ends early with the story; `false` once it is over.
    pub(super) fn waits(&self, span: Duration) -> bool {
        std::thread::sleep(span);
        !self.is_over()
    }
}

fn settle(marque: &Marque, url: &str, door: SocketAddr, number: usize) {
    configure(marque, url);
    let config = std::fs::read_to_string(marque.path("data/config.toml")).unwrap();
    let server = format!("[server]\nproxy_listen = \"{door}\"\n");
    marque.write("data/config.toml", &format!("{server}{config}replica = \"server-{number}\"\n"));
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
