//! What is printed is read as it was, and no reader falls over.

use marque_domain::{Digest, Id, Timestamp};
use proptest::prelude::*;

use super::*;

fn name() -> impl Strategy<Value = String> {
    "[!-~]{1,40}"
}

fn text() -> impl Strategy<Value = String> {
    "[a-z0-9 é:/]{1,20}"
}

fn issuer() -> impl Strategy<Value = Issuer> {
    "https://[a-z]{1,10}\\.example(:8443)?(/[a-z0-9]{1,8}){0,2}"
        .prop_map(|text| Issuer::parse(&text).unwrap())
}

fn resource() -> impl Strategy<Value = Resource> {
    "https://[a-z]{1,10}\\.example(/[a-z0-9]{1,8}){0,2}(\\?[a-z]{1,4}=[0-9])?"
        .prop_map(|text| Resource::parse(&text).unwrap())
}

fn profile() -> impl Strategy<Value = Option<Profile>> {
    prop::option::of(prop_oneof![
        Just(Profile::User),
        Just(Profile::Service),
        Just(Profile::AiAgent)
    ])
}

fn act() -> impl Strategy<Value = Act> {
    let actor = (name(), issuer(), profile()).prop_map(|(sub, iss, sub_profile)| Actor {
        sub,
        iss,
        sub_profile,
    });
    prop::collection::vec(actor, 1..=CHAIN_MAX).prop_map(|actors| Act::new(actors).unwrap())
}

fn details() -> impl Strategy<Value = AuthorizationDetails> {
    let texts = || prop::collection::vec(text(), 0..3);
    let fields = prop::collection::btree_map("x_[a-z]{1,6}", any::<i32>(), 0..3);
    let detail = ("[a-z_]{1,10}", texts(), texts(), texts(), prop::option::of(text()), fields)
        .prop_map(|(kind, locations, actions, privileges, identifier, fields)| {
            let fields = fields.into_iter().map(|(name, value)| (name, value.into())).collect();
            AuthorizationDetail {
                kind,
                locations,
                actions,
                datatypes: Vec::new(),
                identifier,
                privileges,
                fields,
            }
        });
    prop::collection::vec(detail, 0..4).prop_map(|it| AuthorizationDetails::new(it).unwrap())
}

fn run() -> impl Strategy<Value = RunClaim> {
    let hash = || any::<[u8; 32]>().prop_map(Digest::from_bytes);
    let approval = (any::<[u8; 10]>(), hash(), 0..NumericDate::MAX.as_seconds()).prop_map(
        |(id, hash, exp)| ApprovalReference {
            id: Id::new(Timestamp::from_millis(1), id),
            hash,
            exp: at(exp),
        },
    );
    let approvals = prop::collection::vec(approval, 0..3);
    (
        any::<[u8; 10]>(),
        any::<bool>(),
        "[a-z]{1,8}:[A-Z0-9#/]{1,12}",
        hash(),
        1_u8..=8,
        hash(),
        approvals,
    )
        .prop_map(|(id, is_child, task, agent_version, depth, authority_hash, approvals)| {
            RunClaim {
                id: Id::new(Timestamp::from_millis(7), id),
                parent: is_child.then(|| Id::new(Timestamp::from_millis(6), id)),
                task: task.parse().unwrap(),
                agent_version,
                depth,
                authority_hash,
                approvals,
            }
        })
}

fn authentication() -> impl Strategy<Value = Authentication> {
    let amr = prop::collection::vec("[a-z]{1,5}", 0..3);
    (0_u64..2_000_000_000, prop::option::of(name()), amr)
        .prop_map(|(auth_time, acr, amr)| Authentication { auth_time: at(auth_time), acr, amr })
}

prop_compose! {
    fn token()(
        (iss, aud, sub, client_id, jti) in (issuer(), resource(), name(), name(), name()),
        (sub_profile, client_profile) in (profile(), profile()),
        (iat, life) in (0_u64..4_000_000_000, 1..=LIFETIME_MAX_SECS),
        txn in prop::option::of(name()),
        scope in prop::collection::btree_set("[a-z:]{1,9}", 0..4),
        (authorization_details, authentication) in (details(), prop::option::of(authentication())),
        (act, run) in (prop::option::of(act()), prop::option::of(run())),
        may_act in prop::option::of((name(), issuer())),
        cnf in prop::option::of((any::<bool>(), any::<[u8; 32]>())),
        status in prop::option::of((any::<u32>(), resource())),
    ) -> AccessTokenClaims {
        let scope = scope.into_iter().collect::<Vec<_>>().join(" ");
        AccessTokenClaims {
            iss, aud, sub, sub_profile, client_id, client_profile, jti, txn, authentication,
            iat: at(iat),
            nbf: at(iat),
            exp: at(iat + life),
            scope: if scope.is_empty() { Scope::default() } else { Scope::parse(&scope).unwrap() },
            authorization_details,
            act,
            may_act: may_act.map(|(sub, iss)| MayAct { sub, iss }),
            cnf: cnf.map(|(is_key, bytes)| {
                let kind = if is_key { Confirmation::Key } else { Confirmation::Certificate };
                kind(Thumbprint::from_bytes(bytes))
            }),
            run,
            status: status.map(|(idx, uri)| StatusReference { idx: idx.into(), uri }),
        }
    }
}

proptest! {
    #[test]
    fn an_access_token_is_read_as_it_was_written(token in token()) {
        let again = AccessTokenClaims::read(verified(TokenClass::AccessToken, &token.to_json()));
        prop_assert_eq!(again.unwrap(), token);
    }

    #[test]
    fn details_are_read_as_they_were_written(details in details()) {
        let text = details.to_json().to_string();
        prop_assert_eq!(AuthorizationDetails::parse(&text).unwrap(), details);
    }

    #[test]
    fn a_scope_has_one_spelling(text in "[a-z*\" ]{0,30}") {
        if let Ok(scope) = Scope::parse(&text) {
            let printed = scope.to_string();
            prop_assert_eq!(Scope::parse(&printed).unwrap(), scope);
        }
    }

    #[test]
    fn a_target_is_equal_to_its_own_spelling(
        text in "(https?|HTTP)://[A-Za-z.:0-9]{1,16}[/a-zA-Z%0-9._~-]{0,16}",
    ) {
        if let Ok(target) = Htu::parse(&text) {
            prop_assert_eq!(Htu::parse(target.as_str()).unwrap(), target);
        }
    }

    #[test]
    fn a_url_is_kept_byte_for_byte(text in "https?://[A-Za-z.:0-9@]{1,16}[/a-z%0-9.?#]{0,16}") {
        if let Ok(issuer) = Issuer::parse(&text) {
            prop_assert_eq!(issuer.as_str(), text.as_str());
            prop_assert!(Resource::parse(&text).is_ok());
        }
    }

    #[test]
    fn any_form_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..120)) {
        if let Ok(form) = Form::parse(&body) {
            let _ = TokenRequest::parse(form);
        }
    }

    #[test]
    fn a_value_comes_out_of_a_form_as_it_went_in(value in "\\PC{1,40}") {
        let encoded = value.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let mut form = Form::parse(format!("a={encoded}").as_bytes()).unwrap();
        prop_assert_eq!(form.take("a", 1024).unwrap(), Some(value));
    }
}
