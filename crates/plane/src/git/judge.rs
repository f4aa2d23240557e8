//! Whether an object says the truth about who made it. Pure.

use marque_domain::{GitAuthor, GitFinding, GitIdentity, Id, Run, UserName};
use marque_wire::git::object::{AGENT_RUN, ON_BEHALF_OF, Object, ObjectKind, Trailer, trailer};

/// Who makes an object, as the plane knows it.
pub(super) struct Maker {
    pub(super) run: Id<Run>,
    pub(super) agent: GitIdentity,
    /// The person the run acts for, or who opened it.
    pub(super) human: GitIdentity,
    /// The person the run acts for.
    pub(super) person: Option<UserName>,
    /// Whom it may name as its author.
    pub(super) author: GitAuthor,
}

/// What is wrong with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) finding: GitFinding,
    pub(super) message: String,
    pub(super) remedy: &'static str,
}

/// Longest piece of an object that a message quotes, in characters.
const QUOTED: usize = 80;
const HOOKS: &str = "the hooks of the run set the trailers: commit without `--no-verify`, and give \
                     `git commit-tree` the whole message";

/// Whom an object names as its author, unless somebody says otherwise.
pub(super) fn usual_author<'a>(
    policy: GitAuthor,
    agent: &'a GitIdentity,
    human: &'a GitIdentity,
) -> &'a GitIdentity {
    match policy {
        GitAuthor::Person => human,
        GitAuthor::Agent | GitAuthor::Any => agent,
    }
}

/// Fails unless the object is one that `maker` may have signed.
pub(super) fn judge(object: &Object<'_>, maker: &Maker) -> Result<(), Wrong> {
    if object.is_encoded {
        let message = "it has an encoding of its own, and may read otherwise than it was judged";
        return wrong(GitFinding::Object, message, "unset `i18n.commitEncoding`");
    }
    if object.signature.is_some() {
        return wrong(GitFinding::Object, "it has a signature already", "sign it once");
    }
    if std::str::from_utf8(&object.payload).is_err() {
        let message = "it is not UTF-8, and may read otherwise than it was judged";
        return wrong(GitFinding::Object, message, "write it in UTF-8");
    }
    let committer = &object.committer;
    if !committer.is(&maker.agent.name, &maker.agent.mail) {
        let message = format!(
            "its committer is `{}`, and the run commits as `{}`",
            quoted(committer.name, committer.mail),
            maker.agent
        );
        let remedy = "leave `GIT_COMMITTER_NAME` and `GIT_COMMITTER_EMAIL` as the run sets them";
        return wrong(GitFinding::Committer, message, remedy);
    }
    must_have_an_author(object, maker)?;
    must_name_the_run(object, maker)?;
    must_name_the_person(object, maker)
}

fn must_have_an_author(object: &Object<'_>, maker: &Maker) -> Result<(), Wrong> {
    let Some(author) = &object.author else { return Ok(()) };
    let is = |one: &GitIdentity| author.is(&one.name, &one.mail);
    let may = match maker.author {
        GitAuthor::Agent => is(&maker.agent),
        GitAuthor::Person => is(&maker.agent) || is(&maker.human),
        GitAuthor::Any => true,
    };
    if may {
        return Ok(());
    }
    let usual = usual_author(maker.author, &maker.agent, &maker.human);
    let author = quoted(author.name, author.mail);
    let message = format!("its author is `{author}`, and the run writes as `{usual}`");
    let remedy = "take it over with `git commit --amend --reset-author`; where runs rebase what \
                  people wrote, an administrator sets `git.author = \"any\"`";
    wrong(GitFinding::Author, message, remedy)
}

fn must_name_the_run(object: &Object<'_>, maker: &Maker) -> Result<(), Wrong> {
    let run = maker.run.to_string();
    let message = match trailer(object.message, AGENT_RUN) {
        Trailer::Once(named) if named == run => return Ok(()),
        // git has no hook that could set one.
        Trailer::Absent if object.kind == ObjectKind::Tag => return Ok(()),
        Trailer::Once(named) => {
            format!("its trailer `{AGENT_RUN}` is `{}`, not `{run}`", clip(named))
        }
        Trailer::Absent => format!("it has no trailer `{AGENT_RUN}: {run}`"),
        Trailer::Doubtful => format!("its trailer `{AGENT_RUN}` is there twice, or in its text"),
    };
    wrong(GitFinding::AgentRun, message, HOOKS)
}

fn must_name_the_person(object: &Object<'_>, maker: &Maker) -> Result<(), Wrong> {
    let person = maker.person.as_ref().map(UserName::as_str);
    let message = match (trailer(object.message, ON_BEHALF_OF), person) {
        (Trailer::Once(named), Some(person)) if named == person => return Ok(()),
        (Trailer::Absent, None) => return Ok(()),
        (Trailer::Absent, Some(_)) if object.kind == ObjectKind::Tag => return Ok(()),
        (Trailer::Once(named), None) => format!(
            "its trailer `{ON_BEHALF_OF}` is `{}`, and the run acts for nobody",
            clip(named)
        ),
        (Trailer::Once(named), Some(person)) => {
            format!("its trailer `{ON_BEHALF_OF}` is `{}`, not `{person}`", clip(named))
        }
        (Trailer::Absent, Some(person)) => format!("it has no trailer `{ON_BEHALF_OF}: {person}`"),
        (Trailer::Doubtful, _) => {
            format!("its trailer `{ON_BEHALF_OF}` is there twice, or in its text")
        }
    };
    wrong(GitFinding::OnBehalfOf, message, HOOKS)
}

fn wrong<T>(
    finding: GitFinding,
    message: impl Into<String>,
    remedy: &'static str,
) -> Result<T, Wrong> {
    Err(Wrong { finding, message: message.into(), remedy })
}

fn quoted(name: &[u8], mail: &[u8]) -> String {
    let (name, mail) = (String::from_utf8_lossy(name), String::from_utf8_lossy(mail));
    format!("{} <{}>", clip(&name), clip(&mail))
}

fn clip(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    text.chars().map(plain).take(QUOTED).collect()
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
