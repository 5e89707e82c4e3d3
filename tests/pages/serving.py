"""`alexctl serve` as a user runs it, what is sent to it, and twenty things that nobody should send."""

import http.client
import io
import json
import struct
import zlib
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from samples import encoded, photo


def posted(place: str, body: bytes, path: str = "/answer", method: str = "POST", headers=None):
    """The status, and the JSON or text that came."""
    connection = http.client.HTTPConnection(place, timeout=120)
    connection.request(method, path, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    kind = response.getheader("content-type", "")
    return response.status, json.loads(content) if "json" in kind else content.decode()


class Server:
    """`alexctl serve` as a user runs it."""

    def __init__(self, workshop, run: Path, features: Path) -> None:
        alike = ("--features", features)
        self.process = workshop.start("serve", run, *alike, "--port", 0, "--device", "cpu", "--threads", 1)
        self.address = self.process.stdout.readline().strip()
        self.place = urlsplit(self.address).netloc

    def ask(self, body: bytes, path: str = "/answer", method: str = "POST", **headers: str):
        return posted(self.place, body, path, method, headers)

    @property
    def peak(self) -> int:
        """The most memory it ever had, in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])


def bomb() -> bytes:
    """A PNG of 60000 x 60000 pixels in a few bytes."""
    head = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def bad(good: bytes) -> dict[str, bytes]:
    """Twenty uploads that are no image which can be used."""
    png = encoded(photo(40, 40, 1))
    gif = io.BytesIO()
    Image.fromarray(photo(9, 9, 2)).save(gif, "GIF")
    found = {
        **{"nothing": b"", "a byte": b"\xff", "words": b"a cat, please", "zeros": bytes(5000), "a bomb": bomb()},
        **{"half a JPEG": good[: len(good) // 2], "a JPEG's head": good[:20], "half a PNG": png[: len(png) // 2]},
        **{
            "a GIF": gif.getvalue(),
            "an SVG": b"<svg/>",
            "HTML": b"<script></script>",
        },
        **{"JSON": b'{"path": "/etc/passwd"}', "a path": b"/etc/passwd", "a URL": b"http://localhost/"},
        **{"a zip": b"PK\3\4" * 9, "a broken PNG": png[:60] + bytes(40) + png[100:], "BMP": b"BM" + bytes(60)},
        **{"RIFF": b"RIFF\xff\xff\xff\xffWEBPVP8 ", "broken gzip": b"\x1f\x8b\x08" + bytes(30)},
        **{"too much": bytes(40 << 20)},
    }
    assert len(found) == 20
    return found
