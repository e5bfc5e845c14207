# Makes this project's account in Cassandra, once. Passwords never stand on a command line.
set -euo pipefail
host=$1
secret() { cat "/run/secrets/$1"; }
ask() {
  printf '[authentication]\nusername = cassandra\npassword = %s\n' "$1" >/tmp/cqlshrc
  timeout 60 cqlsh --cqlshrc /tmp/cqlshrc "$host"
}
umask 077
admin=$(secret cassandra_admin_password)
# Before the first run the well-known password holds, afterwards ours.
if ! ask "$admin" <<<"LIST ROLES;" >/dev/null 2>&1; then
  ask cassandra <<<"ALTER ROLE cassandra WITH PASSWORD = '$admin';"
fi
ask "$admin" <<CQL
CREATE ROLE IF NOT EXISTS smartmeter WITH LOGIN = true AND PASSWORD = '$(secret cassandra_password)';
ALTER ROLE smartmeter WITH PASSWORD = '$(secret cassandra_password)';
GRANT CREATE ON ALL KEYSPACES TO smartmeter;
CREATE KEYSPACE IF NOT EXISTS smartmeter WITH replication = $2;
GRANT ALL PERMISSIONS ON KEYSPACE smartmeter TO smartmeter;
GRANT SELECT ON KEYSPACE system_views TO smartmeter;
CQL
rm -f /tmp/cqlshrc
