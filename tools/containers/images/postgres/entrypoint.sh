#!/bin/bash
set -euo pipefail
bin=/usr/lib/postgresql/bin

if [[ ! -s $PGDATA/PG_VERSION ]]; then
  if [[ -z ${POSTGRES_PASSWORD_FILE:-} ]]; then
    POSTGRES_PASSWORD_FILE=$(mktemp)
    printf %s "$POSTGRES_PASSWORD" >"$POSTGRES_PASSWORD_FILE"
  fi
  rm -rf "$PGDATA.new"
  mkdir -p "$PGDATA.new"
  "$bin/initdb" --pgdata="$PGDATA.new" --username="$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" \
    --auth=scram-sha-256 --no-locale --encoding=UTF8
  echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
  "$bin/postgres" --single -D "$PGDATA.new" postgres <<<"CREATE DATABASE $POSTGRES_DB"
  mv "$PGDATA.new" "$PGDATA"
fi
exec "$bin/postgres" -D "$PGDATA" -c 'listen_addresses=*' -c unix_socket_directories=
