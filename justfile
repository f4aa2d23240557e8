# The chores of this repository; `.ci/run` calls the same commands.

_list:
    @just --list --unsorted

# Format every source
fmt:
    cargo fmt --all

# The linter, warnings refused
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Every test, the house rules among them
test:
    cargo test --workspace --locked

# The house rules alone: sizes, layers, words, licences
tidy:
    cargo xtask tidy

# Bans, licences, sources and advisories; needs cargo-deny and its database
deny:
    cargo deny --locked check

# The API documentation and the book; the book needs mdbook
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
    mdbook build docs

# Every parser under libFuzzer, ten minutes each; needs nightly and cargo-fuzz
fuzz *ARGS:
    cargo xtask fuzz {{ARGS}}

# The numbers we hold, on the release binary; takes minutes
bench *ARGS:
    cargo xtask bench git {{ARGS}}

# One to three servers on PostgreSQL; needs Debian's `postgresql`
bench-replicas *ARGS:
    cargo xtask bench replicas {{ARGS}}

# The gateway against nginx, HAProxy, Squid and mitmproxy, as far as they are installed
bench-gateway *ARGS:
    cargo xtask bench gateway {{ARGS}}

# Tokens issued, looked up and revoked, beside the npm package `oidc-provider`; needs Node 20 and npm
bench-token *ARGS:
    cargo xtask bench token {{ARGS}}

# Starts, doors and memory of captured runs
bench-captured *ARGS:
    cargo xtask bench captured {{ARGS}}

# An hour of mixed load on the release binary; every minute is kept in `target/soak.jsonl`
soak *ARGS:
    cargo xtask bench soak {{ARGS}}

# What a decision takes with many agents and policies, beside Cedar alone
bench-decision *ARGS:
    cargo xtask bench decision {{ARGS}}

# Entries a second on SQLite and PostgreSQL, verification and proofs; needs Debian's `postgresql`
bench-record *ARGS:
    cargo xtask bench record {{ARGS}}

# A real agent program from the npm registry in a captured run
agent:
    cargo build --release --locked
    examples/agent/run.sh

# The story on real parts
demo:
    cargo run --release --locked -- demo
