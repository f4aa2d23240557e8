//! What the API answers to each tool, in the form that tool prints something of: the request's own
//! number.

use serde_json::json;

use crate::demo::api::HOST;

/// What every tool asks for, where it asks for something by name.
pub(super) const NAME: &str = "marque-doctor";

/// The number as digits, for tools that print nothing but versions.
pub(super) fn digits(nonce: &str) -> String {
    let some = nonce.get(..7).and_then(|some| u32::from_str_radix(some, 16).ok());
    some.unwrap_or_default().to_string()
}

/// Content type and body; none if there is no such thing.
pub(in crate::demo) fn answer(
    tool: &str,
    path: &[&str],
    nonce: &str,
) -> Option<(&'static str, String)> {
    let base = format!("https://{HOST}/v1/tools/{tool}");
    let json_of = |value: serde_json::Value| Some(("application/json", value.to_string()));
    match (tool, path) {
        ("git", ["info", "refs"]) => {
            let object = "1".repeat(40);
            Some(("text/plain", format!("{object}\trefs/heads/{nonce}\n")))
        }
        ("git", _) => None,
        ("npm", _) => json_of(json!({
            "name": NAME,
            "dist-tags": { "latest": "1.0.0" },
            "versions": { "1.0.0": {
                "name": NAME,
                "version": "1.0.0",
                "description": nonce,
                "dist": { "tarball": format!("{base}/none.tgz"), "shasum": "0".repeat(40) },
            } },
        })),
        ("pip", _) => {
            let wheel = format!("marque_doctor-1.{}-py3-none-any.whl", digits(nonce));
            let files =
                json!([{ "filename": wheel, "url": format!("{base}/{wheel}"), "hashes": {} }]);
            let index = json!({ "meta": { "api-version": "1.0" }, "name": NAME, "files": files });
            Some(("application/vnd.pypi.simple.v1+json", index.to_string()))
        }
        ("aws", _) => Some((
            "application/xml",
            format!(
                "<ListAllMyBucketsResult><Buckets><Bucket><Name>{nonce}</Name></Bucket></Buckets>\
                 </ListAllMyBucketsResult>"
            ),
        )),
        ("cargo", ["config.json"]) => json_of(json!({ "dl": format!("{base}/dl"), "api": base })),
        ("cargo", _) => json_of(json!({
            "crates": [{ "name": NAME, "max_version": "1.0.0", "description": nonce }],
            "meta": { "total": 1 },
        })),
        ("go", _) => Some(("text/plain", format!("v1.0.{}\n", digits(nonce)))),
        _ => json_of(json!({ "tool": tool, "nonce": nonce })),
    }
}
