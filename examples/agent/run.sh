#!/usr/bin/env bash
# A real agent program in a captured run: Gemini CLI from the npm registry, before a scripted model
# that makes it call git, curl and npm. Shows that every byte went through the gateway, and that the
# model's key was never in reach. Nothing of it leaves this machine but the download of the agent.
#
#   examples/agent/run.sh [path of the marque binary]
#
# Needs Linux with user namespaces, node 20 with npm, python3, openssl, curl and git. Everything lies
# in a temporary directory, which is removed at the end. With GEMINI_CLI set to the file `gemini.js`
# of an installed Gemini CLI nothing is downloaded. Exits with 1 if anything does not hold.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
marque=$(realpath "${1:-target/release/marque}")
agent=@google/gemini-cli@0.61.0
[ -x "$marque" ] || { echo "no binary at $marque: build it with cargo build --release" >&2; exit 1; }
for tool in node npm python3 openssl curl git; do
  command -v "$tool" >/dev/null || { echo "install $tool" >&2; exit 1; }
done
node -e 'process.exit(process.versions.node.split(".")[0] >= 20 ? 0 : 1)' ||
  { echo "the agent needs node 20, this is $(node --version)" >&2; exit 1; }

dir=$(mktemp -d /tmp/marque-agent-XXXXXX)
finish() {
  trap - EXIT
  # Each ends with its standard input.
  exec 8>&- 9>&-
  [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' INT TERM

# A home of its own, in which the run finds the agent; nobody's settings. The secrets lie beside it.
mkdir -m 700 "$dir/home" "$dir/home/work" "$dir/secret" "$dir/data" "$dir/repositories"
export HOME="$dir/home" MARQUE_DATA="$dir/data"
unset MARQUE_DATABASE_URL MARQUE_DATABASE_URL_FILE XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME
random() { openssl rand -hex 16; }
(
  umask 077
  echo 'correct horse battery staple' >"$dir/secret/passphrase"
  for name in model registry tracker git; do echo "$name-key-$(random)" >"$dir/secret/$name.key"; done
)
export MARQUE_PASSPHRASE_FILE="$dir/secret/passphrase"

program=${GEMINI_CLI:-}
if [ -z "$program" ]; then
  echo "== installing $agent"
  (cd "$HOME" && env -u MARQUE_PASSPHRASE_FILE npm install --silent --no-audit --no-fund \
    --omit=optional --ignore-scripts --prefix "$HOME/agent" "$agent")
  program="$HOME/agent/node_modules/@google/gemini-cli/bundle/gemini.js"
else
  # To where the run finds it.
  cp -a "$(dirname "$(dirname "$program")")" "$HOME/agent"
  program="$HOME/agent/bundle/gemini.js"
fi

# An authority for the fakes, which Marque's server trusts for their connections and nobody else.
cd "$dir/secret"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout ca.tls \
  -out ca.pem -subj '/CN=authority of the example' -addext basicConstraints=critical,CA:TRUE \
  2>/dev/null
leaf() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.tls" -out "$1.csr" \
    -subj "/CN=$2" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.tls -CAcreateserial -days 2 -out "$1.pem" \
    -extfile <(printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth' "$2") 2>/dev/null
}
leaf model generativelanguage.googleapis.com
leaf registry packages.example
leaf tracker tracker.example
chmod 600 ./*

# The other side. `exec` keeps their standard inputs open.
mkfifo "$dir/fakes.in" "$dir/git.in"
python3 "$here/fakes.py" "$dir/secret" <"$dir/fakes.in" >"$dir/fakes.out" 2>"$dir/fakes.err" &
exec 8>"$dir/fakes.in"
"$marque" demo git --root "$dir/repositories" --repository acme/web \
  --authority "$dir/secret/git.pem" --log "$dir/secret/git.jsonl" <"$dir/git.in" >"$dir/git.out" &
exec 9>"$dir/git.in"
cat "$dir/secret/git.key" >&9
for ((tries = 0; ; tries++)); do
  grep -q ready "$dir/fakes.out" && [ -s "$dir/git.out" ] && break
  [ "$tries" -lt 200 ] || { echo "the fakes do not listen" >&2; cat "$dir/fakes.err" >&2; exit 1; }
  sleep 0.1
done
at() { sed -n "s/^$1 //p" "$dir/fakes.out"; }

echo "== a plane, four connections, one agent"
cd "$dir/home/work"
env -u MARQUE_PASSPHRASE_FILE "$marque" up >"$dir/server.log" 2>&1 8>&- 9>&- &
server=$!
for ((tries = 0; ; tries++)); do
  [ -S "$dir/data/marque.sock" ] && break
  [ "$tries" -lt 200 ] || { cat "$dir/server.log" >&2; exit 1; }
  sleep 0.1
done
quiet() { "$marque" "$@" >"$dir/said" || { cat "$dir/said" >&2; exit 1; }; }
quiet claim --name alex
quiet agent add coder --purpose 'write code'
connect() {
  local name=$1 host=$2 pin=$3 authority=$4
  shift 4
  quiet connection add "$name" --host "$host" --pin "$pin" --authority "$dir/secret/$authority" \
    --secret-file "$dir/secret/$name.key" "$@"
}
connect model generativelanguage.googleapis.com "$(at model)" ca.pem --header x-goog-api-key
connect registry packages.example "$(at registry)" ca.pem --bearer
connect tracker tracker.example "$(at tracker)" ca.pem --bearer
connect git git.demo.test "$(cat "$dir/git.out")" git.pem --git --basic x-access-token
quiet grant add coder --until 1d --allow 'model:POST /v1beta/models/**' \
  --allow 'registry:GET /**' --allow 'tracker:GET /v1/issues/*' --allow 'git:repo.read acme/web'

echo "== marque run --agent coder -- gemini --prompt …"
# What the run was given is written down before the agent starts, and what it left is kept after it;
# the home lies in /tmp.
cat >"$dir/home/inside.sh" <<'EOF'
env >environment
node "$@"
status=$?
tar cf seen.tar --exclude="$HOME/agent" --exclude="$HOME/work" /run /tmp /var/tmp 2>/dev/null
exit "$status"
EOF
status=0
"$marque" run --tier captured --agent coder --task issue:acme/web#42 -- \
  sh "$dir/home/inside.sh" "$program" --approval-mode yolo --skip-trust --model gemini-2.5-flash \
  --prompt 'Look at the repository, at issue 12, and at the package; then clean up.' \
  >"$dir/answer" 2>"$dir/launcher" </dev/null 8>&- 9>&- || status=$?

sed 's/^/   /' "$dir/answer"
python3 "$here/check.py" "$dir" "$marque" "$status"
