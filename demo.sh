#!/usr/bin/env bash
# The whole story with nothing but cargo: make a CRM, back it up, let a day pass, back it up again,
# lose it, prove the backup, restore it. Everything happens in one folder, which is left for you to look at.
#
#   ./demo.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")"

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { printf '\033[2m$ %s\033[0m\n' "$*"; "$@"; }

step "Building the two programs and the sample CRM"
cargo build --quiet --package lifeboat-agent --package lifeboat-restore --package lifeboat-tests --bins
PATH="$(realpath "${CARGO_TARGET_DIR:-target}")/debug:$PATH"

if [ $# -gt 0 ]; then mkdir -p "$1"; folder=$(realpath "$1"); else folder=$(mktemp -d); fi
cd "$folder"

step "A CRM in SQLite, with accounts, contacts, deals and everything that happened to them"
run sample-crm sqlite crm.db --scale 0.01

step "A key for each person who may open the backups; it never comes near the database's machine"
run lifeboat-restore keygen wang.key
run lifeboat-restore keygen li.key

cat >lifeboat.toml <<EOF
version = 1
[vault]
url = "file://$folder/vault"
[people.wang]
recipient = "$(grep -o 'age1[a-z0-9]*' wang.key)"
[people.li]
recipient = "$(grep -o 'age1[a-z0-9]*' li.key)"
[agent]
name = "demo"
state = "state"
[[source]]
name = "crm"
url = "sqlite://$folder/crm.db"
EOF
step "The configuration"
run cat lifeboat.toml

step "A vault, and the recovery sheet to print and lock away"
run lifeboat-agent init --config lifeboat.toml

step "Can the next backup work?"
run lifeboat-agent check --config lifeboat.toml

step "The first night"
run lifeboat-agent backup --config lifeboat.toml

step "A working day passes, and the second night stores only the chunks it touched"
run sample-crm day sqlite crm.db --day 1
run lifeboat-agent backup --config lifeboat.toml

step "What the vault holds"
run lifeboat-restore snapshots --vault "file://$folder/vault" --identity wang.key

step "The database is gone"
run rm -f crm.db crm.db-wal crm.db-shm

step "Is the backup good? Every row is opened, hashed and counted"
run lifeboat-restore verify crm@latest --read-data --vault "file://$folder/vault" --identity wang.key

step "Back it comes, and every table is compared with what was read that night"
run lifeboat-restore restore crm@latest --to "sqlite://$folder/crm.db" --vault "file://$folder/vault" --identity wang.key

step "Done. Everything is in $folder"
