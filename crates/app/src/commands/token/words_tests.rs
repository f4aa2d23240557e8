use marque_domain::Timestamp;
use marque_wire::jose::{NumericDate, TokenClass, Unsigned, Unverified};
use marque_wire::oauth::AccessTokenClaims;
use serde_json::{Value, json};

use super::super::checked::Signature;
use super::explain;

const AGENT: &str = "spiffe://acme.example/agent";
const DIGEST: &str = "sha256:6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";

fn claims(members: Value) -> AccessTokenClaims {
    let Value::Object(members) = members else { panic!("claims are an object") };
    let key = marque_crypto::proof_key::ProofKey::generate().unwrap();
    let unsigned = Unsigned::new(TokenClass::AccessToken, key.public().algorithm(), "k", &members);
    let signature = key.sign(unsigned.signing_input()).unwrap();
    let token = unsigned.finish(&signature).ok().unwrap();
    let read = Unverified::parse(TokenClass::AccessToken, token.expose()).ok().unwrap();
    AccessTokenClaims::as_claimed(&read).unwrap()
}

fn at(seconds: u64) -> Timestamp {
    NumericDate::from_seconds(seconds).unwrap().timestamp()
}

#[test]
fn the_chain_and_its_bounds_come_first_and_then_what_is_not_proven() {
    let agent = |name: &str| format!("{AGENT}/{name}");
    let iss = "https://id.acme.example";
    let first = json!({ "sub": agent("planner"), "iss": iss, "sub_profile": "ai_agent" });
    let act =
        json!({ "sub": agent("biller"), "iss": iss, "sub_profile": "ai_agent", "act": first });
    let hash = "sha-256:a4ayc_80_OGda4BO_1o_V0etpOqiLx1JwB5S3beHW0s";
    let claims = claims(json!({
        "iss": iss, "aud": "https://ledger.example/", "sub": "carol", "sub_profile": "user",
        "client_id": "cli_01ARYZ6S410000000000000000", "iat": 1_700_000_000,
        "exp": 1_700_000_300, "jti": "tok_01ARYZ6S410000000000000000", "txn": "t1",
        "scope": "invoices:read",
        "authorization_details": [{ "type": "mcp_tool_call", "actions": ["tools/call"],
            "identifier": "pay", "constraints": { "max_amount": 50 } }],
        "act": act, "cnf": { "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" },
        "https://id.acme.example/claims/run": {
            "id": "run_01ARYZ6S410000000000000000", "parent": "run_01ARYZ6S410000000000000001",
            "task": "ticket:OPS-12", "agent_version": DIGEST, "depth": 2, "authority_hash": hash,
            "approvals": [{ "id": "apr_01ARYZ6S410000000000000000", "hash": hash,
                "exp": 1_700_000_300 }],
        },
    }));
    let told = explain(&claims, &Signature::Unchecked, at(1_700_000_060));
    let expected = format!(
        "\
who acts             {AGENT}/biller (ai_agent)
for                  carol (user), whose authority is used
through              {AGENT}/planner (ai_agent)
run                  run_01ARYZ6S410000000000000000, 2 actors in all
opened by the run    run_01ARYZ6S410000000000000001
task                 ticket:OPS-12
made of              {DIGEST}
within               the mandate {DIGEST}
at                   https://ledger.example/
may                  the scope `invoices:read`
                     tools/call pay, constraints max_amount=50 (mcp_tool_call)
bound to             the key 0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I, by a DPoP proof
until                2023-11-14T22:18:20.000Z, 240 seconds from now
approved by a human  apr_01ARYZ6S410000000000000000 of {DIGEST}, until 2023-11-14T22:18:20.000Z
client               cli_01ARYZ6S410000000000000000
issued by            https://id.acme.example
issued at            2023-11-14T22:13:20.000Z
token                tok_01ARYZ6S410000000000000000
call tree            t1
signature            NOT CHECKED: anybody could have written this; give `--issuer` or `--jwks`

What it does not prove:
  that whoever presents it may: they show that with a proof of the bound key, for each request
  that the run is still open: only the issuer knows, and a kill is seen there first
  that the program is the one it says: `made of` is what was declared when it was registered
  that the person wanted this very act: they gave bounds, and the agent acts within them
  that a kind, such as `ai_agent`, is true: it is said by the issuer, and gives no authority"
    );
    assert_eq!(told, expected);
}

#[test]
fn a_token_that_is_over_bearer_and_of_no_run_says_so_in_capitals() {
    let claims = claims(json!({
        "iss": "https://id.acme.example", "aud": "https://billing.example/",
        "sub": format!("{AGENT}/reader"), "client_id": "reader", "iat": 1_700_000_000,
        "exp": 1_700_000_300, "jti": "j",
        "status": { "status_list": { "idx": 7, "uri": "https://id.acme.example/oauth/status/l" } },
    }));
    let held = Signature::Holds { key: "k1".to_owned(), of: "https://id.acme.example".to_owned() };
    let told = explain(&claims, &held, at(1_700_000_300));
    let (said, _) = told.split_once("\n\n").unwrap();
    let expected = format!(
        "\
who acts     {AGENT}/reader
for          nobody else: its own authority
run          none: it can only run out
at           https://billing.example/
may          nothing by itself: it says who comes
bound to     NOTHING: whoever has it can use it
until        2023-11-14T22:18:20.000Z: IT IS OVER
client       reader
issued by    https://id.acme.example
issued at    2023-11-14T22:13:20.000Z
token        j
status list  place 7 of https://id.acme.example/oauth/status/l
signature    holds, by the key `k1` of https://id.acme.example"
    );
    assert_eq!(said, expected);
    let early = explain(&claims, &held, at(1_699_999_000));
    assert!(early.contains("NOT GOOD YET"), "{early}");
}
