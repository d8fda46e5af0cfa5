#!/bin/bash
set -euo pipefail
data=/var/lib/influxdb2
config=/etc/influxdb2/influxdb.toml

write_config() {
  rm -f /tmp/backup.sock
  cat >"$config" <<TOML
reporting-disabled = true
bind-address = "/tmp/backup.sock"
[meta]
  dir = "$data/meta"
[data]
  dir = "$data/data"
  wal-dir = "$data/wal"
[http]
  bind-address = "$1"
  flux-enabled = true
  log-enabled = false
[monitor]
  store-enabled = false
TOML
}

ask() {
  exec 3<>/dev/tcp/127.0.0.1/8087 && printf '%s\r\nContent-Length: 0\r\n\r\n' "$1" >&3 && read -r -t 5 -u 3 line && [[ $line == *" $2 "* ]]
}

if [[ ! -e $data/initialised ]]; then
  # Not where anybody else would find it before the database is there.
  write_config 127.0.0.1:8087
  influxd run -config "$config" &
  until ask 'GET /ping HTTP/1.0' 204 2>/dev/null; do sleep 0.2; done
  ask "POST /query?q=CREATE%20DATABASE%20$DOCKER_INFLUXDB_INIT_BUCKET HTTP/1.0" 200
  kill %1
  wait %1 || true
  touch "$data/initialised"
fi
write_config :8086
exec influxd run -config "$config"
