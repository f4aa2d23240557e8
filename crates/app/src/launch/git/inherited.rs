//! What comes along of the human's own git settings: how git works, and nothing that holds a
//! secret, names a key or a helper, or leads an address elsewhere.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::environment::Environment;

/// Whole keys, and sections with a dot at the end; in lower case.
const KEPT: &[&str] = &[
    "advice.",
    "branch.",
    "color.",
    "column.",
    "commit.cleanup",
    "commit.verbose",
    "core.attributesfile",
    "core.autocrlf",
    "core.eol",
    "core.excludesfile",
    "core.quotepath",
    "core.safecrlf",
    "core.whitespace",
    "diff.",
    "feature.",
    "fetch.",
    "filter.",
    "gc.",
    "help.autocorrect",
    "index.",
    "init.defaultbranch",
    "log.",
    "maintenance.",
    "merge.",
    "pack.",
    "pull.",
    "push.autosetupremote",
    "push.default",
    "push.followtags",
    "rebase.",
    "rerere.",
    "safe.directory",
    "stash.",
    "status.",
    "submodule.recurse",
    "tag.sort",
];
/// Most bytes that are taken over.
const MAX_BYTES: usize = 256 * 1024;

/// The settings that a run's git takes over, as the text of a configuration file. Empty where there
/// are none, or no git.
pub(crate) fn inherited(environment: &Environment) -> String {
    let named = environment.path("GIT_CONFIG_GLOBAL");
    let home = environment.path("HOME");
    let xdg = environment.path("XDG_CONFIG_HOME");
    let xdg = xdg.or_else(|| home.as_ref().map(|home| home.join(".config")));
    let usual = [home.map(|home| home.join(".gitconfig")), xdg.map(|xdg| xdg.join("git/config"))];
    if !named.into_iter().chain(usual.into_iter().flatten()).any(|file| file.exists()) {
        return String::new();
    }
    // Outside of any repository, so that none says what belongs to the human's.
    let mut git = Command::new("git");
    git.args(["config", "--global", "--includes", "--list", "-z"]).current_dir(Path::new("/"));
    let listed = git.stdin(Stdio::null()).stderr(Stdio::null()).output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    if listed.len() > MAX_BYTES {
        return String::new();
    }
    kept(&String::from_utf8_lossy(&listed))
}

/// `git config --list -z`, as a file of what is kept of it.
fn kept(listed: &str) -> String {
    let mut text = String::new();
    for setting in listed.split_terminator('\0') {
        let (key, value) = match setting.split_once('\n') {
            Some((key, value)) => (key, Some(value)),
            None => (setting, None),
        };
        let is_kept = |kept: &str| match kept.strip_suffix('.') {
            Some(_) => key.starts_with(kept),
            None => key == kept,
        };
        if !KEPT.iter().any(|kept| is_kept(kept)) {
            continue;
        }
        let Some((section, rest)) = key.split_once('.') else { continue };
        let head = match rest.rsplit_once('.') {
            Some((sub, _)) => format!("[{section} \"{}\"]", escaped(sub)),
            None => format!("[{section}]"),
        };
        let name = rest.rsplit_once('.').map_or(rest, |(_, name)| name);
        let value = value.map(|value| format!(" = \"{}\"", escaped(value).replace('\n', "\\n")));
        text.push_str(&[&head, "\n\t", name, &value.unwrap_or_default(), "\n"].concat());
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::kept;

    // threat 121
    #[test]
    fn what_could_hold_a_secret_or_lead_elsewhere_stays_outside() {
        let listed = "user.name\nAlice\0user.signingkey\n/key\0http.extraheader\nAuthorization: x\0\
            url.git@host:.insteadof\nhttps://host/\0credential.helper\nstore\0\
            core.sshcommand\nssh -i /key\0core.hookspath\n/hooks\0alias.x\n!curl\0\
            includeif.gitdir:/w/.path\n/other\0pull.rebase\ntrue\0filter.lfs.smudge\n\
            git-lfs smudge -- %f\0branch.a \"b.merge\nx\\y\0merge.ff\0";
        let expected = "[pull]\n\trebase = \"true\"\n[filter \"lfs\"]\n\tsmudge = \"git-lfs \
            smudge -- %f\"\n[branch \"a \\\"b\"]\n\tmerge = \"x\\\\y\"\n[merge]\n\tff\n";
        assert_eq!(kept(listed), expected);
    }
}
