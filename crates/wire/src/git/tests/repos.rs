use super::super::{BadRefName, BadRepo, ObjectId, RefName, RepoName};
use super::*;

fn repo(path: &str) -> Result<String, BadRepo> {
    RepoName::from_segments(path.split('/')).map(|name| name.to_string())
}

#[test]
fn a_repository_has_one_name() {
    let same = ["acme/api", "acme/api.git", "ACME/Api", "Acme/API.GIT", "aCme/api.giT"];
    for path in same {
        assert_eq!(repo(path), Ok("acme/api".into()), "{path}");
    }
    let others =
        ["api", "a/b/c/d", "~user/x_y-z", ".github", "a@b/c+d", "acme/api.wiki", "git/b.gitx"];
    for path in others {
        assert_eq!(repo(path), Ok(path.into()), "{path}");
    }
    let name = RepoName::from_segments(["A", "b.git"]).unwrap();
    assert_eq!(name.segments().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn threat_116_a_repository_in_disguise_is_refused() {
    let cases = [
        ("acme/%61pi", BadRepo::Encoded),
        ("acme/api%2Egit", BadRepo::Encoded),
        ("acme/ap\u{131}", BadRepo::BadByte('\u{131}')),
        ("acme/a:b", BadRepo::BadByte(':')),
        ("acme/a=b", BadRepo::BadByte('=')),
        ("acme/a b", BadRepo::BadByte(' ')),
        ("--upload-pack/api", BadRepo::LeadingDash),
        ("acme/-api", BadRepo::LeadingDash),
        ("acme/api.", BadRepo::TrailingDot),
        ("acme./api", BadRepo::TrailingDot),
        ("acme/..", BadRepo::TrailingDot),
        ("./api", BadRepo::TrailingDot),
        ("acme/api..git", BadRepo::TrailingDot),
        ("acme/api.git.git", BadRepo::Suffix),
        ("acme/api.GIT.git", BadRepo::Suffix),
        ("acme/api.git/x", BadRepo::Suffix),
        ("acme/api/.git/modules/x", BadRepo::Suffix),
        ("acme/.git", BadRepo::Empty),
        (".git", BadRepo::Empty),
        ("acme//api", BadRepo::Empty),
        ("acme/", BadRepo::Empty),
        ("", BadRepo::Empty),
    ];
    for (path, fault) in cases {
        assert_eq!(repo(path), Err(fault), "{path:?}");
    }
    assert_eq!(RepoName::from_segments([]), Err(BadRepo::Empty));
    assert_eq!(repo(&"a/".repeat(20)), Err(BadRepo::TooLong));
    assert!(repo(&["a"; 20].join("/")).is_ok());
    assert_eq!(repo(&"a".repeat(512)), Err(BadRepo::TooLong));
    assert!(repo(&"a".repeat(511)).is_ok());
}

#[test]
fn a_ref_is_a_full_and_plain_name() {
    let good = [
        "refs/heads/main",
        "refs/heads/agent/run_7/fix-#12",
        "refs/tags/v1.0+x",
        "refs/notes/commits",
        "refs/for/main",
        "refs/heads/PACK",
        "refs/heads/@",
        "refs/heads/a.lock.b",
        "refs/heads/-",
    ];
    for name in good {
        assert_eq!(RefName::parse(name.as_bytes()).map(|name| name.to_string()), Ok(name.into()));
    }
}

#[test]
fn threat_116_a_ref_in_disguise_is_refused() {
    let cases = [
        ("HEAD", BadRefName::NotFull),
        ("main", BadRefName::NotFull),
        ("heads/main", BadRefName::NotFull),
        ("refs/main", BadRefName::NotFull),
        ("Refs/heads/main", BadRefName::NotFull),
        ("refs/heads/ma%69n", BadRefName::NotPlain),
        ("refs/heads/ma\u{131}n", BadRefName::NotPlain),
        ("refs/heads/main ", BadRefName::NotPlain),
        ("refs/heads/main\n", BadRefName::NotPlain),
        ("refs/heads/\x1b[2Jmain", BadRefName::NotPlain),
        ("refs/heads/main\0x", BadRefName::NotPlain),
        ("HEAD:refs/heads/main", BadRefName::Malformed),
        ("+refs/heads/main:refs/heads/x", BadRefName::Malformed),
        (":refs/heads/main", BadRefName::Malformed),
        ("refs/heads/*", BadRefName::Malformed),
        ("refs/heads/a?", BadRefName::Malformed),
        ("refs/heads/[a", BadRefName::Malformed),
        ("refs/heads/a^", BadRefName::Malformed),
        ("refs/heads/a~1", BadRefName::Malformed),
        ("refs/heads/a\\b", BadRefName::Malformed),
        ("refs/heads/a@{1}", BadRefName::Malformed),
        ("refs/heads/../tags/x", BadRefName::Malformed),
        ("refs/heads/a..b", BadRefName::Malformed),
        ("refs/heads/.main", BadRefName::Malformed),
        ("refs/heads/main.", BadRefName::Malformed),
        ("refs/heads/main.lock", BadRefName::Malformed),
        ("refs/heads/main.LOCK/x", BadRefName::Malformed),
        ("refs/heads//main", BadRefName::Malformed),
        ("refs/heads/", BadRefName::Malformed),
        ("/refs/heads/main", BadRefName::Malformed),
        ("", BadRefName::Malformed),
    ];
    for (name, fault) in cases {
        assert_eq!(RefName::parse(name.as_bytes()), Err(fault), "{name:?}");
    }
    assert_eq!(RefName::parse(b"refs/heads/\xff"), Err(BadRefName::NotPlain));
    let long = format!("refs/heads/{}", "a".repeat(1013));
    assert!(RefName::parse(long.as_bytes()).is_ok());
    assert_eq!(RefName::parse(format!("{long}a").as_bytes()), Err(BadRefName::TooLong));
}

#[test]
fn an_object_id_has_one_spelling() {
    assert!(ObjectId::parse(&[b'a'; 40]).is_ok());
    assert!(ObjectId::parse(&[b'0'; 64]).unwrap().is_zero());
    for text in [&[b'A'; 40][..], &[b'a'; 39], &[b'a'; 41], &[b'g'; 40], b"", &[0xff; 40]] {
        assert!(ObjectId::parse(text).is_err(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_name_read_again_is_the_same(path in "[A-Za-z0-9._~+@/-]{0,30}") {
        if let Ok(name) = repo(&path) {
            prop_assert_eq!(repo(&name), Ok(name.clone()));
            prop_assert_eq!(repo(&format!("{name}.git")), Ok(name));
        }
    }
}
