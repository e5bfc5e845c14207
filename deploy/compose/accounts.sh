# Makes the accounts in Cassandra: $1 is a node, $2 the keyspace's replication. Passwords
# never stand on a command line.
set -euo pipefail
umask 077
host=$1
ask() {
  printf '[authentication]\nusername = cassandra\npassword = %s\n' "$1" >/tmp/cqlshrc
  printf '[ssl]\ncertfile = /run/tls/ca.crt\nvalidate = true\n' >>/tmp/cqlshrc
  timeout 120 cqlsh --ssl --cqlshrc /tmp/cqlshrc "$host"
}
admin=$(cat /run/secrets/cassandra_admin_password)
# Before the first run the well-known password holds, afterwards ours.
if ! ask "$admin" <<<"LIST ROLES;" >/dev/null 2>&1; then
  ask cassandra <<<"ALTER ROLE cassandra WITH PASSWORD = '$admin';"
fi
ask "$admin" <<<"CREATE KEYSPACE IF NOT EXISTS smartmeter WITH replication = $2;"
ask "$admin" </run/secrets/cassandra_accounts
rm -f /tmp/cqlshrc
