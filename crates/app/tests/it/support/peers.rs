//! OAuth libraries of others, in Node and in Python: clients that know nothing of Marque, and
//! verifiers that trust none of its code.
//!
//! Their packages are pinned in `peers/`, installed once into a folder below `target`, and used
//! only by the scripts beside them. `peers/README.md` says what a case takes and prints.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::told::Json;

/// How long an installation may take, and how long it is waited for where another test installs.
const INSTALLING: Duration = Duration::from_secs(180);
/// How long a case may take, as timeout(1) reads it.
const CASE_SECS: &str = "60";
/// The oldest release of Node that will do.
const NODE_MAJOR: u32 = 20;
const PAUSE: Duration = Duration::from_millis(20);
/// Where the scripts and the pins are.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/peers");

/// A library that plays a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    OpenidClient,
    Oauth4webapi,
    Jose,
    Authlib,
    PyJwt,
}

impl Library {
    /// Those that ask for tokens.
    pub(crate) const CLIENTS: [Self; 4] =
        [Self::OpenidClient, Self::Oauth4webapi, Self::Authlib, Self::PyJwt];
    /// Those that verify tokens.
    pub(crate) const VERIFIERS: [Self; 4] =
        [Self::Jose, Self::Oauth4webapi, Self::Authlib, Self::PyJwt];

    fn name(self) -> &'static str {
        match self {
            Self::OpenidClient => "openid-client",
            Self::Oauth4webapi => "oauth4webapi",
            Self::Jose => "jose",
            Self::Authlib => "authlib",
            Self::PyJwt => "pyjwt",
        }
    }

    fn is_python(self) -> bool {
        matches!(self, Self::Authlib | Self::PyJwt)
    }
}

/// All of them, installed.
pub(crate) struct Peers {
    node: PathBuf,
    python: PathBuf,
}

/// What came of a case.
pub(crate) struct Came {
    /// The line it printed last.
    told: Json,
    status: ExitStatus,
    err: String,
}

impl Peers {
    /// Installs what is not there yet; `None`, said aloud, where Node, Python or the packages
    /// cannot be had. In CI they must.
    pub(crate) fn there() -> Option<Self> {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
        fs::create_dir_all(&home).unwrap();
        match Self::installed(&home) {
            Ok(peers) => Some(peers),
            Err(why) => {
                assert!(std::env::var_os("CI").is_none(), "{why}: see `.ci/run`");
                let said = format!("SKIPPED: no OAuth libraries of others: {why}\n");
                let _ = std::io::stderr().write_all(said.as_bytes());
                None
            }
        }
    }

