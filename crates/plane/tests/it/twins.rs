//! Twins: programs against the built crate that differ in one thing. The good one compiles; the
//! bad ones must not, each for the reason it names.
//!
//! The compiler is asked directly about the crate as it was just built: a build of its own would
//! compile every dependency a second time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What the compiler says of a program, or nothing if it compiles.
struct Compiler {
    folder: PathBuf,
    libraries: Vec<(&'static str, PathBuf)>,
}

impl Compiler {
    /// The one whose libraries the good twin compiles against.
    fn that_knows_us() -> Self {
        let binary = env::current_exe().unwrap();
        let folder = binary.parent().unwrap().to_owned();
        let pairs = built(&folder, "marque_plane").into_iter().flat_map(|plane| {
            let serde = built(&folder, "serde");
            serde
                .into_iter()
                .map(move |serde| vec![("marque_plane", plane.clone()), ("serde", serde)])
        });
        let mut compilers = pairs.map(|libraries| Self { folder: folder.clone(), libraries });
        compilers.find(|compiler| compiler.complaint("good").is_empty()).expect(
            "the good twin compiles; if it does not, the API it uses has changed: change it too",
        )
    }

    fn complaint(&self, twin: &str) -> String {
        let twins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/twins");
        let out = env::temp_dir().join(format!("marque-twin-{}-{twin}.rmeta", std::process::id()));
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition=2024", "--crate-type=lib", "--emit=metadata", "-L"]);
        rustc.arg(format!("dependency={}", self.folder.display()));
        for (name, library) in &self.libraries {
            rustc.arg("--extern").arg(format!("{name}={}", library.display()));
        }
        let asked = rustc.arg("-o").arg(&out).arg(twins.join(format!("{twin}.rs"))).output();
        let answer = asked.expect("the compiler that built this test is there");
        drop(fs::remove_file(&out));
        if answer.status.success() {
            return String::new();
        }
        String::from_utf8_lossy(&answer.stderr).into_owned()
    }
}

/// The builds of a library there are, the newest first.
fn built(folder: &Path, name: &str) -> Vec<PathBuf> {
    let prefix = format!("lib{name}-");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_build = |path: &PathBuf| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&prefix) && path.extension().is_some_and(|end| end == "rlib")
    };
    let mut found: Vec<_> = paths
        .filter(is_build)
        .map(|path| (fs::metadata(&path).unwrap().modified().unwrap(), path))
        .collect();
    found.sort();
    found.into_iter().rev().map(|(_, path)| path).collect()
}

// threats 165, 166 and the unforgeability of a permit, as types.
#[test]
fn what_must_not_be_written_does_not_compile() {
    let compiler = Compiler::that_knows_us();
    let bad = [
        ("makes_a_permit", "E0451", "of struct `Permit` are private"),
        ("clones_a_permit", "E0599", "no method named `clone` found for struct `Permit`"),
        ("reads_a_permit", "E0277", "Permit: serde::de::DeserializeOwned` is not satisfied"),
        ("uses_a_permit_twice", "E0382", "use of moved value: `permit`"),
        ("opens_without_a_permit", "E0308", "expected `Permit`, found `Id<Decision>`"),
        ("gives_a_run_the_pen", "E0308", "expected `&Acting<User>`, found `&Acting<Run>`"),
        ("turns_a_run_into_a_human", "E0616", "field `who` of struct `Acting` is private"),
    ];
    for (twin, code, why) in bad {
        let complaint = compiler.complaint(twin);
        assert!(complaint.contains(code), "`{twin}` must fail with {code}:\n{complaint}");
        assert!(complaint.contains(why), "`{twin}` must fail because {why}:\n{complaint}");
    }
}
