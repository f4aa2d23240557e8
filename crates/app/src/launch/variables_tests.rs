use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use marque_plane::view::OpenedRunView;
use serde_json::json;

use super::{Reach, Wanted, of_run};
use crate::environment::Environment;
use crate::exit::Failure;

fn opened() -> OpenedRunView {
    let id = "run_01ARYZ6S410000000000000000";
    let run = json!({
        "id": id, "spiffe_id": "", "agent": "triage", "version": 1, "task": "ticket:1",
        "opened_by": "alice", "on_behalf_of": null, "parent": null, "actors": [],
        "budget": { "limits": {}, "calls": 0, "bytes": 0 },
        "tier": "advisory", "allow": [], "ask": [], "never": [], "calls": 0, "refusals": 0,
        "state": "open", "opened_at": 0, "expires_at": 1,
    });
    let opened = json!({
        "run": run, "secret": "s3", "proxy": "127.0.0.1:9", "ca_pem": "", "left_out": [],
        "issuer": "https://id.test",
    });
    serde_json::from_value(opened).unwrap()
}

fn variables(
    parent: &[(&str, &str)],
    also: &[&str],
) -> Result<BTreeMap<OsString, OsString>, Failure> {
    reaching(Reach::Proxy, parent, also)
}

fn reaching(
    reach: Reach,
    parent: &[(&str, &str)],
    also: &[&str],
) -> Result<BTreeMap<OsString, OsString>, Failure> {
    let parent = parent.iter().copied().collect::<Environment>();
    let also: Vec<String> = also.iter().map(ToString::to_string).collect();
    let (opened, bundle, socket) = (opened(), Path::new("/b/ca.pem"), Path::new("/d/marque.sock"));
    let token_key = Some(Path::new("/b/token.key"));
    of_run(&parent, &Wanted { opened: &opened, reach, bundle, socket, token_key, also: &also })
}

#[test]
fn nothing_is_passed_on_that_is_not_listed() {
    let parent = [
        ("PATH", "/bin"),
        ("LC_ALL", "C"),
        ("GITHUB_TOKEN", "ghp_canary"),
        ("AWS_SECRET_ACCESS_KEY", "canary"),
        ("SSH_AUTH_SOCK", "/canary"),
        ("FOO", "canary"),
        ("https_proxy", "http://canary"),
        ("MARQUE_PASSPHRASE_FILE", "/canary"),
    ];
    let variables = variables(&parent, &[]).unwrap();
    let values: Vec<_> = variables.values().map(|value| value.to_string_lossy()).collect();
    assert!(values.iter().all(|value| !value.contains("canary")), "{values:?}");
    assert_eq!(variables.get(OsStr::new("PATH")).unwrap(), "/bin");
    assert_eq!(variables.get(OsStr::new("LC_ALL")).unwrap(), "C");
}

#[test]
fn every_way_out_leads_through_the_gateway() {
    let variables = variables(&[], &[]).unwrap();
    let proxy = "http://run_01ARYZ6S410000000000000000:s3@127.0.0.1:9";
    assert_eq!(variables.get(OsStr::new("https_proxy")).unwrap(), proxy);
    assert_eq!(variables.get(OsStr::new("SSL_CERT_FILE")).unwrap(), "/b/ca.pem");
    assert_eq!(variables.get(OsStr::new("MARQUE_SOCKET")).unwrap(), "/d/marque.sock");
}

#[test]
fn a_further_variable_is_passed_on_unless_a_secret_goes_by_its_name() {
    let parent = [("FOO", "1"), ("MY_TOKEN", "x"), ("db_password", "x")];
    let passed = variables(&parent, &["FOO", "ABSENT"]).unwrap();
    assert_eq!(passed.get(OsStr::new("FOO")).unwrap(), "1");
    for refused in ["MY_TOKEN", "db_password", "HTTPS_PROXY", "MARQUE_RUN", "SSH_AUTH_SOCK"] {
        assert!(variables(&parent, &[refused]).is_err(), "`{refused}` must be refused");
    }
}

#[test]
fn a_captured_run_has_nothing_in_its_environment_that_proves_it() {
    let variables = reaching(Reach::Doors, &[("TMPDIR", "/elsewhere")], &[]).unwrap();
    let of_secret = |value: &OsString| value.to_string_lossy().contains("s3");
    assert!(!variables.values().any(of_secret), "{variables:?}");
    for absent in ["HTTPS_PROXY", "http_proxy", "MARQUE_RUN_SECRET", "TMPDIR"] {
        assert!(!variables.contains_key(OsStr::new(absent)), "{absent}");
    }
    assert_eq!(variables.get(OsStr::new("SSL_CERT_FILE")).unwrap(), "/b/ca.pem");
}

#[test]
fn a_run_with_a_key_of_its_own_finds_it_by_three_variables() {
    for reach in [Reach::Proxy, Reach::Doors] {
        let variables = reaching(reach, &[("MARQUE_KEY_FILE", "/another")], &[]).unwrap();
        let of = |name: &str| variables.get(OsStr::new(name)).unwrap().to_str().unwrap();
        assert_eq!(of("MARQUE_ISSUER"), "https://id.test");
        assert_eq!(of("MARQUE_CLIENT_ID"), of("MARQUE_RUN"));
        assert_eq!(of("MARQUE_KEY_FILE"), "/b/token.key");
    }
}