    fn installed(home: &Path) -> Result<Self, String> {
        let _alone = alone(home)?;
        require_node()?;
        let source = Path::new(SOURCE);
        let (node, python) = (home.join("node"), home.join("python"));
        let pins = read(&source.join("node/package-lock.json"));
        once(&node, &pins, |node| {
            for file in ["package.json", "package-lock.json"] {
                fs::copy(source.join("node").join(file), node.join(file)).unwrap();
            }
            let mut npm = Command::new("npm");
            let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"];
            npm.args(["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]);
            npm.args(words).current_dir(node);
            npm
        })?;
        // Node looks for packages from where a script lies.
        for script in fs::read_dir(source.join("node")).unwrap() {
            let script = script.unwrap().path();
            if script.extension() == Some(OsStr::new("mjs")) {
                fs::copy(&script, node.join(script.file_name().unwrap())).unwrap();
            }
        }
        let requirements = source.join("python/requirements.txt");
        once(&python, &read(&requirements), |python| {
            let mut pip = Command::new("python3");
            let words = ["-m", "pip", "install", "--no-deps", "--require-hashes", "--quiet"];
            pip.args(words).args(["--only-binary", ":all:", "--disable-pip-version-check"]);
            pip.args(["--retries", "1", "--timeout", "20"]);
            pip.arg("--target").arg(python).arg("--requirement").arg(&requirements);
            pip
        })?;
        Ok(Self { node, python })
    }

    /// Runs a case to its end.
    pub(crate) fn run(&self, library: Library, case: &str, input: &Json) -> Came {
        self.start(library, case, input).ends()
    }

    /// Runs a case that waits for a line in its middle.
    pub(crate) fn run_with(
        &self,
        library: Library,
        case: &str,
        input: &Json,
        next: impl FnOnce() -> String,
    ) -> Came {
        let mut running = self.start(library, case, input);
        let mut line = String::new();
        running.out.read_line(&mut line).unwrap();
        if line.contains("\"waiting\"") {
            let mut words = running.child.stdin.take().unwrap();
            writeln!(words, "{}", next()).unwrap();
        }
        running.said = line;
        running.ends()
    }

    fn start(&self, library: Library, case: &str, input: &Json) -> Running {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("input.json");
        fs::write(&file, input.to_string()).unwrap();
        let mut command = Command::new("timeout");
        command.arg(CASE_SECS);
        if library.is_python() {
            command.arg("python3").arg(Path::new(SOURCE).join("python/run.py"));
            command.env("PYTHONPATH", &self.python).env("PYTHONDONTWRITEBYTECODE", "1");
        } else {
            command.arg("node").arg(self.node.join("run.mjs"));
            command.env("NODE_EXTRA_CA_CERTS", input["ca_file"].as_str().unwrap());
        }
        command.args([library.name(), case]).arg(&file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Running { child, out, said: String::new(), _directory: directory }
    }
}

impl Came {
    /// What it printed, of a case that went well.
    #[track_caller]
    pub(crate) fn ok(&self) -> &Json {
        assert!(self.status.success(), "{}", self.whole());
        &self.told
    }

    /// Why the server or the library refused.
    #[track_caller]
    pub(crate) fn refused(&self) -> &Json {
        assert_eq!(self.status.code(), Some(1), "{}", self.whole());
        &self.told["refused"]
    }

    /// Everything, for a failing assertion.
    fn whole(&self) -> String {
        format!("{}: {:#}\n{}", self.status, self.told, self.err)
    }
}

/// A case that runs.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    said: String,
    _directory: tempfile::TempDir,
}

impl Running {
    fn ends(mut self) -> Came {
        self.out.read_to_string(&mut self.said).unwrap();
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        let status = self.child.wait().unwrap();
        let last = self.said.lines().last().unwrap_or_default();
        let told = serde_json::from_str(last).unwrap_or_else(|_| panic!("{last}\n{err}"));
        Came { told, status, err }
    }
}

/// The libraries want what older releases of Node lack.
fn require_node() -> Result<(), String> {
    let told = Command::new("node").arg("--version").output();
    let told = told.map_err(|error| format!("`node`: {error}"))?;
    let version = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().map(str::parse::<u32>);
    match major {
        Some(Ok(NODE_MAJOR..)) => Ok(()),
        _ => Err(format!("Node {NODE_MAJOR} or later is needed, this is `{version}`")),
    }
}

/// Lets one test process install at a time.
fn alone(home: &Path) -> Result<File, String> {
    let lock = File::create(home.join("lock")).unwrap();
    let until = Instant::now() + INSTALLING * 2;
    while lock.try_lock().is_err() {
        if Instant::now() > until {
            return Err("another process installs them and does not end".to_owned());
        }
        std::thread::sleep(PAUSE);
    }
    Ok(lock)
}

/// Installs into a folder what these pins name, unless they are what lies there.
fn once(folder: &Path, pins: &str, command: impl FnOnce(&Path) -> Command) -> Result<(), String> {
    let mark = folder.join("installed");
    if fs::read_to_string(&mark).is_ok_and(|installed| installed == pins) {
        return Ok(());
    }
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    let said = folder.join("said");
    let out = File::create(&said).unwrap();
    let mut command = command(folder);
    command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().map_err(|error| format!("`{program}`: {error}"))?;
    let status = within(&mut child, INSTALLING).map_err(|why| format!("`{program}` {why}"))?;
    if !status.success() {
        return Err(format!("`{program}` failed: {}", read(&said)));
    }
    // ORDER: the mark comes last, so that what was cut short is begun anew.
    fs::write(mark, pins).unwrap();
    Ok(())
}

/// How a process ended, if it did so in time. It is killed if not.
fn within(child: &mut Child, patience: Duration) -> Result<ExitStatus, String> {
    let until = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Ok(status);
        }
        if Instant::now() > until {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("took longer than {} s", patience.as_secs()));
        }
        std::thread::sleep(PAUSE);
    }
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("`{}`: {error}", file.display()))
}
