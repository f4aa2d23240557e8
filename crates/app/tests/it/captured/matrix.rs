//! Tool by tool: served, or refused so that the tool prints why, with no help but what a run sets.
//!
//! What is not installed is named and left out, but for what `.ci/run` installs.

use std::process::Stdio;

use super::super::support::{CREDENTIAL, GIT_TOKEN, GitHost, Run, Upstream, World};

/// Installed by `.ci/run`, so never absent where it ran.
const INSTALLED: [&str; 6] = ["curl", "git", "psql", "python3", "ssh", "wget"];

/// The usual cast, a package index, a registry and a git host, all at their well-known names.
struct Tools {
    index: Upstream,
    registry: Upstream,
    git: GitHost,
    run: Run,
    world: World,
}

impl Tools {
    fn new() -> Self {
        let world = World::new();
        let [index, registry] =
            [("index", "index.test"), ("registry", "registry.test")].map(|(name, host)| {
                let upstream = Upstream::private(host);
                let pem = upstream.authority.as_deref().unwrap();
                let authority = world.write(&format!("{name}.pem"), pem);
                let words = ["--host", host, "--authority", authority.to_str().unwrap()];
                world.connects(name, &upstream, &words);
                upstream
            });
        let git = GitHost::start(&world, &["acme/web"], &[]);
        let token = world.write("token", GIT_TOKEN);
        let (pin, authority) = (git.address.to_string(), git.authority.to_str().unwrap());
        let add = ["connection", "add", "code", "--git", "--host", "git.demo.test"];
        let how = ["--pin", &pin, "--authority", authority, "--basic", "x-access-token"];
        world.cli(&[&add[..], &how, &["--secret-file", token.to_str().unwrap()]].concat()).ok();
        let lines = [
            "index:GET /**",
            "registry:GET /**",
            "code:repo.read acme/web",
            "code:git.push acme/web refs/heads/agent/**",
        ];
        let lines = lines.iter().flat_map(|line| ["--allow", line]).collect::<Vec<_>>();
        world.cli(&[&["grant", "add", "bot", "--until", "1d"], &lines[..]].concat()).ok();
        let run = world.captured();
        Self { index, registry, git, run, world }
    }

    /// What a tool prints that is there, after it did what it should.
    #[expect(clippy::print_stdout, reason = "what was not tried is said")]
    fn of(&mut self, tool: &str, command: &str, is_served: bool) -> Option<String> {
        let is_there = self.run.types(&format!("command -v {tool}")).code == 0;
        let must_be_there = std::env::var_os("CI").is_some() && INSTALLED.contains(&tool);
        assert!(is_there || !must_be_there, "`{tool}` is not installed: see `.ci/run`");
        if !is_there {
            println!("ABSENT: {tool}");
            return None;
        }
        let typed = self.run.types(&format!("timeout 60 {command}"));
        assert_eq!(typed.code == 0, is_served, "`{command}`: {typed:?}");
        println!("{tool}: `{command}`: {}", typed.out);
        Some(typed.out)
    }

    fn is_served(&mut self, tool: &str, command: &str, answer: &str) {
        if let Some(out) = self.of(tool, command, true) {
            assert!(out.contains(answer), "`{command}` lacks `{answer}`: {out}");
            assert!(!out.contains(CREDENTIAL), "`{command}` shows the credential: {out}");
        }
    }

    fn is_refused(&mut self, tool: &str, command: &str, reason: &str) {
        if let Some(out) = self.of(tool, command, false) {
            assert!(out.contains(reason), "`{command}` does not say `{reason}`: {out}");
        }
    }

    /// Writes a program for the run to read.
    fn program(&self, name: &str, text: &str) {
        self.world.write(&format!("work/{name}"), text);
    }

    /// What every upstream saw carried its credential.
    fn all_were_proven(&self) {
        let seen = [&self.world.api, &self.world.plain, &self.index, &self.registry];
        let expected = format!("Bearer {CREDENTIAL}");
        for seen in seen.iter().flat_map(|upstream| upstream.saw()) {
            assert_eq!(seen.field("authorization"), Some(expected.as_str()), "{}", seen.head);
        }
        assert!(self.git.saw().iter().all(|line| line["is_right"] == true));
    }
}

