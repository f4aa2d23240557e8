#!/usr/bin/env bash
# Three servers of one plane on one machine: PostgreSQL below, HAProxy before their proxy doors.
#
#   examples/cluster/run.sh [path of the marque binary]
#
# Needs Debian's `postgresql`, `haproxy` and `curl`. Everything lies in a temporary directory and
# listens on loopback; it ends, and is removed, with Ctrl-C. The plane is claimed with a passphrase
# of the example, which is printed: this is to look at, not to use.
set -euo pipefail

marque=$(realpath "${1:-target/release/marque}")
[ -x "$marque" ] || { echo "no binary at $marque: build it with cargo build --release" >&2; exit 1; }
postgres=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$postgres" ] || { echo "install Debian's postgresql" >&2; exit 1; }
command -v haproxy >/dev/null || { echo "install Debian's haproxy" >&2; exit 1; }

dir=$(mktemp -d /tmp/marque-cluster-XXXXXX)
chmod 755 "$dir"
pids=()
finish() {
  trap - EXIT
  for ((at = ${#pids[@]} - 1; at >= 0; at--)); do kill "${pids[at]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 0' INT TERM

# PostgreSQL refuses to run as root.
as=()
mkdir "$dir/db"
if [ "$(id -u)" -eq 0 ]; then
  chown postgres "$dir/db"
  as=(setpriv --reuid postgres --regid postgres --init-groups)
fi
"${as[@]}" "$postgres/initdb" -D "$dir/db/data" -A trust -U marque -E UTF8 >/dev/null
"${as[@]}" "$postgres/postgres" -D "$dir/db/data" -k "$dir/db" -c listen_addresses='' \
  >"$dir/postgres.log" 2>&1 &
pids+=($!)
until "$postgres/pg_isready" -q -h "$dir/db" -U marque; do sleep 0.1; done

(umask 077 && echo "postgres://marque@${dir//\//%2F}%2Fdb/postgres" >"$dir/url")
printf 'correct horse battery staple\n' >"$dir/passphrase"
chmod 600 "$dir/passphrase"
export MARQUE_PASSPHRASE_FILE="$dir/passphrase"
unset MARQUE_DATABASE_URL MARQUE_DATABASE_URL_FILE MARQUE_DATA

for number in 1 2 3; do
  data="$dir/server-$number"
  (umask 077 && mkdir "$data")
  [ "$number" -eq 1 ] || cp -a "$dir/server-1/keys" "$data/keys"
  cat >"$data/config.toml" <<EOF
[server]
proxy_listen = "127.0.0.1:844$number"
proxy_address = "127.0.0.1:8440"
metrics_listen = "127.0.0.1:845$number"
[database]
url_file = "$dir/url"
replica = "server-$number"
EOF
  env -u MARQUE_PASSPHRASE_FILE "$marque" --data-dir "$data" up >"$dir/server-$number.log" 2>&1 &
  pids+=($!)
  for ((tries = 0; ; tries++)); do
    curl -sf -o /dev/null "http://127.0.0.1:845$number/readyz" && break
    if [ "$tries" -gt 100 ]; then cat "$dir/server-$number.log" >&2; exit 1; fi
    sleep 0.1
  done
  [ "$number" -ne 1 ] || "$marque" --data-dir "$data" claim --name alex >/dev/null
done

cat >"$dir/haproxy.cfg" <<EOF
defaults
  mode tcp
  timeout connect 2s
  timeout client 10m
  timeout server 10m
listen doors
  bind 127.0.0.1:8440
  option httpchk GET /readyz
  default-server check inter 500ms fall 1 rise 1
  server one 127.0.0.1:8441 port 8451
  server two 127.0.0.1:8442 port 8452
  server three 127.0.0.1:8443 port 8453
EOF
haproxy -q -db -f "$dir/haproxy.cfg" &
pids+=($!)

cat <<EOF
Three servers serve one plane; runs reach them through 127.0.0.1:8440. In another terminal:

  export MARQUE_PASSPHRASE_FILE=$dir/passphrase
  alias m1='$marque --data-dir $dir/server-1' m2='$marque --data-dir $dir/server-2'
  m1 agent list; m2 log query; m2 log verify
  kill -9 ${pids[1]}            # the first server; the others go on

Ctrl-C ends all of it.
EOF
wait "${pids[0]}"
