//! Resource parts: what each word after the operation of a permission names, and how it is spelt.
//!
//! A pattern that no request could ever match, or that reads as something it is not, is refused
//! here, because it would mislead whoever reads the grant.

/// What one part of a resource names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The path of an HTTP request.
    Path,
    /// A host and port.
    Host,
    /// A repository on a git server, such as `acme/api`: the path in lower case, without `.git`.
    Repository,
    /// A ref by its full name, such as `refs/heads/main`.
    Ref,
    /// A push option by its key, such as `ci.skip`.
    PushOption,
    /// A scope of a token, such as `invoices:read` (RFC 6749 §3.3).
    Scope,
    /// A tool by its name, such as `create_issue`.
    Tool,
    /// A table with its schema, such as `public.invoices`.
    Table,
}

impl Part {
    /// Refuses a pattern that cannot be meant for such a part. Returns what is wrong.
    pub fn check(self, text: &str) -> Result<(), &'static str> {
        match self {
            Self::Path => check_path(text),
            Self::Host => Ok(()),
            Self::Repository => check_repository(text),
            Self::Ref => check_ref(text),
            Self::PushOption => check_push_option(text),
            Self::Scope | Self::Tool | Self::Table => check_name(text),
        }
    }
}

// The gateway refuses requests whose path is not canonical (threat 84).
fn check_path(text: &str) -> Result<(), &'static str> {
    if !text.starts_with('/') && text != "**" {
        return Err("a path starts with `/`, or is `**` for every path");
    }
    for segment in text.split('/') {
        if segment == "." || segment == ".." {
            return Err("dot segments are never sent on; name the path itself");
        }
        if segment.contains(['?', '#', ';', '\\']) {
            return Err("a path pattern has no query, fragment, parameters or backslashes");
        }
    }
    check_percent_escapes(text.as_bytes())
}

fn check_percent_escapes(bytes: &[u8]) -> Result<(), &'static str> {
    let upper_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    for (place, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let escape = bytes.get(place + 1..place + 3).unwrap_or_default();
        if escape.len() != 2 || !escape.iter().all(upper_hex) {
            return Err("write percent escapes as `%` and two upper-case hexadecimal digits");
        }
    }
    Ok(())
}

// Servers take `Acme/Api`, `/acme/api` and `acme/api.git` for one repository, so there is one
// spelling of it.
fn check_repository(text: &str) -> Result<(), &'static str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("a repository is written in lower case, whatever its server prints");
    }
    if text.starts_with('/') {
        return Err("a repository has no slash before it: write `acme/api`");
    }
    if text.trim_end_matches('/').strip_suffix(".git").is_some() {
        return Err("a repository is written without `.git`");
    }
    if text.contains(['%', '?', '#', ';', ':', '\\']) {
        return Err("a repository is a plain path such as `acme/api`, without its server");
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") {
        return Err("a repository has no dot segments");
    }
    Ok(())
}

// What `git check-ref-format` refuses no server can hold.
fn check_ref(text: &str) -> Result<(), &'static str> {
    let full = text.strip_prefix("refs/").is_some_and(|rest| !rest.is_empty());
    if !full && text != "**" && !text.starts_with("*/") && !text.starts_with("**/") {
        return Err(
            "a ref is written in full, such as `refs/heads/main`, or is `**` for every ref",
        );
    }
    let misshapen = |segment: &str| {
        segment.starts_with('.')
            || segment.ends_with('.')
            || segment.to_ascii_lowercase().ends_with(".lock")
            || segment.contains("..")
    };
    if text.contains(['~', '^', ':', '?', '[', '\\']) || text.contains("@{") {
        return Err("a ref has none of `~`, `^`, `:`, `?`, `[`, `\\` and `@{`");
    }
    if text.split('/').any(misshapen) {
        return Err("no part of a ref begins or ends with a dot, holds two, or ends with `.lock`");
    }
    Ok(())
}

fn check_push_option(text: &str) -> Result<(), &'static str> {
    if text.contains('=') {
        return Err("a push option is named by its key alone, such as `ci.skip`");
    }
    if text.starts_with("refs/") {
        return Err("a push option is a key such as `ci.skip`, not a ref");
    }
    Ok(())
}

// Such a name is compared byte for byte: what is not plain could look like another.
fn check_name(text: &str) -> Result<(), &'static str> {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    if !text.bytes().all(is_plain) {
        return Err("a scope, a tool or a table is named in visible ASCII without quotes");
    }
    if text.contains("//") || text.starts_with('/') || text.ends_with('/') {
        return Err("a scope, a tool or a table has no empty segment between slashes");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn a_part_is_written_in_the_one_spelling_requests_have() {
        let good = [
            (Part::Path, "/v1/**"),
            (Part::Path, "**"),
            (Part::Repository, "acme/api"),
            (Part::Repository, "acme/*"),
            (Part::Repository, "**"),
            (Part::Repository, "acme/.github"),
            (Part::Repository, "git/digital"),
            (Part::Ref, "refs/heads/agent/**"),
            (Part::Ref, "refs/heads/Release-1.0"),
            (Part::Ref, "refs/for/*"),
            (Part::Ref, "**"),
            (Part::Ref, "**/main"),
            (Part::Ref, "*/heads/main"),
            (Part::PushOption, "ci.skip"),
            (Part::PushOption, "**"),
        ];
        for (part, text) in good {
            assert_eq!(part.check(text), Ok(()), "`{text}` is a {part:?}");
        }
    }

    // threat 116
    #[test]
    fn what_no_request_is_spelt_like_is_refused_with_the_reason() {
        let bad = [
            (Part::Path, "v1", "starts with `/`"),
            (Part::Repository, "Acme/api", "lower case"),
            (Part::Repository, "/acme/api", "no slash before it"),
            (Part::Repository, "acme/api.git", "without `.git`"),
            (Part::Repository, "acme/api.git/", "without `.git`"),
            (Part::Repository, "acme/%61pi", "plain path"),
            (Part::Repository, "git.example:acme/api", "plain path"),
            (Part::Repository, "acme/../api", "no dot segments"),
            (Part::Ref, "main", "written in full"),
            (Part::Ref, "heads/main", "written in full"),
            (Part::Ref, "refs/", "written in full"),
            (Part::Ref, "*", "written in full"),
            (Part::Ref, "+refs/heads/main", "written in full"),
            (Part::Ref, "HEAD:refs/heads/main", "written in full"),
            (Part::Ref, "refs/heads/main^", "none of"),
            (Part::Ref, "refs/heads/a:b", "none of"),
            (Part::Ref, "refs/heads/a..b", "holds two"),
            (Part::Ref, "refs/heads/.a", "begins or ends with a dot"),
            (Part::Ref, "refs/heads/a.lock", "`.lock`"),
            (Part::PushOption, "ci.variable=A=1", "key alone"),
            (Part::PushOption, "refs/heads/main", "not a ref"),
        ];
        for (part, text, wanted) in bad {
            let told = part.check(text).unwrap_err();
            assert!(told.contains(wanted), "`{text}` as a {part:?} gave: {told}");
        }
    }
}
