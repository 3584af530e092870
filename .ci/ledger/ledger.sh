#!/bin/sh
# Both services: "db" is PostgreSQL, "app" logs into it over TCP, with the secret, and
# reads rows. The others are for health checks, backups and people.
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
home=/var/lib/postgresql
export PGUSER=ledger PGDATABASE=ledger

# query SQL: rows as the app gets them, through the network and by the password.
query() { PGPASSWORD=$(cat /run/secrets/db_password) psql -X -A -t -v ON_ERROR_STOP=1 -c "$1"; }

# Trusted is only the socket inside the container.
make_cluster() {
	rm -rf "$home/data.new"
	initdb -D "$home/data.new" -U ledger --pwfile=/run/secrets/db_password --auth-local=trust --auth-host=scram-sha-256 -E UTF8
	echo "host all all all scram-sha-256" >>"$home/data.new/pg_hba.conf"
	echo "CREATE DATABASE ledger;" | postgres --single -D "$home/data.new" postgres
	mv "$home/data.new" "$home/data"
}

case $1 in
db)
	[ -d "$home/data" ] || make_cluster
	exec postgres -D "$home/data" -c listen_addresses='*' -c unix_socket_directories=/tmp
	;;
ready) exec pg_isready -q -h 127.0.0.1 ;;
app)
	while :; do
		query "SELECT 'rows: ' || count(*) || ', total: ' || coalesce(sum(amount), 0) FROM entries" || true
		sleep 5
	done
	;;
login) query "SELECT 1" ;;
query) query "$2" ;;
dump)
	pg_dump -h /tmp --clean --if-exists >"$home/ledger.sql.new"
	mv "$home/ledger.sql.new" "$home/ledger.sql"
	;;
load) exec psql -h /tmp -X -q -1 -v ON_ERROR_STOP=1 -f "$home/ledger.sql" ;;
*)
	echo "ledger: there is no \"$1\"" >&2
	exit 2
	;;
esac
