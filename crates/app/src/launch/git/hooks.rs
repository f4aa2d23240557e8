//! The hooks of a run: the repository's own, and the trailers after them.
//!
//! A hook of a repository runs inside the run like everything else there. What is laid here is seen
//! by the run's git alone, and is gone with the run.

use super::{WantedGit, quoted};

/// Every hook that git runs and whose mere presence changes nothing: not `push-to-checkout` and
/// `proc-receive`, which do git's own work in its place.
pub(super) const NAMES: &[&str] = &[
    "applypatch-msg",
    "commit-msg",
    "p4-changelist",
    "p4-post-changelist",
    "p4-pre-submit",
    "p4-prepare-changelist",
    "post-applypatch",
    "post-checkout",
    "post-commit",
    "post-index-change",
    "post-merge",
    "post-receive",
    "post-rewrite",
    "post-update",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-commit",
    "pre-merge-commit",
    "pre-push",
    "pre-rebase",
    "pre-receive",
    "prepare-commit-msg",
    "reference-transaction",
    "sendemail-validate",
    "update",
];

/// What every hook does, told its name in `$hook`.
pub(super) fn common(wanted: &WantedGit<'_>) -> String {
    let run = format!("--trailer 'Agent-Run: {}'", wanted.run.id);
    let person = wanted.run.on_behalf_of.as_ref();
    // A name is letters, digits and `._@+-`.
    let person = person.map(|person| format!(" --trailer 'On-behalf-of: {person}'"));
    let trailers = format!("{run}{}", person.unwrap_or_default());
    let own = quoted(&wanted.dir.join("hooks"));
    COMMON.replace("TRAILERS", &trailers).replace("OWN", &own)
}

const COMMON: &str = r#"
# The repository's own hook comes first. It is looked for without this run's settings; where there
# is no repository yet, as in `git init`, there is none.
theirs=$(GIT_CONFIG_COUNT=0 git rev-parse --git-path "hooks/$hook" 2>/dev/null) || theirs=
case $theirs in OWN/*) theirs= ;; esac
if [ -f "$theirs" ] && [ -x "$theirs" ]; then
  "$theirs" "$@" || exit
fi

# Then the trailers that say which run made the commit, in place of any others.
case $hook in
  prepare-commit-msg)
    # Where somebody still writes the message, it is for commit-msg.
    case ${2-} in message | merge | squash | commit) ;; *) exit 0 ;; esac ;;
  commit-msg | applypatch-msg) ;;
  *) exit 0 ;;
esac
# A message without text stays one, so that git gives the commit up.
text=$(sed '/^. -\{24\} >8 -\{24\}$/,$d' "$1" | git stripspace -s) || exit 1
[ -n "$text" ] || exit 0
sed -e '/^[Aa][Gg][Ee][Nn][Tt]-[Rr][Uu][Nn][[:space:]]*:/d' \
  -e '/^[Oo][Nn]-[Bb][Ee][Hh][Aa][Ll][Ff]-[Oo][Ff][[:space:]]*:/d' "$1" >"$1.marque" &&
  cat "$1.marque" >"$1" && rm -f "$1.marque" || exit 1
exec git -c trailer.separators=: interpret-trailers --in-place --no-divider --if-exists add \
  --if-missing add --where end TRAILERS "$1"
"#;
