"""The SQLite side of tests/bench: the CRM in a file in WAL mode, and what people do with such a file today.

There is no server. Most companies copy the file with the sqlite3 program and hand the copy to restic or
borg; .dump is the logical way.
"""

import pathlib
import sqlite3

PEER_TOOLS = {"sqlite3": "sqlite3", "age": "age", "age-keygen": "age", "zstd": "zstd", "restic": "restic", "borg": "borgbackup"}
DUMP = "`sqlite3 .dump > /dev/null`"
LOAD = "`sqlite3 < dump.sql`"


class Server:
    """A folder of database files."""

    kind = "sqlite"

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)

    def path(self, database):
        return self.folder / f"{database}.db"

    def url(self, database):
        return f"sqlite://{self.path(database)}"

    def sample(self, database):
        return str(self.path(database))

    def source(self, _work, database="crm"):
        return f'url = "{self.url(database)}"\n'

    def fresh(self, database):
        self.drop(database)
        return self.url(database)

    def drop(self, database):
        for suffix in ("", "-wal", "-shm"):
            pathlib.Path(f"{self.path(database)}{suffix}").unlink(missing_ok=True)

    def settle(self):
        pass

    def facts(self):
        """Rows, those of indexes for full-text search included, and bytes of the file."""
        with sqlite3.connect(f"file:{self.path('crm')}?mode=ro", uri=True) as database:
            names = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0").fetchall()
            rows = sum(database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in names)
        return rows, self.path("crm").stat().st_size

    def versions(self):
        return ["sqlite3 --version", "restic version", "borg --version", "zstd --version"]

    def cpu_seconds(self):
        return 0

    def stop(self):
        pass


class Peers:
    """What people use today, each with its own repository."""

    reference, restore_reference = DUMP, LOAD

    def __init__(self, bench):
        self.bench, work = bench, bench.work
        self.file, self.copy = bench.server.path("crm"), work / "copy.db"
        self.dump = f"sqlite3 -readonly {self.file} .dump"
        self.restic, self.borg, self.day = work / "restic", work / "borg", 0
        bench.run(f"age-keygen -o {work}/peer.key")
        self.recipient = bench.run(f"age-keygen -y {work}/peer.key").stdout.strip()
        bench.run(f"restic init --repository-version 2 -r {self.restic}")
        bench.run(f"borg init -e repokey-blake2 {self.borg}")

    def reading(self, section):
        self.bench.measure(section, DUMP, f"{self.dump} > /dev/null")

    def backup(self, section):
        self.day += 1
        measure, beside, file = self.bench.measure, (section, DUMP), self.bench.work / f"dump-{self.day}.zst.age"
        copied = f"sqlite3 -readonly {self.file} '.backup {self.copy}'"
        measure(section, "`sqlite3 .dump \\| zstd -3 \\| age`",
                f"{self.dump} | zstd -q -3 | age -r {self.recipient} > {file}", file, beside)
        measure(section, "`sqlite3 .backup`, then `restic backup`",
                f"{copied} && restic -q -r {self.restic} backup {self.copy}", self.restic, beside)
        measure(section, "`sqlite3 .backup`, then `borg create -C zstd,3`",
                f"{copied} && borg create -C zstd,3 {self.borg}::day-{self.day} {self.copy}", self.borg, beside)

    def restore(self, section):
        script, target = self.bench.work / "crm.sql", self.bench.server.path("restored")
        # The sqlite3 of this system may not know statistics that another one has made.
        self.bench.run(f"{self.dump} | grep -v sqlite_stat4 > {script}")
        self.bench.server.fresh("restored")
        self.bench.measure(section, LOAD, f"sqlite3 {target} < {script}")
        self.bench.server.drop("restored")
        script.unlink()
