use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use crate::git::pack::{LOOK_MAX_BYTES, PushedObjects, Summary, Unlooked};

/// What git prints in a repository.
fn git(repository: &Path, words: &[&str], stdin: &str) -> Vec<u8> {
    let mut git = Command::new("git");
    git.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", repository);
    for name in ["GIT_AUTHOR", "GIT_COMMITTER"] {
        git.env(format!("{name}_NAME"), "bot").env(format!("{name}_EMAIL"), "bot@packs.test");
    }
    git.args(words).current_dir(repository).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut git = git.spawn().unwrap();
    git.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = git.wait_with_output().unwrap();
    assert!(output.status.success(), "git {words:?}");
    output.stdout
}

/// The body of a push of `main`, whose pack git made with those words; and the ids of its commits
/// and tags.
fn pushed(words: &[&str], revisions: &str, format: &str) -> (Vec<u8>, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path();
    git(at, &["init", "-q", "-b", "main", "--object-format", format], "");
    let body = "a line that is long enough to be worth a difference\n".repeat(20);
    for number in 0..6 {
        fs::write(at.join("file"), format!("{body}{number}\n{body}")).unwrap();
        git(at, &["add", "file"], "");
        git(at, &["commit", "-q", "-m", &format!("change {number}\n\n{body}")], "");
    }
    git(at, &["tag", "-m", &format!("v1\n\n{body}"), "v1"], "");
    let pack = git(at, &[&["pack-objects", "--stdout", "--revs"], words].concat(), revisions);
    let text = |words: &[&str]| String::from_utf8(git(at, words, "")).unwrap();
    let ids =
        text(&["cat-file", "--batch-all-objects", "--batch-check=%(objecttype) %(objectname)"]);
    let ids = ids.lines().filter_map(|line| line.split_once(' '));
    let mut ids: Vec<_> = ids
        .filter(|(kind, _)| matches!(*kind, "commit" | "tag"))
        .map(|(_, id)| id.to_owned())
        .collect();
    ids.sort();
    let main = text(&["rev-parse", "main"]);
    let zero = "0".repeat(main.trim().len());
    let first =
        format!("{zero} {} refs/heads/main\0report-status object-format={format}", main.trim());
    let commands = super::packets([Some(first.as_bytes()), None]);
    ([commands, pack].concat(), ids)
}

/// What is found in a body that comes in pieces of `size`.
fn found(body: &[u8], size: usize) -> (Vec<String>, Summary) {
    let (mut reader, mut ids) = (PushedObjects::default(), Vec::new());
    for piece in body.chunks(size.max(1)) {
        reader.feed(piece, &mut |id, _| ids.push(id.to_owned()));
    }
    ids.sort();
    (ids, reader.finish())
}

#[test]
fn every_commit_and_tag_of_a_pack_is_found_however_git_wrote_it() {
    for format in ["sha1", "sha256"] {
        for words in [&["--window=0"][..], &["--delta-base-offset"], &["--window=50"]] {
            let (body, ids) = pushed(words, "main\nv1\n", format);
            assert_eq!(ids.len(), 7);
            for size in [1, 7, 1_000, body.len()] {
                let (found, summary) = found(&body, size);
                assert_eq!((found, summary.unlooked), (ids.clone(), None), "{words:?} {size}");
                // Named by its id, the base of a file is not known to be one.
                assert_eq!(summary.unknown > 0, words == ["--window=50"], "{words:?}");
            }
        }
    }
}

#[test]
fn a_difference_to_what_is_not_in_the_pack_is_counted_as_unknown() {
    let (body, ids) = pushed(&["--thin"], "main\n^main~1\n", "sha1");
    let (found, summary) = found(&body, 100);
    assert_eq!(found.len(), 1);
    assert!(ids.contains(&found[0]));
    assert!(summary.unknown > 0 && summary.unlooked.is_none(), "{summary:?}");
}

#[test]
fn what_is_beyond_the_budget_or_broken_is_said_not_to_be_looked_into() {
    let (body, ids) = pushed(&["--window=0"], "main\nv1\n", "sha1");
    let cut = &body[..body.len() / 2];
    assert_eq!(found(cut, 500).1.unlooked, Some(Unlooked::Malformed));
    let mut broken = body.clone();
    let middle = broken.len() / 2;
    broken[middle..middle + 8].fill(0xff);
    assert_eq!(found(&broken, 500).1.unlooked, Some(Unlooked::Malformed));
    let mut many = body.clone();
    let pack = many.windows(4).position(|window| window == b"PACK").unwrap();
    many[pack + 8..pack + 12].copy_from_slice(&u32::MAX.to_be_bytes());
    let padding = vec![0; usize::try_from(LOOK_MAX_BYTES).unwrap()];
    many.extend(padding);
    let (some, summary) = found(&many, 64 * 1024);
    assert!(summary.unlooked.is_some() && some.len() == ids.len(), "{summary:?}");
    let only_deletes = super::packets([
        Some(
            format!("{} {} refs/heads/x\0report-status", "1".repeat(40), "0".repeat(40)).as_bytes(),
        ),
        None,
    ]);
    assert_eq!(found(&only_deletes, 10), (Vec::new(), Summary::default()));
}

proptest! {
    #[test]
    fn no_bytes_break_the_reader(bytes in any::<Vec<u8>>(), at in 0_usize..600, to in any::<u8>()) {
        let first = format!("{} {} refs/heads/x\0report-status", "0".repeat(40), "1".repeat(40));
        let commands = super::packets([Some(first.as_bytes()), None]);
        for head in [&b""[..], b"PACK\0\0\0\x02\0\0\0\x05"] {
            let mut body = [&commands, head, &bytes].concat();
            found(&body, 3);
            if let Some(byte) = body.get_mut(at) {
                *byte = to;
            }
            let (ids, summary) = found(&body, 100);
            prop_assert!(ids.len() <= 5 && summary.unknown <= 5);
        }
    }
}
