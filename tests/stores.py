"""A real S3 server for tests (moto, a process of its own), and a proxy before it that loses, cuts, delays or
refuses requests."""

import contextlib
import http.client
import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pyarrow import fs as pafs

SECRET = "a-secret+that/no=file-may-hold"
# set at import, before any test starts Ray: its workers inherit them
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_MAX_ATTEMPTS": "3",
}
ANSWERS = {503: "SlowDown", 500: "InternalError", 403: "AccessDenied"}
BODY = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    "<Error><Code>{code}</Code><Message>{code} of the proxy{more}</Message></Error>"
)
HOP = ("connection", "transfer-encoding", "content-length")


class Store:
    """The server, and where it is: `url` goes through the proxy, `direct` does not."""

    def __init__(self, port: int):
        self.port, self.broken, self.seen = port, None, []
        self.ends = threading.Event()  # until then a request that hangs has no answer
        self.proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.proxy.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.proxy.server_address[1]}"
        self.direct = pafs.S3FileSystem(
            access_key="testing",
            secret_key=SECRET,
            endpoint_override=f"http://127.0.0.1:{port}",
            allow_bucket_creation=True,
            region="us-east-1",
        )
        threading.Thread(target=self.proxy.serve_forever, daemon=True).start()

    def uri(self, path: str) -> str:
        return f"s3://{path}?endpoint_override={self.url}"

    def objects(self, folder: str) -> dict[str, bytes]:
        """Content of every object under a folder, by its name inside it; the empty ones that stand for
        folders are left out."""
        infos = self.direct.get_file_info(pafs.FileSelector(folder, recursive=True, allow_not_found=True))
        out = {}
        for info in infos:
            if info.type == pafs.FileType.File:
                with self.direct.open_input_stream(info.path) as stream:
                    out[info.path.removeprefix(folder).lstrip("/")] = stream.read()
        return out

    @contextlib.contextmanager
    def failing(self, faults, when):
        """Requests for which `when(method, path, number)` holds end in a fault: a status, "drop", "cut" or
        "hang", or each of a list in turn.

        Yields those hit, as a list.
        """
        hit, lock, number = [], threading.Lock(), [0]
        turns = itertools.cycle(faults if isinstance(faults, list) else [faults])

        def broken(method: str, path: str):
            with lock:
                number[0] += 1
                if not when(method, path, number[0]):
                    return None
                hit.append((method, path))
                return next(turns)

        self.broken = broken
        try:
            yield hit
        finally:
            self.broken = None

    def check_keys(self, on: bool) -> None:
        """Let moto refuse the keys that it does not know: all."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("POST", "/moto-api/reset-auth", "0" if on else "inf")
        assert connection.getresponse().status == 200
        connection.close()


def nth(method: str, *numbers: int, path: str = ""):
    """For `Store.failing`: the n-th requests of a method to a path that holds `path`; all without numbers."""
    count = [0]

    def when(m: str, p: str, number: int) -> bool:
        count[0] += m == method and path in p
        return m == method and path in p and (not numbers or count[0] in numbers)

    return when


@contextlib.contextmanager
def aws(**settings: str):
    """Moto's server with some of its environment variables set: the port of it on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | settings
    )
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None and time.monotonic() < end, "moto's server did not start"
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def serving():
    """An S3 server with an empty bucket named 'bucket'."""
    with aws() as port:
        store = Store(port)
        store.direct.create_dir("bucket")
        yield store
        store.ends.set()
        store.proxy.shutdown()
        store.proxy.server_close()


def _handler(store: Store):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self):
            body = self.content()
            store.seen.append((self.command, self.path))
            fault = store.broken and store.broken(self.command, self.path)
            if fault == "hang":
                store.ends.wait()
            if fault in ("hang", "drop"):
                return self.hang_up()
            if isinstance(fault, int):
                return self.refuse(fault)
            connection = http.client.HTTPConnection("127.0.0.1", store.port)
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for key, value in self.headers.items():
                if key.lower() not in HOP:
                    connection.putheader(key, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response_only(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in HOP:
                    self.send_header(key, value)
            self.send_header(
                "Content-Length",
                answer.getheader("Content-Length", "0") if self.command == "HEAD" else str(len(content)),
            )
            self.end_headers()
            if fault == "cut":
                self.wfile.write(content[: len(content) // 2])
                return self.hang_up()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on

        def content(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            out = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                out += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return out

        def refuse(self, status: int) -> None:
            body = (
                b"" if self.command == "HEAD" else BODY.format(code=ANSWERS[status], more="." * 200).encode()
            )
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def hang_up(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *arguments) -> None:
            """Say nothing."""

    return Handler
