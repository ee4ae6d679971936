"""The MariaDB side of tests/bench: the harness's server, and what people use today.

mydumper and myloader write and read plain files with two threads; mariadb-dump goes through a pipe into
restic, and its file through the client, which is what most companies do.
"""

import json
import os
import pathlib
import subprocess

TICKS = os.sysconf("SC_CLK_TCK")
# What a careful operator gives a database server of this size.
SETTINGS = [
    "innodb-buffer-pool-size=1536M", "innodb-log-file-size=1G", "innodb-io-capacity=2000",
    "innodb-flush-method=fsync", "skip-log-bin=1",
]
PEER_TOOLS = {"mydumper": "mydumper", "restic": "restic", "age-keygen": "age"}
MYDUMPER = "`mydumper -t 2` (plain files)"
RESTIC = "`mariadb-dump \\| restic backup --stdin`"
MYLOADER = "`myloader -t 2`"
CLIENT = "`mariadb < dump.sql`"


class Server:
    """The harness's MariaDB server; it ends when its standard input closes."""

    kind = "mysql"

    def __init__(self, connect, programs):
        self.process = subprocess.Popen([programs / "mariadb-server", *SETTINGS], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.told = json.loads(self.process.stdout.readline())
        self.connect = connect

    def sample(self, database):
        """How the sample CRM's program reaches it."""
        return self.told["socket_url"].replace("DATABASE", database)

    def source(self, work, database="crm"):
        """The source's lines in Lifeboat's configuration."""
        if self.connect != "tls":
            return f'url = "{self.url(database)}"\n'
        (work / "password").write_text(self.told["backup_password"])
        return (f'url = "{self.told["backup_url"].replace("DATABASE", database)}"\n'
                f'password = "{{file:{work}/password}}"\n')

    def url(self, database):
        return self.told[f"{self.connect}_url"].replace("DATABASE", database)

    def client_flags(self):
        """How the peers' own programs reach the server: the same way as Lifeboat."""
        if self.connect == "socket":
            return f"--socket={self.told['socket']} --user=root"
        account, place = self.told["tls_url"].split("://")[1].split("@")
        user, password = account.split(":")
        authority = place.split("ssl-ca=")[1]
        return f"--host=localhost --port={self.told['port']} --user={user} --password={password}", authority

    def peer_flags(self):
        flags = self.client_flags()
        # By the name localhost they would look for a socket.
        return flags if isinstance(flags, str) else \
            f"{flags[0].replace('--host=localhost', '--host=127.0.0.1')} --ssl --ca={flags[1]}"

    def dump_flags(self):
        flags = self.client_flags()
        return flags if isinstance(flags, str) else f"--protocol=tcp {flags[0]} --ssl-ca={flags[1]}"

    def sql(self, sql, database="mysql"):
        command = ["mariadb", "--no-defaults", f"--socket={self.told['socket']}", "--user=root", "--batch",
                   "--skip-column-names", f"--database={database}", "--execute", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def fresh(self, database):
        self.sql(f"DROP DATABASE IF EXISTS {database}")
        self.sql(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
        self.settle()
        return self.url(database)

    def drop(self, database):
        self.sql(f"DROP DATABASE IF EXISTS {database}")

    def settle(self):
        """What was written before is on disk before the next is measured."""
        self.sql("SET GLOBAL innodb_max_dirty_pages_pct = 0; SET GLOBAL innodb_max_dirty_pages_pct_lwm = 0")
        while int(self.sql("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
                           "WHERE VARIABLE_NAME = 'Innodb_buffer_pool_pages_dirty'")) > 100:
            subprocess.run(["sleep", "0.2"], check=True)
        self.sql("SET GLOBAL innodb_max_dirty_pages_pct = 90")

    def cpu_seconds(self):
        stat = pathlib.Path(f"/proc/{self.told['pid']}/stat").read_text().rsplit(") ", 1)[1].split()
        return sum(int(field) for field in stat[11:13]) / TICKS

    def facts(self):
        """Rows by the statistics, and bytes in the server."""
        told = self.sql("SELECT SUM(TABLE_ROWS), SUM(DATA_LENGTH + INDEX_LENGTH) FROM information_schema.TABLES "
                        "WHERE TABLE_SCHEMA = 'crm'")
        rows, size = told.split("\t")
        return rows, int(float(size))

    def versions(self):
        return ["mariadb --version", "mydumper --version", "restic version"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Peers:
    """What people use today."""

    reference, restore_reference = MYDUMPER, MYLOADER

    def __init__(self, bench):
        self.bench, self.work, self.day = bench, bench.work, 0
        self.dump = f"mariadb-dump --no-defaults {bench.server.dump_flags()} --single-transaction --routines --events crm"
        self.restic = bench.work / "restic"
        bench.run(f"restic init --repository-version 2 -r {self.restic}")

    def reading(self, section):
        self.day += 1
        folder = self.work / "mydumper"
        self.bench.run(f"rm -rf {folder}")
        # Version 0.10 cannot be told to leave the lock on writers out; nobody writes here.
        self.bench.measure(section, MYDUMPER, f"mydumper -t 2 {self.bench.server.peer_flags()} --database=crm "
                                              f"--triggers --events --routines --outputdir={folder}", folder)

    def backup(self, section):
        self.bench.measure(section, RESTIC, f"{self.dump} | restic -q -r {self.restic} backup --stdin "
                                            f"--stdin-filename crm.sql", self.restic, (section, MYDUMPER))

    def restore(self, section):
        server, file = self.bench.server, self.work / "crm.sql"
        self.bench.run(f"{self.dump} > {file}")
        server.fresh("restored")
        self.bench.measure(section, MYLOADER, f"myloader -t 2 {server.peer_flags()} --database=restored "
                                              f"--directory={self.work / 'mydumper'}")
        server.fresh("restored")
        self.bench.measure(section, CLIENT, f"mariadb --no-defaults {server.dump_flags()} restored < {file}",
                           beside=(section, MYLOADER))
        server.sql("DROP DATABASE restored")
        file.unlink()