const PYTHON: &str = "\
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode())
";
const NODE_FETCH: &str = "\
fetch(process.argv[2]).then((answer) => answer.text()).then(console.log);
";
const NODE_HTTPS: &str = "\
require('https').get(process.argv[2], (answer) => answer.pipe(process.stdout));
";
/// Calls `plain.test` without a library and without a word of its environment.
const RUST: &str = "\
use std::io::{Read, Write};
fn main() {
    let mut stream = std::net::TcpStream::connect(\"plain.test:80\").unwrap();
    let asked = \"GET /v1/rust HTTP/1.1\\r\\nHost: plain.test\\r\\nConnection: close\\r\\n\\r\\n\";
    stream.write_all(asked.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    println!(\"{answer}\");
}
";

#[test]
fn every_tool_is_served_with_what_a_run_sets_and_nothing_else() {
    let mut tools = Tools::new();
    tools.program("get.py", PYTHON);
    tools.program("fetch.js", NODE_FETCH);
    tools.program("https.js", NODE_HTTPS);
    for url in ["https://api.test/v1", "http://plain.test/v1"] {
        tools.is_served("curl", &format!("curl -sSf {url}/curl"), "/v1/curl");
        tools.is_served("wget", &format!("wget -qO- {url}/wget"), "/v1/wget");
        tools.is_served("python3", &format!("python3 get.py {url}/python"), "/v1/python");
        tools.is_served("node", &format!("node fetch.js {url}/fetch"), "/v1/fetch");
    }
    tools.is_served("node", "node https.js https://api.test/v1/https", "/v1/https");
    tools.all_were_proven();
    assert!(tools.world.api.saw().len() >= 3);
}

// The bundle lies where every library looks for it; node alone has roots of its own.
#[test]
fn a_tool_without_any_environment_is_served_the_same() {
    let mut tools = Tools::new();
    tools.program("get.py", PYTHON);
    for url in ["https://api.test/v1", "http://plain.test/v1"] {
        let bare = |command: &str| format!("env -i PATH=\"$PATH\" {command} {url}/bare");
        tools.is_served("curl", &bare("curl -sSf"), "/v1/bare");
        tools.is_served("wget", &bare("wget -qO-"), "/v1/bare");
        tools.is_served("python3", &bare("python3 get.py"), "/v1/bare");
    }
    let git = "env -i PATH=\"$PATH\" git ls-remote https://git.demo.test/acme/web";
    tools.is_served("git", git, "refs/heads/main");
    tools.all_were_proven();
}

#[test]
fn a_static_program_is_served() {
    let mut tools = Tools::new();
    tools.program("get.rs", RUST);
    let mut rustc = tools.world.command("rustc");
    // The toolchain is found below the home directory of whoever tests.
    for name in ["HOME", "RUSTUP_HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN"] {
        rustc.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    rustc.args(["-C", "target-feature=+crt-static", "get.rs", "-o", "get"]);
    assert!(rustc.stderr(Stdio::null()).status().unwrap().success());
    tools.is_served("./get", "env -i ./get", "/v1/rust");
    tools.all_were_proven();
}

#[test]
fn git_clones_and_pushes() {
    let mut tools = Tools::new();
    tools.is_served("git", "git clone -q https://git.demo.test/acme/web", "");
    let commit = "git -C web commit -q --allow-empty -m new";
    tools.is_served("git", commit, "");
    tools.is_served("git", "git -C web push -q origin HEAD:agent/new", "");
    tools.is_refused("git", "git -C web push -q origin HEAD:main", "refused.mandate");
    tools.is_served("git", "git ls-remote git@git.demo.test:acme/web", "refs/heads/agent/new");
    let pushed = tools.git.pushed();
    assert!(pushed.len() == 1 && pushed[0].ends_with("refs/heads/agent/new"), "{pushed:?}");
}

#[test]
fn package_tools_look_up_and_install() {
    let mut tools = Tools::new();
    tools.serves_packages();
    // As a company's own index and registry are named.
    let named = "export PIP_INDEX_URL=https://index.test/simple \
                 npm_config_registry=https://registry.test/";
    assert_eq!(tools.run.types(named).code, 0);
    tools.is_served("pip", "pip index versions demo-thing", "1.2.3");
    tools.is_served("pip", "pip download -q --no-deps demo-thing && ls", "demo_thing-1.2.3");
    // Of a page of an index that is refused, pip says nothing; of a file it does.
    let elsewhere = "pip download https://nobody.test/a-1.0-py3-none-any.whl";
    tools.is_refused("pip", elsewhere, "refused.mandate.nothing_allows");
    tools.is_served("npm", "npm view demo-thing version", "1.2.3");
    tools.is_served("npm", "npm install --no-audit --no-fund demo-thing", "added 1 package");
    let elsewhere = "npm view --registry https://nobody.test demo-thing";
    tools.is_refused("npm", elsewhere, "refused.mandate.nothing_allows");
    tools.all_were_proven();
}

impl Tools {
    /// One package of each kind.
    fn serves_packages(&self) {
        let make = "\
import io, tarfile, zipfile
with zipfile.ZipFile('wheel', 'w') as wheel:
    info = 'demo_thing-1.2.3.dist-info/'
    wheel.writestr('demo_thing.py', '')
    about = 'Metadata-Version: 2.1\\nName: demo-thing\\nVersion: 1.2.3\\n'
    wheel.writestr(info + 'METADATA', about)
    about = 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'
    wheel.writestr(info + 'WHEEL', about)
    wheel.writestr(info + 'RECORD', '')
with tarfile.open('package', 'w:gz') as package:
    text = b'{\"name\": \"demo-thing\", \"version\": \"1.2.3\"}'
    entry = tarfile.TarInfo('package/package.json')
    entry.size = len(text)
    package.addfile(entry, io.BytesIO(text))
";
        self.world.tool("python3", &["-c", make]).ok();
        let read = |name: &str| std::fs::read(self.world.path(&format!("work/{name}"))).unwrap();
        let page = "<a href=\"https://index.test/files/demo_thing-1.2.3-py3-none-any.whl\">\
                    demo_thing-1.2.3-py3-none-any.whl</a>";
        let html = "200 OK\r\nContent-Type: text/html";
        let bytes = "200 OK\r\nContent-Type: application/octet-stream";
        self.index.answers("/simple/demo-thing/", html, page);
        self.index.answers("/files/demo_thing-1.2.3-py3-none-any.whl", bytes, read("wheel"));
        let tarball = "https://registry.test/demo-thing/-/demo-thing-1.2.3.tgz";
        let about = format!(
            "{{\"name\":\"demo-thing\",\"dist-tags\":{{\"latest\":\"1.2.3\"}},\"versions\":\
             {{\"1.2.3\":{{\"name\":\"demo-thing\",\"version\":\"1.2.3\",\"dist\":{{\"tarball\":\
             \"{tarball}\"}}}}}}}}"
        );
        let json = "200 OK\r\nContent-Type: application/json";
        self.registry.answers("/demo-thing", json, about);
        self.registry.answers("/demo-thing/-/demo-thing-1.2.3.tgz", bytes, read("package"));
    }
}

#[test]
fn what_is_not_served_is_refused_so_that_the_tool_prints_why() {
    let mut tools = Tools::new();
    let nothing = "refused.mandate.nothing_allows";
    tools.is_refused("ssh", "ssh -o StrictHostKeyChecking=no git@code.test", nothing);
    tools.is_refused("psql", "psql -h db.test -U bot -c 'select 1'", "PostgreSQL");
    tools.is_refused("curl", "curl -sS --fail-with-body -X DELETE https://api.test/v1/a", nothing);
    tools.is_refused("wget", "wget -O- https://nobody.test/", nothing);
    tools.is_refused("git", "git clone https://git.demo.test/acme/secret", nothing);
    tools.is_refused("gh", "GH_TOKEN=none gh api user", nothing);
    tools.is_refused("aws", "aws --no-sign-request s3 ls s3://bucket --region eu-west-1", "403");
}
