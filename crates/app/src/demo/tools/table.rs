//! The tools that are tried, and what each is told to do.
//!
//! `{url}` in a script stands for an address of the tool's own at the API. Each does what it is
//! there for, unchanged: no option that names a proxy or a certificate.

/// One tool.
pub(super) struct Tool {
    /// As a person calls it.
    pub(super) name: &'static str,
    /// Its place at the API.
    pub(super) key: &'static str,
    /// The program that must be there.
    pub(super) program: &'static str,
    /// What a shell is told.
    pub(super) script: &'static str,
    /// What must come of it.
    pub(super) wanted: Wanted,
    /// What to do where it does not come.
    pub(super) remedy: &'static str,
}

/// What must come of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The answer, by the gateway with the credential.
    Answer,
    /// A refusal the tool prints, in a captured run.
    Reason,
}

/// What it says where the part of it that is tried is not installed.
pub(super) const NOT_INSTALLED: &str = "not installed";

const BUNDLE: &str = "let it trust the file that `SSL_CERT_FILE` names inside the run";
const PROXY: &str = "run it captured: it reads no proxy variables";

/// In the order they are tried.
pub(super) const TOOLS: &[Tool] = &[
    tool("curl", "curl", "curl", "curl -sS {url}", BUNDLE),
    tool("git", "git", "git", "git ls-remote {url}", BUNDLE),
    tool(
        "wget",
        "wget",
        "wget",
        "wget -nv -O- {url}",
        "run it captured, or give it `--ca-certificate=\"$SSL_CERT_FILE\"`",
    ),
    tool(
        "python3 urllib",
        "urllib",
        "python3",
        "python3 -c 'from urllib.request import urlopen as get
print(get(\"{url}\").read().decode())'",
        BUNDLE,
    ),
    tool(
        "python3 requests",
        "requests",
        "python3",
        "python3 -c 'import requests' 2>/dev/null || { echo not installed; exit 0; }
python3 -c 'import requests; print(requests.get(\"{url}\").text)'",
        BUNDLE,
    ),
    tool(
        "node fetch",
        "fetch",
        "node",
        "node -e 'fetch(\"{url}\").then(r => r.text()).then(console.log, e => {
    console.error(String(e.cause ?? e)); process.exit(1) })'",
        "run it captured, or use Node 24: before it `fetch` reads no proxy variables",
    ),
    tool(
        "node https",
        "https",
        "node",
        "node -e 'const to = process.stdout
require(\"https\").get(\"{url}\", r => r.pipe(to)).on(\"error\", e => {
    console.error(String(e)); process.exit(1) })'",
        "run it captured, or use Node 24: before it `https` reads no proxy variables",
    ),
    tool(
        "npm",
        "npm",
        "npm",
        "npm view --registry {url}/ --no-update-notifier marque-doctor description",
        BUNDLE,
    ),
    tool(
        "pip",
        "pip",
        "pip",
        "pip --disable-pip-version-check index versions --index-url {url}/ marque-doctor",
        "use pip 21.2 or later, which has `pip index`",
    ),
    tool(
        "aws",
        "aws",
        "aws",
        "aws s3api list-buckets --endpoint-url {url} --region us-east-1 --no-sign-request \
         --query 'Buckets[0].Name' --output text",
        BUNDLE,
    ),
    tool(
        "gh",
        "gh",
        "gh",
        "GH_ENTERPRISE_TOKEN=placeholder GH_HOST=api.demo.test gh api {url}",
        BUNDLE,
    ),
    tool("cargo", "cargo", "cargo", "cargo search --index sparse+{url}/ marque-doctor", BUNDLE),
    tool(
        "go",
        "go",
        "go",
        "GOPROXY={url} GONOSUMDB='*' GOSUMDB=off GOFLAGS=-mod=mod \
         go list -m -versions marque.test/doctor",
        BUNDLE,
    ),
    tool(
        "java",
        "java",
        "java",
        "cat > Get.java <<'EOF'
public class Get {
    public static void main(String[] words) throws Exception {
        try (var in = new java.net.URL(\"{url}\").openStream()) {
            System.out.write(in.readAllBytes());
            System.out.flush();
        }
    }
}
EOF
java Get.java",
        "java has a trust store of its own: see the guide",
    ),
    Tool {
        wanted: Wanted::Reason,
        ..tool(
            "psql",
            "psql",
            "psql",
            "psql 'postgresql://nobody@api.demo.test/doctor?connect_timeout=5' -c 'select 1'",
            PROXY,
        )
    },
    Tool {
        wanted: Wanted::Reason,
        ..tool(
            "ssh",
            "ssh",
            "ssh",
            "ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5 git@api.demo.test true",
            PROXY,
        )
    },
];

const fn tool(
    name: &'static str,
    key: &'static str,
    program: &'static str,
    script: &'static str,
    remedy: &'static str,
) -> Tool {
    Tool { name, key, program, script, wanted: Wanted::Answer, remedy }
}
