//! Requests as clients send them.

use super::*;

fn form(body: &str) -> Result<Form, BadForm> {
    Form::parse(body.as_bytes())
}

fn request(body: &str) -> Result<TokenRequest, BadTokenRequest> {
    TokenRequest::parse(form(body)?)
}

/// RFC 8693 section 2.3.
const EXCHANGE: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
    &resource=https%3A%2F%2Fbackend.example.com%2Fapi\
    &subject_token=accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC\
    &subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token";

#[test]
fn the_exchange_of_rfc_8693_section_2_3_is_read() {
    let request = request(EXCHANGE).ok().unwrap();
    assert_eq!(request.resource[0].as_str(), "https://backend.example.com/api");
    let Grant::TokenExchange(exchange) = request.grant else { panic!("another grant") };
    assert!(exchange.subject_token.matches(b"accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC"));
    assert_eq!(exchange.subject_token_type, TokenType::AccessToken);
    assert_eq!(exchange.requested_token_type, TokenType::AccessToken);
    assert!(exchange.actor.is_none() && exchange.audience.is_empty());
    assert!(matches!(request.client_proof, ClientProof::None));
}

#[test]
fn what_belongs_to_an_exchange_comes_whole() {
    let kind = "urn:ietf:params:oauth:token-type:jwt";
    let with = |more: &str| request(&format!("{EXCHANGE}{more}"));
    let both = with(&format!("&actor_token=a.b.c&actor_token_type={kind}&audience=x&audience=y"));
    let Grant::TokenExchange(exchange) = both.ok().unwrap().grant else { panic!("another grant") };
    assert!(matches!(exchange.actor, Some((_, TokenType::Jwt))));
    assert_eq!(exchange.audience, ["x", "y"]);
    let missing = |name| Some(BadTokenRequest::Form(BadForm::Missing(name)));
    let malformed = |name| Some(BadTokenRequest::Form(BadForm::Malformed(name)));
    assert_eq!(with("&actor_token=a").err(), missing("actor_token_type"));
    assert_eq!(with(&format!("&actor_token_type={kind}")).err(), malformed("actor_token_type"));
    for (from, name) in
        [("subject_token=", "subject_token"), ("subject_token_type=", "subject_token_type")]
    {
        let without = EXCHANGE.replace(&format!("&{from}"), "&x=");
        assert_eq!(request(&without).err(), missing(name));
    }
    // threat 48: a kind that nobody named is none.
    for kind in ["access_token", "urn:ietf:params:oauth:token-type:ACCESS_TOKEN", "saml", "urn:x"] {
        let other =
            EXCHANGE.replace("urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token", kind);
        assert_eq!(request(&other).err(), malformed("subject_token_type"), "{kind}");
    }
}

#[test]
fn every_kind_of_token_has_one_name() {
    for kind in [
        TokenType::AccessToken,
        TokenType::IdToken,
        TokenType::Jwt,
        TokenType::RefreshToken,
        TokenType::Saml1,
        TokenType::Saml2,
        TokenType::IdJag,
        TokenType::TransactionToken,
    ] {
        assert_eq!(TokenType::parse(kind.as_str()), Some(kind));
    }
}

// threat 31
#[test]
fn threat_31_no_grant_but_those_that_are_listed() {
    for grant in
        ["password", "implicit", "authorization_code", "refresh_token", "CLIENT_CREDENTIALS", "x"]
    {
        let refused = request(&format!("grant_type={grant}&username=a&password=b")).err();
        assert_eq!(refused, Some(BadTokenRequest::GrantType), "{grant}");
    }
    for body in ["", "scope=a", "grant_type=", "grant_type"] {
        let refused = request(body).err();
        assert_eq!(refused, Some(BadTokenRequest::Form(BadForm::Missing("grant_type"))), "{body}");
    }
    for grant in GRANT_TYPES {
        let body = format!(
            "grant_type={grant}&assertion=a&subject_token=a&deferral_code=a\
            &subject_token_type=urn:ietf:params:oauth:token-type:jwt"
        );
        assert!(request(&body).is_ok(), "{grant}");
    }
}

