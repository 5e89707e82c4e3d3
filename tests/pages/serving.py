"""`alexctl serve` as a user runs it, what is sent to it, and twenty things that nobody should send."""

import http.client
import io
import json
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from samples import encoded, photo, png


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
    return png(60000, 60000, 8, 2, [bytes(999)])


def bad(good: bytes) -> dict[str, bytes]:
    """Twenty uploads that are no image which can be used."""
    whole = encoded(photo(40, 40, 1))
    gif = io.BytesIO()
    Image.fromarray(photo(9, 9, 2)).save(gif, "GIF")
    found = {
        **{"nothing": b"", "a byte": b"\xff", "words": b"a cat, please", "zeros": bytes(5000), "a bomb": bomb()},
        **{"half a JPEG": good[: len(good) // 2], "a JPEG's head": good[:20], "half a PNG": whole[: len(whole) // 2]},
        **{
            "a GIF": gif.getvalue(),
            "an SVG": b"<svg/>",
            "HTML": b"<script></script>",
        },
        **{"JSON": b'{"path": "/etc/passwd"}', "a path": b"/etc/passwd", "a URL": b"http://localhost/"},
        **{"a zip": b"PK\3\4" * 9, "a broken PNG": whole[:60] + bytes(40) + whole[100:], "BMP": b"BM" + bytes(60)},
        **{"RIFF": b"RIFF\xff\xff\xff\xffWEBPVP8 ", "broken gzip": b"\x1f\x8b\x08" + bytes(30)},
        **{"too much": bytes(40 << 20)},
    }
    assert len(found) == 20
    return found
