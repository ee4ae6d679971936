#!/usr/bin/env python3
"""A second reader of Lifeboat vaults, written from vault/FORMAT.md alone.

It proves that rows come back without Lifeboat: it needs Python 3 and the programs `age` and `zstd`,
nothing else. It reads a vault in a folder and prints a table's rows exactly as they are stored.
"""

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile

NOT_CHECKED = """\
What this reader does NOT check: signatures (Ed25519), objects' names, sealed segments' hashes and chunk
ids (BLAKE3) and row digests (SipHash): none of them is in Python's standard library. age proves that what
it opens was not changed since it was sealed, but not who sealed it. Use this reader on a vault that you
trust, or when nothing else is left; `lifeboat-restore verify` checks all of it.
"""

SEGMENTS_KEPT = 32  # Opened segments in memory, about 2 MiB each, unless the vault was made by others.
SEGMENT_RAW_BYTES_MAX = 128 << 20
TEXT_BYTES_MAX = 256 << 20
TRAILER_BYTES = 92
HEX_ID = re.compile(r"[0-9a-f]{64}")
KEYRING = re.compile(r"keyring-[0-9]{8}")

Place = collections.namedtuple("Place", "pack offset sealed_bytes raw_bytes realm epoch at bytes rows")


class Unreadable(Exception):
    """The vault cannot be read on; the text says where."""


class Newer(Unreadable):
    """An object of another version of the format: not damage."""


# --- the two programs -----------------------------------------------------------------------------


def run(program, arguments, data, what, pass_fds=()):
    try:
        done = subprocess.run([program, *arguments], input=data, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, pass_fds=pass_fds)
    except FileNotFoundError:
        raise Unreadable(f"the program `{program}` is not installed: install the package `{program}`")
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unreadable(f"{what}: {program} says: {said[0] if said else done.returncode}")
    return done.stdout


def open_sealed(sealed, secret, what):
    """Opens an age file with a secret key that is handed over through a pipe, never a file."""
    reader, writer = os.pipe()
    try:
        os.write(writer, secret)  # A key is far smaller than a pipe's buffer.
        os.close(writer)
        return run("age", ["--decrypt", "-i", f"/dev/fd/{reader}"], sealed, what, pass_fds=(reader,))
    finally:
        os.close(reader)