// draft-ietf-oauth-deferred-token-response sections 4.1, 5.1 and 6.5
#[test]
fn whoever_comes_again_says_nothing_new_and_modes_that_nobody_knows_are_passed_over() {
    let deferred = "grant_type=urn:ietf:params:oauth:grant-type:deferred";
    let missing = request(deferred).err();
    assert_eq!(missing, Some(BadTokenRequest::Form(BadForm::Missing("deferral_code"))));
    for (name, value) in [
        ("completion_mode", "deferred"),
        ("scope", "more"),
        ("resource", "https://api.test/"),
        ("authorization_details", "%5B%5D"),
    ] {
        let refused = request(&format!("{deferred}&deferral_code=a&{name}={value}")).err();
        assert_eq!(refused, Some(BadTokenRequest::Form(BadForm::Unasked(name))), "{name}");
    }
    for (modes, expected) in [
        ("deferred", true),
        ("later+deferred", true),
        ("deferred+later", true),
        ("DEFERRED", false),
        ("deferred-ish", false),
        ("", false),
    ] {
        let asked = request(&format!("grant_type=client_credentials&completion_mode={modes}"));
        let may = asked.is_ok_and(|asked| asked.may_be_deferred);
        assert_eq!(may, expected, "`{modes}`");
    }
}

// threat 34
#[test]
fn threat_34_a_resource_is_a_url_of_one_spelling_and_each_is_told() {
    let with =
        |resource: &str| request(&format!("grant_type=client_credentials&resource={resource}"));
    for resource in [
        "backend",
        "/api",
        "https://a.example/%23x",
        "https://a.example/#x",
        "http://a.example/",
        "https://user@a.example/",
        "https://A.example/",
        "https://a.example:443/",
        "https://a.example/../b",
        "https://a.example/%2e%2e/b",
        "https://a.example/a%20b",
        "ftp://a.example/",
        "javascript:alert(1)",
        "urn:example",
    ] {
        let encoded = resource.replace('%', "%25").replace('#', "%23");
        let refused = with(&encoded).err();
        let is_fine = resource.ends_with("%20b") || resource.ends_with("%23x");
        assert_eq!(refused, (!is_fine).then_some(BadTokenRequest::Resource), "{resource}");
    }
    let two = with("https://a.example/&resource=https://b.example/").ok().unwrap();
    assert_eq!(two.resource.len(), 2, "how many may be asked for is decided elsewhere");
    let many = ["https://a.example/"; 9].join("&resource=");
    let refused = with(&many).err();
    assert_eq!(refused, Some(BadTokenRequest::Form(BadForm::Malformed("resource"))));
}

#[test]
fn a_client_proves_itself_in_one_way() {
    let with = |more: &str| request(&format!("grant_type=client_credentials{more}"));
    let kind = "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let spiffe = "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
    let proof = |more: &str| with(more).ok().unwrap().client_proof;
    assert!(matches!(proof(&format!("{kind}&client_assertion=a.b.c")), ClientProof::Assertion(_)));
    assert!(matches!(proof(&format!("{spiffe}&client_assertion=a.b.c")), ClientProof::Spiffe(_)));
    assert!(matches!(proof("&client_secret=s"), ClientProof::Secret(_)));
    assert!(matches!(proof("&client_id=c"), ClientProof::None));
    for both in [
        format!("{kind}&client_assertion=a&client_secret=s"),
        format!("{kind}&client_secret=s"),
        kind.to_owned(),
        "&client_assertion=a".to_owned(),
        "&client_assertion=a&client_assertion_type=saml2".to_owned(),
    ] {
        assert_eq!(with(&both).err(), Some(BadTokenRequest::ClientProof), "{both}");
    }
}

// threat 15, in forms: which of two counts, readers differ on.
#[test]
fn threat_15_no_parameter_is_given_twice() {
    for body in
        ["scope=a&scope=b", "scope=a&sc%6Fpe=b", "scope&scope=a", "grant_type=a&x=1&grant_type=a"]
    {
        assert_eq!(form(body).err(), Some(BadForm::Twice), "{body}");
    }
    assert!(form("resource=a&resource=b&audience=c&audience=d").is_ok());
}

