"""Tables that are hard on row-level deltas, and tables that are large: made in PostgreSQL by its own
generate_series, each in a database and a source of its own, so that what is stored is each one's own.

Counts what the first backup stores, what the second stores beside the changed and new rows alone, and what
a third stores on a day without changes; for the large ones, the programs' peak memory as well.
"""

ID = "SELECT g AS id, "


def texts(bytes_each, seed="g"):
    """Text that compresses to about half, as a CRM's does."""
    pieces = -(-bytes_each // 32)
    return f"(SELECT string_agg(md5({seed}::text || ':' || p), '') FROM generate_series(1, {pieces}) p)"


# name: what makes it, what a day does to it
ODD = {
    "random UUID keys": (
        "CREATE TABLE t AS SELECT md5('k' || g)::uuid AS id, g AS n, md5(g::text) AS name, md5('x' || g) AS email "
        "FROM generate_series(1, 300000) g; ALTER TABLE t ADD PRIMARY KEY (id)",
        "UPDATE t SET email = md5('y' || n) WHERE n % 200 = 7; "
        "INSERT INTO t SELECT md5('k' || g)::uuid, g, md5(g::text), md5('x' || g) FROM generate_series(300001, 300900) g",
    ),
    "append only": (
        f"CREATE TABLE t AS {ID} now() + g * interval '1 s' AS at, md5(g::text) || md5('b' || g) AS what "
        "FROM generate_series(1, 500000) g",
        "INSERT INTO t SELECT g, now() + g * interval '1 s', md5(g::text) || md5('b' || g) FROM generate_series(500001, 501500) g",
    ),
    "every row updated": (
        f"CREATE TABLE t AS {ID} md5(g::text) AS name, md5('x' || g) AS other FROM generate_series(1, 200000) g",
        "UPDATE t SET name = md5('new' || id)",
    ),
    "300 columns": (
        "DO $$ BEGIN EXECUTE 'CREATE TABLE t AS SELECT g AS id, ' || "
        "(SELECT string_agg(format('md5((g * %s)::text) AS c%s', c, c), ', ') FROM generate_series(1, 299) c) || "
        "' FROM generate_series(1, 6000) g'; END $$",
        "UPDATE t SET c7 = md5('new' || id), c200 = NULL WHERE id % 200 = 3",
    ),
    "rows of 20 bytes": (
        f"CREATE TABLE t AS {ID} (g::bigint * 7919) % 1000000007 AS v FROM generate_series(1, 2000000) g",
        "UPDATE t SET v = v + 1 WHERE id % 200 = 3; INSERT INTO t SELECT g, g FROM generate_series(2000001, 2006000) g",
    ),
    "rows of 200 KB": (
        f"CREATE TABLE t AS {ID} {texts(200_000)} AS body FROM generate_series(1, 400) g",
        f"UPDATE t SET body = {texts(200_000, '(-id)')} WHERE id % 100 = 3",
    ),
}

LARGE = {
    "30 million rows": (
        f"CREATE UNLOGGED TABLE t AS {ID} (g::bigint * 7919) % 1000000007 AS v FROM generate_series(1, 30000000) g",
        "UPDATE t SET v = v + 1 WHERE id % 2000 = 3",
    ),
    "10 GB": (
        "CREATE UNLOGGED TABLE t AS WITH base AS MATERIALIZED (SELECT b, " + texts(1888, "b") + " AS body FROM generate_series(1, 100) b) "
        "SELECT g AS id, md5(g::text) AS mark, (SELECT body FROM base WHERE b = g % 100 + 1) || md5('z' || g) AS body "
        "FROM generate_series(1, 5000000) g",
        "UPDATE t SET mark = md5('new' || id) WHERE id % 2000 = 3",
    ),
}


def carry_out(which, bench, server, lifeboat, changed_rows):
    """Runs one set; prints a line for each table."""
    tables = ODD if which == "odd" else LARGE
    print("| table | MB of text | first MB | changed rows, `zstd -3`, MB | second MB | unchanged KB | peak MiB: first, second, restore, verify |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for number, (name, (made, changed)) in enumerate(tables.items()):
        database = f"t{number}"
        server.fresh(database)
        server.sql(made, database)
        server.settle()
        dump = f"{server.programs}/pg_dump -d '{server.url(database)}'"
        raw = int(bench.run(f"{dump} | wc -c").stdout)
        rows = None if which == "large" else changed_rows(dump, bench.work / f"{database}.zst")
        if rows:
            rows.stored()
        lifeboat.add_source(database)
        backups = [lifeboat.backup(name, "first", database)]
        server.sql(changed, database)
        server.settle()
        least = f"{rows.stored() / 1e6:.3f}" if rows else ""
        backups.append(lifeboat.backup(name, "second", database))
        if which == "odd":
            backups.append(lifeboat.backup(name, "unchanged", database))
        server.drop(database)  # the disk may not have room for two
        peaks = [row["peak_mib"] for row in backups[:2]]
        if which == "large":
            target = f"r{number}"
            peaks.append(lifeboat.restore_into(name, "restore", target, "--no-compare", None, database)["peak_mib"])
            peaks.append(lifeboat.verify(name, database)["peak_mib"])
        first, second, *unchanged = (row["stored"] for row in backups)
        unchanged = f"{unchanged[0] / 1e3:.1f}" if unchanged else ""
        print(f"| {name} | {raw / 1e6:.0f} | {first / 1e6:.2f} | {least} | {second / 1e6:.3f} | {unchanged} "
              f"| {', '.join(f'{peak:.0f}' for peak in peaks)} |", flush=True)
