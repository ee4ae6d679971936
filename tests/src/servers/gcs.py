"""A bucket that speaks Google Cloud Storage's XML API as far as object_store uses it.

No emulator that could be installed here does: fake-gcs-server (1.5x, from PyPI's wheel) answers 400 to a PUT
of the XML API and ignores `ifGenerationMatch` on a simple upload; gcp-storage-emulator (2026.7) answers 501
to HEAD and to lists of the XML API, and ignores `x-goog-if-generation-match`. Written from
https://cloud.google.com/storage/docs/xml-api/reference-methods; credentials are not checked.

With a second argument it pretends: the precondition is taken and not kept, as those emulators do.
"""

import hashlib
import sys
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000
objects, lock, generations = {}, threading.Lock(), iter(range(1, 1 << 62))
pretends = len(sys.argv) > 2


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def fail(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code></Error>".encode(), Content_Type="application/xml")

    def name(self):
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            wanted = None if pretends else self.headers.get("x-goog-if-generation-match")
            there = objects.get(self.name())
            if wanted is not None and int(wanted) != (there[1] if there else 0):
                return self.fail(412, "PreconditionFailed")
            made = body, next(generations), formatdate(usegmt=True)
            objects[self.name()] = made
        self.answer(200, **describe(made))

    def do_GET(self):
        if not self.name():
            return self.list({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
        with lock:
            there = objects.get(self.name())
        if there is None:
            return self.fail(404, "NoSuchKey")
        body, asked = there[0], self.headers.get("Range")
        if not asked or self.command == "HEAD":
            return self.answer(200, body, **describe(there))
        first, last = asked.removeprefix("bytes=").split("-")
        if int(first) >= len(body):
            return self.fail(416, "InvalidRange")
        piece = body[int(first) : int(last) + 1]
        shown = f"bytes {first}-{int(first) + len(piece) - 1}/{len(body)}"
        self.answer(206, piece, Content_Range=shown, **describe(there))

    do_HEAD = do_GET

    def do_DELETE(self):
        with lock:
            there = objects.pop(self.name(), None)
        self.answer(204) if there else self.fail(404, "NoSuchKey")

    def list(self, asked):
        prefix, after = asked.get("prefix", ""), asked.get("continuation-token", "")
        with lock:
            found = sorted(item for item in objects.items() if item[0].startswith(prefix) and item[0] > after)
        page, more = found[:PAGE], len(found) > PAGE
        text = "".join(
            f"<Contents><Key>{escape(name)}</Key><Generation>{generation}</Generation>"
            f"<LastModified>2026-11-23T02:30:00Z</LastModified><ETag>{etag(body)}</ETag>"
            f"<Size>{len(body)}</Size></Contents>"
            for name, (body, generation, _) in page
        )
        if more:
            text += f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>"
        body = f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{text}</ListBucketResult>"
        self.answer(200, body.encode(), Content_Type="application/xml")


def etag(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


def describe(there):
    body, generation, time = there
    return {"ETag": etag(body), "x_goog_generation": str(generation), "Last_Modified": time}


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
