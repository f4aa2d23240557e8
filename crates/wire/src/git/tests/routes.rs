use http::Method;

use super::super::*;
use super::*;
use crate::path::canonical_path;

const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";
const LOOSE: &str = "ab/cdef0123456789abcdef0123456789abcdef01";

fn ask(method: &str, path: &str) -> Result<Option<Call>, BadGit> {
    let path = canonical_path(path).unwrap();
    let found = route(&Method::from_bytes(method.as_bytes()).unwrap(), &path)?;
    Ok(found.map(|found| {
        assert_eq!(found.repo.as_str(), "acme/api", "{path}");
        found.call
    }))
}

#[test]
fn each_request_of_git_is_known_for_what_it_is() {
    let pack = "ab".repeat(20);
    let cases = [
        ("GET", "info/refs?service=git-upload-pack", Call::Discovery(Service::UploadPack)),
        ("GET", "info/refs?service=git-receive-pack", Call::Discovery(Service::ReceivePack)),
        ("GET", "info/refs?service=git-upload-archive", Call::Discovery(Service::UploadArchive)),
        ("POST", "git-upload-pack", Call::Exchange(Service::UploadPack)),
        ("POST", "git-receive-pack", Call::Exchange(Service::ReceivePack)),
        // threat 118
        ("POST", "git-upload-archive", Call::Exchange(Service::UploadArchive)),
        ("GET", "info/refs", Call::Dumb),
        ("HEAD", "info/refs", Call::Dumb),
        ("GET", "HEAD", Call::Dumb),
        ("GET", "objects/info/packs", Call::Dumb),
        ("GET", "objects/info/alternates", Call::Dumb),
        ("HEAD", "objects/info/http-alternates", Call::Dumb),
        ("GET", &format!("objects/{LOOSE}"), Call::Dumb),
        ("GET", &format!("objects/{}/{}", &OID[..2], &OID[2..]), Call::Dumb),
        ("GET", &format!("objects/pack/pack-{pack}.pack"), Call::Dumb),
        ("GET", &format!("objects/pack/pack-{OID}.idx"), Call::Dumb),
        ("POST", "info/lfs/objects/batch", Call::LfsBatch),
        ("GET", &format!("info/lfs/objects/{OID}"), Call::LfsDownload),
        ("GET", &format!("gitlab-lfs/objects/{OID}"), Call::LfsDownload),
        ("PUT", &format!("info/lfs/objects/{OID}/12"), Call::LfsUpload),
        ("PUT", &format!("gitlab-lfs/objects/{OID}/12"), Call::LfsUpload),
        ("POST", "info/lfs/verify", Call::LfsUpload),
        ("POST", "info/lfs/objects/verify", Call::LfsUpload),
        ("GET", "info/lfs/locks", Call::LfsLocksRead),
        ("GET", "info/lfs/locks?path=a.bin&limit=1", Call::LfsLocksRead),
        ("POST", "info/lfs/locks/verify", Call::LfsLocksRead),
        ("POST", "info/lfs/locks", Call::LfsLock),
        ("POST", "info/lfs/locks/ID7/unlock", Call::LfsLock),
    ];
    for (method, tail, call) in cases {
        for repo in ["acme/api", "acme/api.git", "ACME/Api.git"] {
            assert_eq!(ask(method, &format!("/{repo}/{tail}")), Ok(Some(call)), "{method} {tail}");
        }
    }
}

