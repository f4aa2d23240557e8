//! Tokens cannot be printed, serialised or copied: this file compiles only while that is true.

use std::fmt::{Debug, Display};

use serde::Serialize;

use super::*;
use crate::oauth::{
    ClientProof, Exchange, Form, Grant, IntrospectionRequest, TokenRequest, TokenResponse,
};

/// Has one implementation for every type and a second one for those that are `$bound`, so that
/// naming it without saying which is ambiguous, hence a compile error, exactly if the bound holds.
macro_rules! never {
    ($bound:ident) => {{
        trait Ambiguous<Which> {
            fn named() {}
        }
        struct Bounded;
        impl<T: ?Sized> Ambiguous<()> for T {}
        impl<T: ?Sized + $bound> Ambiguous<Bounded> for T {}
        <Token as Ambiguous<_>>::named();
        <Unsigned as Ambiguous<_>>::named();
        <Unverified<'_> as Ambiguous<_>>::named();
        <Verified as Ambiguous<_>>::named();
        <Form as Ambiguous<_>>::named();
        <Grant as Ambiguous<_>>::named();
        <ClientProof as Ambiguous<_>>::named();
        <Exchange as Ambiguous<_>>::named();
        <TokenRequest as Ambiguous<_>>::named();
        <TokenResponse as Ambiguous<_>>::named();
        <IntrospectionRequest as Ambiguous<_>>::named();
    }};
}

// threat 152
#[test]
fn threat_152_no_type_that_holds_a_token_can_be_printed_serialised_or_silently_copied() {
    never!(Debug);
    never!(Display);
    never!(Serialize);
    never!(Clone);
}

// A problem with a token is told in words of ours alone.
#[test]
fn no_problem_quotes_a_token() {
    let key = ProofKey::generate().unwrap();
    let secret = "SECRETSECRET";
    for token in [
        signed(&format!(r#"{{"alg":"{secret}"}}"#), "{}", &key),
        signed(&format!(r#"{{"alg":"ES256","typ":"{secret}"}}"#), "{}", &key),
        signed(&format!(r#"{{"alg":"ES256","kid":"{secret} "}}"#), "{}", &key),
        signed(r#"{"alg":"ES256"}"#, &format!(r#"{{"{secret}":1,"{secret}":2}}"#), &key),
        signed(r#"{"alg":"ES256"}"#, &format!(r#"{{"{secret}""#), &key),
        format!("{secret}.{secret}.{secret}").into_bytes(),
        secret.as_bytes().to_vec(),
    ] {
        let problem = read(TokenClass::Assertion, &token, key.public()).unwrap_err();
        assert!(!format!("{problem} {problem:?}").contains(secret), "{problem:?}");
    }
}
