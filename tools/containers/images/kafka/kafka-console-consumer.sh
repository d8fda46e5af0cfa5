#!/bin/bash
exec java -XX:+UseSerialGC -Xmx128m -cp '/opt/kafka/libs/*' org.apache.kafka.tools.consumer.ConsoleConsumer "$@"
