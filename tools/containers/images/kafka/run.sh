#!/bin/bash
# KAFKA_LOG_DIRS becomes log.dirs, and so on; the data folder is formatted at the first start.
set -euo pipefail

properties=/tmp/server.properties
: >"$properties"
for name in "${!KAFKA_@}"; do
  case $name in KAFKA_HEAP_OPTS | KAFKA_OPTS) continue ;; esac
  key=${name#KAFKA_}
  key=${key,,}
  key=${key//___/-}
  key=${key//__/=}
  key=${key//_/.}
  echo "${key//=/_}=${!name}" >>"$properties"
done

java=(java -XX:+UseSerialGC -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.properties -cp '/opt/kafka/libs/*')
"${java[@]}" -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" -c "$properties"
# shellcheck disable=SC2086 # several options in one variable
exec "${java[@]}" ${KAFKA_HEAP_OPTS:-} kafka.Kafka "$properties"
