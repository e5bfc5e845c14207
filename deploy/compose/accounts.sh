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
CQL
# What the exporter reads; of virtual tables, one at a time is granted.
for table in coordinator_write_latency coordinator_read_latency coordinator_scan_latency local_write_latency local_read_latency disk_usage caches thread_pools pending_hints clients sstable_tasks; do
  echo "GRANT SELECT ON TABLE system_views.$table TO smartmeter;"
done | ask "$admin"
rm -f /tmp/cqlshrc
