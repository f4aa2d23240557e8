use serde_json::{Value, json};

use super::super::lfs::*;
use super::*;

const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

fn batch(body: &str) -> Result<Batch, BadLfs> {
    Batch::parse(body.as_bytes())
}

fn stripped(answer: &Value) -> Value {
    serde_json::from_slice(&strip_answer(answer.to_string().as_bytes()).unwrap()).unwrap()
}

#[test]
fn a_batch_says_which_way_it_goes() {
    let body = json!({
        "operation": "download",
        "transfers": ["basic"],
        "ref": { "name": "refs/heads/main" },
        "objects": [{ "oid": OID, "size": 123 }],
        "hash_algo": "sha256",
    });
    let batch = batch(&body.to_string()).unwrap();
    assert_eq!(batch.operation, Operation::Download);
    assert_eq!((batch.objects[0].oid.as_str(), batch.objects[0].size), (OID, 123));
    let upload = r#"{"op\u0065ration":"upload","objects":[]}"#;
    assert_eq!(Batch::parse(upload.as_bytes()).unwrap().operation, Operation::Upload);
}

// threat 118's twin: what is a read here must be a read there.
#[test]
fn threat_119_a_batch_that_servers_read_differently_is_refused() {
    let twice = [
        r#"{"operation":"download","operation":"upload","objects":[]}"#,
        r#"{"operation":"download","Operation":"upload","objects":[]}"#,
        r#"{"operation":"download","operat\u0049on":"upload","objects":[]}"#,
        "{\"operation\":\"download\",\"objects\":[],\"object\u{17f}\":[]}",
        r#"{"operation":"download","objects":[{"oid":"x","OID":"y","size":1}]}"#,
        r#"{"operation":"download","objects":[]} {}"#,
        "",
        "{",
        "\u{feff}{}",
    ];
    for body in twice {
        assert!(matches!(batch(body), Err(BadLfs::Json(_))), "{body}");
    }
    let odd = ["Download", "download ", "", "delete", "verify"];
    for operation in odd {
        let body = json!({ "operation": operation, "objects": [] }).to_string();
        assert_eq!(batch(&body), Err(BadLfs::Operation), "{operation:?}");
    }
    for body in [r#"{"Operation":"upload","objects":[]}"#, r#"{"operation":["upload"]}"#, "[]", "7"]
    {
        assert_eq!(batch(body), Err(BadLfs::Operation), "{body}");
    }
    let hash = r#"{"operation":"upload","objects":[],"hash_algo":"sha1"}"#;
    assert_eq!(batch(hash), Err(BadLfs::Hash));
}

#[test]
fn a_batch_beyond_its_bounds_is_refused() {
    let of =
        |objects: Value| batch(&json!({ "operation": "upload", "objects": objects }).to_string());
    let object = json!({ "oid": OID, "size": 0 });
    assert_eq!(of(json!(vec![&object; OBJECTS_MAX])).unwrap().objects.len(), OBJECTS_MAX);
    let refused = [
        json!(vec![&object; OBJECTS_MAX + 1]),
        json!({}),
        json!(null),
        json!([OID]),
        json!([{ "oid": OID }]),
        json!([{ "oid": OID, "size": -1 }]),
        json!([{ "oid": OID, "size": "1" }]),
        json!([{ "oid": &OID[..40], "size": 1 }]),
        json!([{ "oid": OID.to_uppercase(), "size": 1 }]),
    ];
    for objects in refused {
        assert_eq!(of(objects.clone()), Err(BadLfs::Objects), "{objects}");
    }
    let long = format!("{{}}{}", " ".repeat(REQUEST_MAX_BYTES));
    assert_eq!(batch(&long), Err(BadLfs::TooLong(REQUEST_MAX_BYTES)));
    let deep = "[".repeat(100_000);
    assert!(matches!(batch(&deep), Err(BadLfs::Json(_))));
}

#[test]
fn threat_119_no_action_of_an_answer_carries_a_credential() {
    let action =
        |header: Value, href: &str| json!({ "href": href, "header": header, "expires_in": 60 });
    let secrets = json!({
        "AUTHORIZATION": "Basic c2VjcmV0", "Proxy-Authorization": "x",
        "Cookie": "x", "X-Auth-Token": "x", "x-amz-security-token": "x", "PRIVATE-TOKEN": "x",
        "Job-Token": "x", "Accept": "application/vnd.git-lfs", "x-amz-content-sha256": "y",
    });
    let kept = json!({ "Accept": "application/vnd.git-lfs", "x-amz-content-sha256": "y" });
    let signed = "https://bucket.test/o?X-Amz-Signature=1&at=a@b";
    let answer = |header: &Value, user: &str| {
        let action = action(header.clone(), &format!("https://{user}files.test:8443/o?x=1@2#y"));
        json!({
            "transfer": "basic",
            "objects": [
                { "oid": OID, "size": 9_007_199_254_740_993_u64, "authenticated": true,
                  "actions": { "download": action, "upload": action, "verify": action } },
                { "oid": OID, "size": 1, "_links": { "download": action } },
                { "oid": OID, "size": 1, "actions": { "download": { "href": signed } } },
                { "oid": OID, "size": 1, "error": { "code": 404, "message": "gone" } },
            ],
        })
    };
    assert_eq!(stripped(&answer(&secrets, "user:pa@ss@")), answer(&kept, ""));
    assert_eq!(stripped(&answer(&kept, "")), answer(&kept, ""), "nothing else changes");
}

#[test]
fn threat_119_a_credential_in_another_case_is_found_too() {
    let answer = json!({ "Objects": [{ "Actions": { "Download": {
        "HREF": "//u:p@a.test", "Header": { "\u{212a}-to\u{212a}en": "x", "b": "c" },
    } } }] });
    let wanted = json!({ "Objects": [{ "Actions": { "Download": {
        "HREF": "//a.test", "Header": { "b": "c" },
    } } }] });
    assert_eq!(stripped(&answer), wanted);
}

#[test]
fn threat_119_an_answer_that_cannot_be_read_is_not_sent_on() {
    let refused = ["", "<html>", r#"{"header":{},"Header":{"authorization":"x"}}"#, "{} x"];
    for body in refused {
        assert!(matches!(strip_answer(body.as_bytes()), Err(BadLfs::Json(_))), "{body}");
    }
    assert_eq!(strip_answer(b"[]"), Err(BadLfs::Answer));
    let long = vec![b' '; ANSWER_MAX_BYTES + 1];
    assert_eq!(strip_answer(&long), Err(BadLfs::TooLong(ANSWER_MAX_BYTES)));
}

proptest! {
    #[test]
    fn any_bytes_at_all_get_a_verdict(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Batch::parse(&body);
        let _ = strip_answer(&body);
    }

    #[test]
    fn no_user_is_left_before_any_host(user in "[a-z:@%]{0,8}", tail in "[a-z/?#@]{0,8}") {
        let href = format!("https://{user}@a.test/{tail}");
        let answer = stripped(&json!({ "href": href }));
        prop_assert_eq!(answer, json!({ "href": format!("https://a.test/{tail}") }));
    }
}
