//! The token of a request: in `Authorization`, once, and nowhere else.

use ::http::HeaderMap;
use ::http::header::AUTHORIZATION;
use marque_crypto::Secret;

use crate::refuse::Notice;

/// The field with the proof of possession (RFC 9449 §4.1).
pub(super) const PROOF: &str = "dpop";
/// What a token in a query would be called (RFC 6750 §2.3).
const PARAMETER: &str = "access_token";

/// A token as it was sent.
pub(super) struct Token {
    pub(super) secret: Secret,
    /// As `DPoP`, else as `Bearer`.
    pub(super) is_dpop: bool,
}

/// Why there is no telling which token is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadToken {
    /// There is more than one.
    Several,
    /// It is none.
    Malformed,
    /// It is where logs and histories keep it (threat 37).
    InQuery,
}

impl BadToken {
    /// What the client is told; nothing of what it sent.
    pub(super) fn notice(self) -> Notice {
        let message = match self {
            Self::Several => "the request has more than one `authorization` field",
            Self::Malformed => "the `authorization` field is not a scheme and one token",
            Self::InQuery => "the query has an `access_token`",
        };
        Notice::malformed("token", message, "send one token, in `authorization` alone")
    }
}

/// The token of a request; `None` where it has none that is sent as ours are.
pub(super) fn read(headers: &HeaderMap, query: Option<&str>) -> Result<Option<Token>, BadToken> {
    if query.is_some_and(names_a_token) {
        return Err(BadToken::InQuery);
    }
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) => return Ok(None),
        (Some(field), None) => field.as_bytes(),
        (Some(_), Some(_)) => return Err(BadToken::Several),
    };
    let end = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
    let (scheme, token) = field.split_at(end);
    let is_dpop = scheme.eq_ignore_ascii_case(b"dpop");
    if !is_dpop && !scheme.eq_ignore_ascii_case(b"bearer") {
        return Ok(None);
    }
    let token = token.trim_ascii_start();
    if token.is_empty() || !token.iter().all(|byte| is_of_token(*byte)) {
        return Err(BadToken::Malformed);
    }
    Ok(Some(Token { secret: Secret::from_vec(token.to_vec()), is_dpop }))
}

/// `token68` (RFC 9110 §11.2).
fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

// However its letters are written, and whatever stands between parameters.
fn names_a_token(query: &str) -> bool {
    let mut names = query.split(['&', ';']).map(|pair| pair.split('=').next().unwrap_or_default());
    names.any(|name| unescaped(name).eq_ignore_ascii_case(PARAMETER.as_bytes()))
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut rest = text.as_bytes();
    let mut plain = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|two| std::str::from_utf8(two).ok());
        let escaped = digits.and_then(|two| u8::from_str_radix(two, 16).ok());
        plain.push(escaped.unwrap_or(*first));
        rest = after.get(if escaped.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    plain
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{BadToken, read};

    fn of(fields: &[&str], query: Option<&str>) -> Result<Option<(String, bool)>, BadToken> {
        let name = http::header::AUTHORIZATION;
        let headers: HeaderMap =
            fields.iter().map(|field| (name.clone(), field.parse().unwrap())).collect();
        let token = read(&headers, query)?;
        let text = |token: super::Token| {
            let text = String::from_utf8(token.secret.expose().to_vec()).unwrap();
            (text, token.is_dpop)
        };
        Ok(token.map(text))
    }

    #[test]
    fn one_token_is_read_in_either_scheme() {
        let some = |text: &str, is_dpop| Ok(Some((text.to_owned(), is_dpop)));
        assert_eq!(of(&["DPoP a.b-_c"], None), some("a.b-_c", true));
        assert_eq!(of(&["dpop a"], Some("a=1")), some("a", true));
        assert_eq!(of(&["BEARER  a=="], None), some("a==", false));
        for none in [&[][..], &["Basic YTpi"], &["Bearers a"]] {
            assert_eq!(of(none, None), Ok(None), "{none:?}");
        }
    }

    #[test]
    fn two_tokens_or_half_a_one_are_refused() {
        assert_eq!(of(&["DPoP a", "DPoP a"], None), Err(BadToken::Several));
        assert_eq!(of(&["Basic YTpi", "Bearer a"], None), Err(BadToken::Several));
        for half in ["Bearer", "DPoP ", "Bearer a b", "Bearer a, DPoP b", "Bearer \"a\""] {
            assert_eq!(of(&[half], None), Err(BadToken::Malformed), "{half}");
        }
    }

    // threat 37
    #[test]
    fn a_token_in_the_query_is_refused_however_it_is_written() {
        for query in [
            "access_token=a",
            "b=1&access_token=a",
            "b;access_token=a",
            "access%5Ftoken=a",
            "%61ccess_toke%6e=a",
            "ACCESS_TOKEN",
        ] {
            assert_eq!(of(&["DPoP a"], Some(query)), Err(BadToken::InQuery), "{query}");
        }
        for query in ["access_tokens=1", "a=access_token", "", "%", "access%5", "%zz=%"] {
            assert_eq!(of(&[], Some(query)), Ok(None), "{query}");
        }
    }
}