#[test]
fn threat_118_a_path_of_git_with_another_method_or_query_is_refused() {
    let cases = [
        ("POST", "info/refs?service=git-upload-pack", BadGit::Method),
        ("HEAD", "info/refs?service=git-receive-pack", BadGit::Method),
        ("GET", "info/refs?service=git-receive-pack&x=1", BadGit::Service),
        ("GET", "info/refs?x=1&service=git-upload-pack", BadGit::Service),
        ("GET", "info/refs?service=git-upload-pack&service=git-receive-pack", BadGit::Service),
        ("GET", "info/refs?service=git%2Dreceive-pack", BadGit::Service),
        ("GET", "info/refs?Service=git-receive-pack", BadGit::Service),
        ("GET", "info/refs?service=git-Receive-pack", BadGit::Service),
        ("GET", "info/refs?service=", BadGit::Service),
        ("GET", "info/refs?", BadGit::Service),
        ("PUT", "info/refs", BadGit::Method),
        ("PROPFIND", "info/refs", BadGit::Method),
        ("GET", "git-receive-pack", BadGit::Method),
        ("PUT", "git-receive-pack", BadGit::Method),
        ("POST", "git-receive-pack?", BadGit::Query),
        ("POST", "git-receive-pack?service=git-upload-pack", BadGit::Query),
        ("POST", "HEAD", BadGit::Method),
        ("PUT", &format!("objects/{LOOSE}"), BadGit::Method),
        ("DELETE", "objects/info/packs", BadGit::Method),
        ("GET", "info/lfs/objects/batch", BadGit::Method),
        ("POST", "info/lfs/objects/batch?operation=upload", BadGit::Query),
        ("POST", &format!("info/lfs/objects/{OID}"), BadGit::Method),
        ("DELETE", "info/lfs/locks", BadGit::Method),
        ("POST", "info/lfs/locks?x", BadGit::Query),
        ("GET", "info/lfs/locks/7/unlock", BadGit::Method),
        ("PUT", &format!("info/lfs/objects/{OID}/12/authorize"), BadGit::UnknownLfs),
        ("GET", "info/lfs", BadGit::UnknownLfs),
        ("GET", "info/lfs/objects/abc", BadGit::UnknownLfs),
        ("GET", "gitlab-lfs/objects/abc", BadGit::UnknownLfs),
        ("GET", &format!("info/lfs/objects/{OID}/x"), BadGit::UnknownLfs),
    ];
    for (method, tail, fault) in cases {
        assert_eq!(ask(method, &format!("/acme/api.git/{tail}")), Err(fault), "{method} {tail}");
    }
}

#[test]
fn threat_116_a_path_that_is_gits_but_for_its_spelling_is_refused() {
    let tails = [
        "INFO/refs?service=git-receive-pack",
        "info/Refs",
        "info/refs/?service=git-receive-pack",
        "Git-Receive-Pack",
        "git-receive-pack/",
        "GIT-UPLOAD-PACK",
        "head",
        "HEAD/",
        "Objects/info/packs",
        "objects/AB/cdef0123456789abcdef0123456789abcdef01",
        "info/LFS/objects/batch",
        "info/lfs/objects/batch/",
        "info/lfs/locks/",
        "info/lfs/Locks/ID7/unlock",
    ];
    for tail in tails {
        for method in ["GET", "POST"] {
            let verdict = ask(method, &format!("/acme/api.git/{tail}"));
            assert_eq!(verdict, Err(BadGit::Spelling), "{method} {tail}");
        }
    }
}

#[test]
fn a_request_for_a_repository_without_a_plain_name_is_refused() {
    let cases = [
        ("/info/refs?service=git-receive-pack", BadRepo::Empty),
        ("/.git/info/refs", BadRepo::Empty),
        ("/acme/a%20b/info/refs", BadRepo::Encoded),
        ("/acme/api.git.git/info/refs", BadRepo::Suffix),
        ("/-x/info/refs", BadRepo::LeadingDash),
    ];
    for (path, fault) in cases {
        assert_eq!(ask("GET", path), Err(BadGit::Repo(fault)), "{path}");
    }
}

#[test]
fn other_paths_are_not_of_git() {
    let paths = [
        "/",
        "/acme/api",
        "/acme/api/",
        "/acme/api/tree/main",
        "/repos/acme/api/git/refs",
        "/acme/api/info",
        "/acme/api/info/refs/heads",
        "/acme/api/git-receive-pack/x",
        "/acme/api/x-git-receive-pack",
        "/acme/api/objects/pack/pack-12.pack",
        "/acme/api/objects/ab/cd",
        "/acme/api/objects/info/commit-graph",
    ];
    for path in paths {
        assert_eq!(ask("GET", path), Ok(None), "{path}");
    }
}

#[test]
fn threat_118_only_one_known_version_is_offered_upstream() {
    assert_eq!(Version::parse(b"version=2"), Ok(Version::V2));
    assert_eq!(Version::parse(b"version=0"), Ok(Version::V0));
    let odd: [&[u8]; 7] = [
        b"",
        b"version=3",
        b"version=2:x=1",
        b"version=1:version=2",
        b"Version=2",
        b"version=02",
        b"2",
    ];
    for value in odd {
        assert_eq!(Version::parse(value), Err(BadVersion), "{value:?}");
    }
}

proptest! {
    #[test]
    fn any_path_at_all_gets_a_verdict(
        parts in prop::collection::vec(
            prop::sample::select(&[
                "acme", "info", "refs", "git-receive-pack", "lfs", "objects", "HEAD", "INFO", "",
                "batch", "locks", "pack", "ab", "x.git", "gitlab-lfs", "verify", "refs?service=",
            ][..]),
            0..8,
        ),
        is_post in any::<bool>(),
    ) {
        if let Ok(path) = canonical_path(&format!("/{}", parts.join("/"))) {
            let method = if is_post { Method::POST } else { Method::GET };
            let _ = route(&method, &path);
        }
    }
}
