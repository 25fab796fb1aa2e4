"""A web site on this machine with the faults of real ones."""

import gzip
import http.server
import threading


class Site:
    """What the server provides: contents by path, and its faults."""

    def __init__(self):
        self.contents = {}  # path → bytes
        self.breaks = {}  # path → how many bytes it sends before it breaks off, one for each request
        self.version = '"1"'  # ETag of all files; None: none
        self.ranges = True
        self.packed = False  # whether it sends everything gzipped, requested or not
        self.release = threading.Event()  # no answer ends before this
        self.release.set()
        self.requests = []  # (path, the header Range or None)

    def paths(self):
        return [path for path, _ in self.requests]


def handler(site):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.lstrip("/")
            site.requests.append((path, self.headers["Range"]))
            if path not in site.contents:
                self.send_error(404)
                return
            content, start = site.contents[path], 0
            if site.ranges and self.headers["Range"] and self.headers["If-Range"] == site.version:
                start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            if site.packed:
                content = gzip.compress(content)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(content) - start))
            if site.version:
                self.send_header("ETag", site.version)
            self.end_headers()
            rest = site.breaks.get(path)
            self.wfile.write(content[start:][: rest.pop(0) if rest else None])
            site.release.wait()
            self.close_connection = True

        def log_message(self, *_):
            pass

    return Handler
