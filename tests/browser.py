"""A headless Chromium that does what a person would, told over its debugging pipe."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = ("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")


class Browser:
    """One window; `lines` are what the page's console said."""

    def __init__(self, profile: Path, *options: str) -> None:
        here, there = os.pipe(), os.pipe()
        command = [str(PROGRAM), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", *QUIET]
        command += [f"--user-data-dir={profile}", *options, "about:blank"]
        # The pipe's ends are the browser's descriptors 3 and 4.
        shell = f'exec "$@" 3<&{here[0]} 4>&{there[1]}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "bash", *command],
            pass_fds=(here[0], there[1]),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(here[0])
        os.close(there[1])
        self._out, self._in = os.fdopen(here[1], "wb"), os.fdopen(there[0], "rb")
        self._number, self._rest, self._session = 0, b"", ""
        self.lines: list[str] = []
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "DOM", "Accessibility"):
            self.tell(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        self._process.terminate()
        self._process.wait()
        self._in.close()

    def tell(self, method: str, **parameters: Any) -> Any:
        """Send one command and wait for its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            found = self._next()
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]
            self._hear(found)

    def run(self, code: str) -> Any:
        """The value of an expression in the page, once it is there."""
        told = self.tell("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def open(self, address: str) -> None:
        self.tell("Page.navigate", url=address)
        self.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def choose(self, selector: str, *files: Path) -> None:
        """Put files into a file input, as its dialogue does."""
        root = self.tell("DOM.getDocument")["root"]["nodeId"]
        node = self.tell("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.tell("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def press(self, key: str, code: int) -> None:
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self.tell("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **text)

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            part = os.read(self._in.fileno(), 1 << 16)
            assert part, "the browser is gone"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def _hear(self, found: Any) -> None:
        if found.get("method") == "Runtime.consoleAPICalled":
            self.lines += [str(each.get("value")) for each in found["params"]["args"]]
        if found.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.lines.append(json.dumps(found["params"]))
