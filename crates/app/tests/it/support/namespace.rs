//! A network of its own: another machine, as far as packets can tell, on two links to this one.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};

/// A network namespace. It and its links are gone with the process that holds it.
pub(crate) struct Namespace {
    holder: Child,
    /// This machine's end of each link.
    links: [String; 2],
    net: [u8; 2],
}

impl Namespace {
    /// One with two links; `None`, said aloud, where this machine makes none.
    pub(crate) fn new() -> Option<Self> {
        let mut holder = Command::new("unshare");
        holder.args(["--net", "sh", "-c", "echo there; read -r told"]);
        holder.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut holder = holder.spawn().ok()?;
        // It is in its namespace before it says a word.
        let mut first = [0];
        let there = std::io::Read::read(holder.stdout.as_mut().unwrap(), &mut first);
        let (pid, id) = (holder.id(), std::process::id());
        let links = ["d", "u"].map(|kind| format!("mq{id}{kind}"));
        let [_, _, high, low] = id.to_be_bytes();
        let namespace = Self { holder, links, net: [high, low] };
        let is_laid = there.unwrap_or(0) == 1
            && namespace.told(&["ip", "link", "set", "lo", "up"])
            && (0..2).all(|place| namespace.lay(place, pid));
        if !is_laid {
            let said = "SKIPPED: no network namespace with links can be made here\n";
            let _ = std::io::stderr().write_all(said.as_bytes());
        }
        is_laid.then_some(namespace)
    }

    /// This machine's address on a link, as it is seen from inside.
    pub(crate) fn address(&self, link: usize) -> Ipv4Addr {
        let [high, low] = self.net;
        Ipv4Addr::new(10, high, low, if link == 0 { 1 } else { 5 })
    }

    /// Lets nothing over a link, or everything again.
    pub(crate) fn sets(&self, link: usize, state: &str) {
        assert!(here(&["ip", "link", "set", &self.links[link], state]), "the link stays as it is");
    }

    /// Words before a command that runs inside.
    pub(super) fn words(&self) -> Vec<String> {
        let target = self.holder.id().to_string();
        ["nsenter", "--net", "--target", &target, "--"].map(str::to_owned).to_vec()
    }

    fn lay(&self, place: usize, pid: u32) -> bool {
        let (near, far) = (&self.links[place], ["db", "far"][place]);
        let (pid, address) = (pid.to_string(), self.address(place));
        let [a, b, c, last] = address.octets();
        let there = format!("{a}.{b}.{c}.{}/30", last + 1);
        let peer = ["type", "veth", "peer", "name", far, "netns", &pid];
        here(&[&["ip", "link", "add", near][..], &peer].concat())
            && here(&["ip", "address", "add", &format!("{address}/30"), "dev", near])
            && here(&["ip", "link", "set", near, "up"])
            && self.told(&["ip", "address", "add", &there, "dev", far])
            && self.told(&["ip", "link", "set", far, "up"])
    }

    fn told(&self, words: &[&str]) -> bool {
        let inside = self.words();
        here(&inside.iter().map(String::as_str).chain(words.iter().copied()).collect::<Vec<_>>())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

fn here(words: &[&str]) -> bool {
    let done = Command::new(words[0]).args(&words[1..]).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}
