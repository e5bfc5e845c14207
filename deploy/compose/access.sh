# Tells Kafka what each account may do, at the broker $1. Four at a time, for each call
# starts a Java of its own; what is there already stays as it is.
set -euo pipefail
umask 077
export KAFKA_HEAP_OPTS="-Xmx128m" LOG_DIR=/tmp
cat >/tmp/admin.properties <<END
security.protocol=SASL_SSL
sasl.mechanism=PLAIN
sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  username="admin" password="$(cat /run/secrets/kafka_admin_password)";
ssl.truststore.type=PEM
ssl.truststore.location=/run/tls/ca.crt
END
xargs --arg-file=/run/secrets/kafka_rules --max-lines=1 --max-procs=4 \
  timeout 120 /opt/kafka/bin/kafka-acls.sh \
  --bootstrap-server "$1" --command-config /tmp/admin.properties >/dev/null
rm -f /tmp/admin.properties
echo "kafka has $(wc -l </run/secrets/kafka_rules) rules of who may do what"