def decompress(data, what, bytes_max):
    """Unpacks no more than a bound: a few damaged or forged bytes can claim to be gigabytes."""
    with tempfile.TemporaryFile() as packed:
        packed.write(data)
        packed.seek(0)
        try:
            zstd = subprocess.Popen(["zstd", "--decompress", "--stdout", "--quiet"], stdin=packed,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise Unreadable("the program `zstd` is not installed: install the package `zstd`")
        with zstd:
            plain = zstd.stdout.read(bytes_max + 1)
            if len(plain) > bytes_max:
                zstd.kill()
                raise Unreadable(f"{what} unpacks to more than {bytes_max} bytes")
            said = zstd.stderr.read().decode(errors="replace").strip().splitlines()
    if zstd.returncode != 0:
        raise Unreadable(f"{what}: zstd says: {said[0] if said else zstd.returncode}")
    return plain


# --- the vault ------------------------------------------------------------------------------------


class Vault:
    def __init__(self, folder, identity_file, use_index):
        self.folder, self.identity_file, self.use_index = folder, identity_file, use_index
        self.keys = {}
        self.wraps = {}
        self.places = None
        self.segments = collections.OrderedDict()
        self.read_keyring()

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def names(self, under):
        try:
            return sorted(os.listdir(self.path(under)))
        except FileNotFoundError:
            return []

    def read(self, *parts):
        try:
            with open(self.path(*parts), "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise Unreadable(f"{'/'.join(parts)} is missing")

    def body(self, kind, *parts):
        """An envelope is three lines and an empty one, then the body."""
        head, separator, body = self.read(*parts).partition(b"\n\n")
        first = head.split(b"\n")[0].decode(errors="replace").split(" ")
        if not separator or len(first) != 3 or first[0] != "lifeboat" or first[2] != kind:
            raise Unreadable(f"{'/'.join(parts)} is no {kind}")
        if first[1] != "1":
            raise Newer(f"{'/'.join(parts)} is of format {first[1]}; this reader knows 1")
        return body

    def read_keyring(self):
        """The keyring in force says which object wraps which key. Signatures are not checked here: in
        force is the one of the highest number that is a keyring and has that number in it too."""
        self.body("vault", "vault")
        names = [name for name in self.names("keys") if KEYRING.fullmatch(name)]
        for name in sorted(names, reverse=True):
            try:
                keyring = json.loads(self.body("keyring", "keys", name))
                if keyring["sequence"] != int(name[8:]):
                    raise Unreadable("it is another keyring under this name")
                break
            except Newer:
                raise
            except (Unreadable, ValueError, KeyError, TypeError) as error:
                print(f"read_vault.py: keys/{name} is damaged and passed over: {error}", file=sys.stderr)
        else:
            raise Unreadable("there is no keys/keyring-… that can be read")
        if keyring["needs"]["read"]:
            raise Unreadable(f"reading this vault needs {', '.join(keyring['needs']['read'])}")
        for key in keyring["keys"]:
            self.wraps[key["realm"], key["epoch"]] = key["wrap"], key["recipient"]

    def key(self, realm, epoch):
        """Opens a wrapped key with the person's identity, once."""
        if (realm, epoch) not in self.keys:
            if (realm, epoch) not in self.wraps:
                raise Unreadable(f"the keyring has no key for {realm}, epoch {epoch}")
            name, recipient = self.wraps[realm, epoch]
            secret = run("age", ["--decrypt", "-i", self.identity_file], self.read(*name.split("/")), name)
            self.check_key(secret, recipient, name)
            self.keys[realm, epoch] = secret
        return self.keys[realm, epoch]

    def check_key(self, secret, recipient, name):
        """A wrap carries no signature: what is sealed to the keyring's recipient must open with its key."""
        sealed = run("age", ["--encrypt", "-r", recipient], b"", name)
        try:
            open_sealed(sealed, secret, name)
        except Unreadable:
            raise Unreadable(f"{name} holds another key than the keyring names")

    def open_metadata(self, sealed, what):
        """Metadata does not say its epoch: the newest key is tried first."""
        said = None
        for _, epoch in sorted((key for key in self.wraps if key[0] == "metadata"), reverse=True):
            try:
                plain = open_sealed(sealed, self.key("metadata", epoch), what)
                return decompress(plain, what, TEXT_BYTES_MAX)
            except Unreadable as error:
                said = said or error
        raise said or Unreadable("the keyring has no key for metadata")

    # --- finding chunks ---

    def packs(self):
        for folder in self.names("packs"):
            for name in self.names(os.path.join("packs", folder)):
                if HEX_ID.fullmatch(name):
                    yield name

    def pack_path(self, pack):
        return self.path("packs", pack[:2], pack)

    def find_chunks(self):
        self.places = {}
        indexed = set()
        if self.use_index:
            for name in filter(HEX_ID.fullmatch, self.names("index")):
                text = self.open_metadata(self.body("index", "index", name), f"index/{name}")
                for part in re.split(r"^pack ", text.decode(), flags=re.MULTILINE)[1:]:
                    head, _, segments = part.partition("\n")
                    pack = head.split(" ")[0]
                    if pack not in indexed:
                        indexed.add(pack)
                        self.add_contents(pack, segments)
        for pack in self.packs():
            if pack not in indexed:
                self.add_contents(pack, self.own_contents(pack))

    def own_contents(self, pack):
        """A pack ends with its table of contents, sealed, and a trailer that has its length."""
        what = f"packs/{pack[:2]}/{pack}"
        with open(self.pack_path(pack), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            if size < TRAILER_BYTES:
                raise Unreadable(f"{what} has only {size} bytes")
            file.seek(size - TRAILER_BYTES)
            trailer = file.read(TRAILER_BYTES)
            length = int.from_bytes(trailer[80:84], "little")
            if trailer[84:] != b"LBPACK01" or length + TRAILER_BYTES > size:
                raise Unreadable(f"{what} does not end as a pack does")
            file.seek(size - TRAILER_BYTES - length)
            return self.open_metadata(file.read(length), what).decode()

    def add_contents(self, pack, text):
        segment, at = None, 0
        for line in text.splitlines():
            words = line.split(" ")
            if words[0] == "segment":
                offset, sealed_bytes, raw_bytes, realm, epoch = words[1:6]
                segment = (pack, int(offset), int(sealed_bytes), int(raw_bytes), realm, int(epoch))
                if int(raw_bytes) > SEGMENT_RAW_BYTES_MAX:
                    raise Unreadable(f"a segment of pack {pack} claims {raw_bytes} raw bytes, more than any has")
                at = 0
            else:
                size, rows = int(words[1]), int(words[2])
                self.places.setdefault(words[0], []).append(Place(*segment, at, size, rows))
                at += size

    def place(self, chunk, realm):
        if self.places is None:
            self.find_chunks()
        places = [place for place in self.places.get(chunk, []) if place.realm == realm]
        for place in places:
            if os.path.exists(self.pack_path(place.pack)):
                return place
        if places:
            raise Unreadable(f"packs/{places[0].pack[:2]}/{places[0].pack} is missing")
        raise Unreadable(f"chunk {chunk} is in no index and no pack")

    def segment(self, place):
        """Opens a segment: one age process, however many of its chunks are used."""
        number = (place.pack, place.offset)
        raw = self.segments.pop(number, None)
        if raw is None:
            what = f"packs/{place.pack[:2]}/{place.pack} at offset {place.offset}"
            with open(self.pack_path(place.pack), "rb") as file:
                file.seek(place.offset)
                sealed = file.read(place.sealed_bytes)
            opened = open_sealed(sealed, self.key(place.realm, place.epoch), what)
            raw = decompress(opened, what, place.raw_bytes)
            if len(raw) != place.raw_bytes:
                raise Unreadable(f"{what}: expected {place.raw_bytes} bytes, found {len(raw)}")
        self.segments[number] = raw
        if len(self.segments) > SEGMENTS_KEPT:
            self.segments.popitem(last=False)
        return raw

    def chunk(self, chunk, realm):
        place = self.place(chunk, realm)
        plain = self.segment(place)[place.at:place.at + place.bytes]
        if plain.count(b"\n") != place.rows:
            raise Unreadable(f"chunk {chunk} has {plain.count(bytes([10]))} rows, not {place.rows}")
        return plain

    # --- what chunks make ---

    def text(self, text):
        chunks = b"".join(self.chunk(chunk, "metadata") for chunk in text.get("chunks", []))
        return chunks.decode() + text.get("inline", "")

    def manifests(self):
        """Every snapshot, oldest first."""
        found = []
        for name in filter(HEX_ID.fullmatch, self.names("snapshots")):
            body = self.body("manifest", "snapshots", name)
            found.append((name, json.loads(self.open_metadata(body, f"snapshots/{name}"))))
        return sorted(found, key=lambda snapshot: (snapshot[1]["number"], snapshot[1]["time"], snapshot[0]))

    def tables(self, manifest):
        # Not splitlines(): a name may hold characters that Python takes for ends of lines.
        lines = self.text(manifest["catalogue"]).split("\n")
        tables = [json.loads(line) for line in lines if line]
        for line in self.text({"chunks": manifest["catalogue"].get("changes", [])}).splitlines():
            self.change(tables, json.loads(line))
        if len(tables) != manifest["tables"]:
            raise Unreadable(f"the catalogue has {len(tables)} of {manifest['tables']} tables")
        return tables

    def change(self, tables, change):
        """What a later run found different of a table."""
        table = tables[change["table"]]
        table.update(rows=change["rows"], digest=change["digest"])
        for stream, changed in zip(table["streams"], change["streams"], strict=True):
            stream["digest"] = changed["digest"]
            for part in changed.get("parts", []):
                if part.get("anew"):
                    stream["parts"][part["part"]:part["part"] + 1] = [part]
                    continue
                old = stream["parts"][part["part"]]
                old.update(rows=part["rows"], bytes=part["bytes"])
                for name in "chunks", "gone":
                    old.setdefault(name, {}).setdefault("inline", "")
                    old[name]["inline"] += part.get(name, {}).get("inline", "")

    def gone(self, part):
        """What is gone of a part: places of whole chunks, and rows by the place of their chunk."""
        chunks, rows = set(), collections.defaultdict(set)
        for line in self.text(part.get("gone", {})).splitlines():
            place, *which = map(int, line.split(" "))
            if not which:
                chunks.add(place)
            else:
                first, count = which
                rows[place].update(range(first, first + count))
        return chunks, rows

    def stream(self, stream):
        """Yields the rows of a stream in order, each with its newline."""
        rest = b""
        for part in stream["parts"]:
            gone_chunks, gone_rows = self.gone(part)
            rows, size = 0, 0
            for place, chunk in enumerate(self.text(part["chunks"]).split()):
                if place in gone_chunks:
                    continue
                *lines, end = self.chunk(chunk, stream["grade"]).split(b"\n")
                gone = gone_rows.get(place, ())
                if gone and max(gone) >= len(lines):
                    raise Unreadable(f"row {max(gone)} of chunk {chunk} is gone, which has {len(lines)}")
                for at, row in enumerate(lines):
                    if at in gone:
                        continue
                    yield rest + row + b"\n"
                    size += len(rest) + len(row) + 1
                    rest = b""
                    rows += 1
                rest += end  # A piece of a large row, which goes on in the next chunk.
            if rest or (rows, size) != (part["rows"], part["bytes"]):
                raise Unreadable(f"a part has {rows} rows of {size} bytes, not {part['rows']} of {part['bytes']}")

    def rows(self, table):
        """Yields the rows of a table; the columns of several streams are put back in their places."""
        streams = table["streams"]
        if len(streams) == 1:
            yield from self.stream(streams[0])
            return
        for lines in zip(*(self.stream(stream) for stream in streams), strict=True):
            fields = [b""] * len(table["columns"])
            for stream, line in zip(streams, lines):
                for place, field in zip(stream["columns"], line[:-1].split(b"\t")):
                    fields[place] = field
            yield b"\t".join(fields) + b"\n"


# --- what was asked for ---------------------------------------------------------------------------


def choose(snapshots, selector):
    if selector and selector.startswith("latest:"):
        fitting = [s for s in snapshots if s[1]["source"] == selector[len("latest:"):]][-1:]
    elif selector:
        fitting = [s for s in snapshots if s[0].startswith(selector.lower())]
    else:
        if len({s[1]["source"] for s in snapshots}) > 1:
            raise Unreadable("the vault has several sources: say `latest:SOURCE` or the start of an id")
        fitting = snapshots[-1:]
    if len(fitting) != 1:
        raise Unreadable(f"{len(fitting)} snapshots fit {selector or 'the vault'}: see --list")
    return fitting[0][1]


def name_of(table):
    return f"{table['schema']}.{table['name']}" if table.get("schema") else table["name"]


def choose_table(tables, name):
    fitting = [t for t in tables if name_of(t) == name] or [t for t in tables if t["name"] == name]
    if len(fitting) != 1:
        raise Unreadable(f"{len(fitting)} tables are called {name!r}: see --list")
    return fitting[0]


def print_list(manifest, tables, out):
    for file in manifest["files"]:
        out.write(f"file\t{file['name']}\t{file['bytes']} bytes\n".encode())
    for table in tables:
        grades = ",".join(stream["grade"] for stream in table["streams"])
        out.write(f"table\t{name_of(table)}\t{table['rows']} rows\t{grades}\n".encode())


def print_table(vault, table, out):
    rows = 0
    for row in vault.rows(table):
        out.write(row)
        rows += 1
    if rows != table["rows"]:
        raise Unreadable(f"expected {table['rows']} rows, found {rows}")


def print_file(vault, manifest, name, out):
    for file in manifest["files"]:
        if file["name"] == name:
            data = b"".join(vault.chunk(chunk, file["grade"]) for chunk in file["chunks"])
            if len(data) != file["bytes"]:
                raise Unreadable(f"expected {file['bytes']} bytes, found {len(data)}")
            out.write(data)
            return
    raise Unreadable(f"there is no schema file {name!r}: see --list")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, epilog=NOT_CHECKED,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vault", metavar="VAULT_FOLDER")
    parser.add_argument("identity", metavar="IDENTITY_FILE", help="what `age -i` takes")
    parser.add_argument("snapshot", metavar="SNAPSHOT_PREFIX|latest:SOURCE", nargs="?",
                        help="left out: the newest snapshot; with --list: every snapshot")
    parser.add_argument("--no-index", action="store_true",
                        help="find chunks by the packs' own tables of contents")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--list", action="store_true", help="list snapshots, or a snapshot's tables and files")
    what.add_argument("--table", metavar="NAME", help="print this table's rows: NAME or SCHEMA.NAME")
    what.add_argument("--schema-file", metavar="NAME", help="print this file")
    return parser.parse_args()


def main():
    asked, out = arguments(), sys.stdout.buffer
    vault = Vault(asked.vault, asked.identity, not asked.no_index)
    snapshots = vault.manifests()
    if asked.list and not asked.snapshot:
        for name, manifest in snapshots:
            out.write(f"{name}\t{manifest['source']}\t{manifest['time']}\t{manifest['rows']} rows\n".encode())
        return
    manifest = choose(snapshots, asked.snapshot)
    if asked.list:
        print_list(manifest, vault.tables(manifest), out)
    elif asked.table is not None:
        print_table(vault, choose_table(vault.tables(manifest), asked.table), out)
    else:
        print_file(vault, manifest, asked.schema_file, out)
    out.flush()


if __name__ == "__main__":
    try:
        main()
    except (Unreadable, OSError, ValueError, KeyError) as error:
        sys.exit(f"read_vault.py: {error}")