#[test]
fn a_form_is_decoded_in_one_way_or_refused() {
    let value = |text: &str| form(&format!("a={text}"))?.take("a", 100);
    for (text, decoded) in [
        ("x+y", "x y"),
        ("x%20y", "x y"),
        ("%C3%A9", "\u{e9}"),
        ("a=b=c", "a=b=c"),
        ("%2B%2b", "++"),
        ("a%26b%3Dc", "a&b=c"),
        ("~!*'();:@$,/?[]-._", "~!*'();:@$,/?[]-._"),
    ] {
        assert_eq!(value(text), Ok(Some(decoded.to_owned())), "{text}");
    }
    for text in
        ["%", "%4", "%zz", "%+1", "%C3", "%ED%A0%80", "%FF", "x y", "\u{e9}", "x\ty", "\"", "{}"]
    {
        assert_eq!(value(text), Err(BadForm::Encoding), "{text}");
    }
    for text in ["%00", "%0A", "%0D%0A", "%7F", "%C2%85"] {
        assert_eq!(value(text), Err(BadForm::Malformed("a")), "{text}");
    }
    for body in ["=x", "a b=x", "%C3%A9=x", "&a=1", "a=1&", "a=1&&b=2"] {
        assert!(matches!(form(body), Err(BadForm::Name | BadForm::Encoding)), "{body}");
    }
    assert_eq!(value(""), Ok(None), "without a value, it is not given");
    assert_eq!(value(&"x".repeat(101)), Err(BadForm::Malformed("a")));
}

// threat 20
#[test]
fn threat_20_a_form_has_ends() {
    assert_eq!(form(&"a".repeat(FORM_MAX_BYTES + 1)).err(), Some(BadForm::TooLong));
    let many: Vec<String> = (0..65).map(|name| format!("p{name}=1")).collect();
    assert_eq!(form(&many.join("&")).err(), Some(BadForm::TooMany));
    assert!(form(&many[..64].join("&")).is_ok());
    assert_eq!(form(&format!("{}=1", "n".repeat(65))).err(), Some(BadForm::Name));
    let scope = vec!["s"; 200].join("+");
    assert!(request(&format!("grant_type=client_credentials&scope={scope}")).is_err());
    let token = "t".repeat(16 * 1024 + 1);
    let refused = request(&EXCHANGE.replace("accVkjcJyb4BWCxGsndESCJQbdFMogUC5PbRDqceLTC", &token));
    assert_eq!(refused.err(), Some(BadTokenRequest::Form(BadForm::Malformed("subject_token"))));
}

#[test]
fn details_are_read_from_their_parameter() {
    let with = |details: &str| {
        let details = details.replace('%', "%25").replace('"', "%22").replace('{', "%7B");
        let details = details.replace('}', "%7D");
        request(&format!("grant_type=client_credentials&authorization_details={details}"))
    };
    let asked =
        with(r#"[{"type":"git_push","identifier":"acme/api","refs":["refs/heads/agent"]}]"#);
    let asked = asked.ok().unwrap().authorization_details;
    let detail = &asked.as_slice()[0];
    assert_eq!(
        (detail.kind.as_str(), detail.identifier.as_deref()),
        ("git_push", Some("acme/api"))
    );
    assert!(detail.fields.contains_key("refs"));
    for details in [
        "{}",
        "[7]",
        "[{}]",
        r#"[{"type":7}]"#,
        r#"[{"type":"a","type":"b"}]"#,
        r#"[{"type":"a","locations":"x"}]"#,
        r#"[{"type":"a","actions":[1]}]"#,
        r#"[],"x":1"#,
        r#"[]}{"x":1"#,
        "[",
        "null",
    ] {
        assert!(matches!(with(details).err(), Some(BadTokenRequest::Details(_))), "{details}");
    }
}

#[test]
fn a_question_about_a_token_is_read() {
    let ask = |body: &str| {
        form(body).map_err(BadTokenRequest::Form).and_then(IntrospectionRequest::parse)
    };
    let asked = ask("token=a.b.c&token_type_hint=access_token&client_id=rs").ok().unwrap();
    assert!(asked.token.matches(b"a.b.c"));
    assert_eq!(
        (asked.hint, asked.client_id.as_deref()),
        (Some(TokenHint::AccessToken), Some("rs"))
    );
    let hint = |hint: &str| ask(&format!("token=a&token_type_hint={hint}")).ok().unwrap().hint;
    assert_eq!(hint("refresh_token"), Some(TokenHint::RefreshToken));
    assert_eq!(hint("saml"), Some(TokenHint::Other));
    let missing = Some(BadTokenRequest::Form(BadForm::Missing("token")));
    assert_eq!(ask("token=").err(), missing);
}
