"""The page to play with: what it answers, whom it refuses, what a browser makes of it."""

import base64
import http.client
import io
import socket
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import browser
import numpy as np
import pytest
import uvicorn
from command import alexctl
from PIL import Image
from samples import encoded, folder_source, photo
from serving import Server, bad, posted

from alexnet.data.shards import Dataset
from alexnet.pages import web
from alexnet.predict.run import open_run

LOOKED = """new Promise((done, failed) => {
  const wait = setInterval(() => {
    const line = document.getElementById('status').textContent;
    if (line && !line.endsWith('…')) { clearInterval(wait); done(line); }
  }, 20);
  setTimeout(() => failed('no answer'), 120000);
})"""


@pytest.fixture(scope="module")
def features(trained, tmp_path_factory):
    """Of the training images of `trained`."""
    path = tmp_path_factory.mktemp("features") / "F.h5"
    alexctl("features", trained, "--out", path, "--device", "cpu")
    return path


@pytest.fixture(scope="module")
def server(workshop, trained, features):
    found = Server(workshop, trained, features)
    yield found
    found.process.terminate()
    out, err = found.process.communicate(timeout=60)
    assert "Traceback" not in err and out == "", err
    assert "stopped" not in err and found.process.returncode == 0, "a signal is how it ends"


@pytest.fixture(scope="module")
def good():
    return encoded(photo(90, 70, 4), "JPEG")


def test_an_image_is_answered_as_the_run_predicts(server, trained, good, tmp_path):
    status, found = server.ask(good)
    (tmp_path / "good.jpg").write_bytes(good)
    probs = open_run(trained).predict([tmp_path / "good.jpg"])[0]
    assert status == 200
    assert [each["index"] for each in found["top"]] == np.argsort(-probs, kind="stable").tolist()
    assert [each["probability"] for each in found["top"]] == pytest.approx(sorted(probs, reverse=True), abs=1e-6)
    assert len(found["crops"]) == 10 and found["crops"][4]["crop"] == "centre"
    centre = open_run(trained).predict([tmp_path / "good.jpg"], crops="centre")[0]
    assert found["crops"][4]["probability"] == pytest.approx(centre.max(), abs=1e-6)
    layers = {each["name"]: each for each in found["layers"]}
    assert [len(layers[name]["sheets"]) for name in ("relu1", "norm1", "relu2", "relu3", "loss")] == [2] * 4 + [1]
    assert list(layers)[:5] == ["relu1", "norm1", "pool1", "relu2", "cross3"] and layers["cross3"]["sheets"] == []
    head, _, data = found["picture"].partition(",")
    assert head == "data:image/png;base64" and len(data) > 1000


def test_a_training_image_is_nearest_to_itself(server, workshop, features):
    images = Dataset(workshop.data).split("train")
    for index in (0, 7):
        found = server.ask(encoded(images.image(index)))[1]["alike"]
        assert len(found) == 5 and found[0]["distance"] < 1e-2 < found[1]["distance"]
        assert found[0]["name"] == f"class{images.labels[index]}"
        assert [each["distance"] for each in found] == sorted(each["distance"] for each in found)
        picture = Image.open(io.BytesIO(base64.b64decode(found[0]["picture"].partition(",")[2])))
        assert np.array_equal(np.asarray(picture), images.image(index))


def test_features_of_another_net_or_of_other_images_are_refused(workshop, trained, features, tmp_path):
    workshop.train(tmp_path / "other", "--procs", 1, "--steps", 1)
    refused = alexctl("serve", tmp_path / "other", "--features", features, "--device", "cpu", code=1).stderr
    assert "features of another net" in refused and f"alexctl features {tmp_path / 'other'}" in refused
    source = folder_source(tmp_path / "images", {"class0": 3, "class1": 3, "class2": 3}, side=32)
    alexctl("prep", source, "--out", tmp_path / "data", "--size", 32, "--workers", 1)
    named = ("--features", features, "--data", tmp_path / "data")
    assert "features of other images" in alexctl("serve", trained, *named, "--device", "cpu", code=1).stderr


def test_twenty_bad_uploads_are_refused_in_one_line_and_end_nothing(server, good):
    for name, body in bad(good).items():
        status, found = server.ask(body)
        assert status == (413 if name == "too much" else 422), (name, status, found)
        assert found["error"] and "\n" not in found["error"] and "/tmp" not in found["error"], name
    assert server.ask(good)[0] == 200


def test_damaged_uploads_are_answered_or_refused_and_end_nothing(server, good):
    """Bytes of whole images turned, cut out and put in, in every form that is taken."""
    draws = np.random.default_rng(11)
    whole = [good, *(encoded(photo(50, 40, 5), form) for form in ("PNG", "WEBP", "BMP"))]
    statuses = []
    for number in range(120):
        body = bytearray(whole[number % 4])
        for _ in range(draws.integers(1, 9)):
            at, length = int(draws.integers(len(body))), int(draws.integers(1, 20))
            body[at : at + draws.choice([0, length])] = draws.bytes(draws.choice([0, length]))
        statuses.append(server.ask(bytes(body))[0])
    assert {*statuses} == {200, 422}
    assert server.ask(good)[0] == 200


def test_no_path_of_the_server_is_reachable(server):
    for path in ("/../../etc/passwd", "/..%2f..%2fetc/passwd", "/recipe.toml", "/play.js", "/answer/..", "//etc"):
        assert server.ask(b"", path, "GET")[0] == 404, path
    assert server.ask(b"", "/answer", "GET")[0] == 405


def test_foreign_hosts_and_origins_are_refused(server, good):
    port = server.place.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "10.1.2.3", ""):
        assert server.ask(good, Host=host)[0] in (400, 403), host
        assert server.ask(b"", "/", "GET", Host=host)[0] in (400, 403), host
    for origin in ("http://evil.example", "null", f"http://localhost:{port}", "http://127.0.0.1:1"):
        assert server.ask(good, Origin=origin)[0] == 403, origin
    assert server.ask(good, Origin=f"http://{server.place}")[0] == 200
    assert server.ask(good, Host="localhost:9000", Origin="http://localhost:9000")[0] == 200  # through a tunnel


@pytest.mark.parametrize(("path", "host"), [("/", ""), ("/none", ""), ("/", "evil.example")])
def test_every_answer_has_its_headers(server, path, host):
    connection = http.client.HTTPConnection(server.place, timeout=120)
    connection.request("GET", path, headers={"Host": host} if host else {})
    response = connection.getresponse()
    found = {name.lower(): value for name, value in response.getheaders()}
    connection.close()
    assert {name: found.get(name.lower()) for name in web.HEADERS} == web.HEADERS
    if response.status == 200:
        rules = {rule.split()[0] for rule in found["content-security-policy"].split(";")}
        assert rules >= {"default-src", "script-src", "style-src", "form-action", "base-uri", "frame-ancestors"}
        assert "unsafe" not in found["content-security-policy"]


def test_200_uploads_from_8_clients(server, good):
    """Answers or a clear refusal, in bounded memory."""
    wrong = [body for name, body in bad(good).items() if name != "too much"]
    bodies = [wrong[number // 5 % len(wrong)] if number % 5 == 0 else good for number in range(200)]
    before = server.peak
    with ThreadPoolExecutor(8) as clients:
        statuses = list(clients.map(lambda body: server.ask(body)[0], bodies))
    assert [status for body, status in zip(bodies, statuses, strict=True) if body is good] == [200] * 160
    assert {status for body, status in zip(bodies, statuses, strict=True) if body is not good} == {422}
    assert server.peak - before < 200 << 10


def test_one_more_than_may_wait_is_told_so_and_the_others_are_answered():
    go_on = threading.Event()
    app = web.app(lambda content: {"answered": go_on.wait()}, "a run", "127.0.0.1")
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    with ThreadPoolExecutor(web.WAITING + 1) as clients:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        asked = [clients.submit(posted, address, bytes(1 << 20)) for _ in range(web.WAITING + 1)]
        done, waiting = wait(asked, return_when=FIRST_COMPLETED)
        assert [each.result()[0] for each in done] == [503]
        go_on.set()
        assert {each.result()[0] for each in waiting} == {200}
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def window(server, tmp_path_factory):
    if browser.PROGRAM is None:
        pytest.skip("no chromium here")
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with browser.Browser(tmp_path_factory.mktemp("profile"), *fake) as found:
        yield found


def opened(window, server):
    window.lines.clear()
    window.open(server.address)
    assert window.lines == []
    return window


@pytest.mark.parametrize("width", [320, 1280])
def test_a_picture_is_chosen(window, server, good, tmp_path, width):
    window.tell("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    opened(window, server)
    (tmp_path / "cat.jpg").write_bytes(good)
    window.choose("#file", tmp_path / "cat.jpg")
    line = window.run(LOOKED)
    _, expected = server.ask(good)
    best = expected["top"][0]
    assert line == f"{best['name']}, {100 * best['probability']:.1f} %."
    assert window.run("document.querySelectorAll('#crops tr').length") == 10
    assert window.run("Promise.all([...document.images].map(i => i.decode())).then(all => all.length)") > 10
    assert window.run("document.documentElement.scrollWidth - innerWidth") <= 0
    assert window.lines == []


def test_a_bad_picture_is_refused_on_the_page_and_the_next_one_answered(window, server, good, tmp_path):
    opened(window, server)
    (tmp_path / "bad.jpg").write_bytes(good[:40])
    (tmp_path / "good.jpg").write_bytes(good)
    window.choose("#file", tmp_path / "bad.jpg")
    assert "cannot be used" in window.run(LOOKED) and window.run("document.getElementById('answer').hidden")
    window.run("say('')")
    window.choose("#file", tmp_path / "good.jpg")
    assert window.run(LOOKED).endswith("%.") and not window.run("document.getElementById('answer').hidden")
    # A browser tells of a choice only where it is another than the one before.
    window.run("document.getElementById('file').dispatchEvent(new Event('click'))")
    assert window.run("document.getElementById('file').files.length") == 0


def test_a_server_that_answers_otherwise_is_told_of(window, server, good, tmp_path):
    opened(window, server)
    window.run("globalThis.fetch = async () => new Response('no JSON', {status: 503})")
    (tmp_path / "cat.jpg").write_bytes(good)
    window.choose("#file", tmp_path / "cat.jpg")
    assert window.run(LOOKED) == "The server is busy; try again in a moment."
    window.run("globalThis.fetch = async () => { throw new TypeError('Failed to fetch'); }")
    window.run("ask({size: 1})")
    assert window.run(LOOKED) == "The server does not answer; is `alexctl serve` still running?"


def test_the_last_picture_is_the_one_that_is_answered(window, server):
    """Also where an earlier one takes longer."""
    opened(window, server)
    window.run(
        "globalThis.fetch = (path, {body, signal}) => new Promise((done, failed) => {"
        "signal?.addEventListener('abort', () => failed(signal.reason));"
        "const answer = JSON.stringify({error: body.name});"
        "setTimeout(() => done(new Response(answer, {status: 422})), body.after) })"
    )
    window.run("Promise.all([ask({name: 'first', size: 1, after: 100}), ask({name: 'second', size: 1, after: 1})])")
    assert window.run(LOOKED) == "second"


@pytest.mark.parametrize("event", ["paste", "drop"])
def test_a_picture_is_pasted_or_dropped(window, server, good, event):
    opened(window, server)
    holder = "clipboardData" if event == "paste" else "dataTransfer"
    kind = "ClipboardEvent" if event == "paste" else "DragEvent"
    file = f"new File([Uint8Array.from({list(good)})], 'a.jpg', {{type: 'image/jpeg'}})"
    sent = f"dispatchEvent(new {kind}('{event}', {{{holder}: given, cancelable: true}}))"
    window.run(f"{{ const given = new DataTransfer(); given.items.add({file}); {sent}; }}")
    assert window.run(LOOKED).endswith("%.")


def test_a_picture_is_taken_with_the_camera_by_keyboard_alone(window, server):
    opened(window, server)
    for _ in range(2):
        window.press("Tab", 9)
    assert window.run("document.activeElement.id") == "camera"
    window.press("Enter", 13)
    window.run("new Promise(done => setInterval(() => document.activeElement.id === 'shoot' && done(), 20))")
    button = "(({textContent, ariaExpanded}) => [textContent, ariaExpanded])(document.getElementById('camera'))"
    assert window.run(button) == ["Close the camera", "true"]
    window.press("Enter", 13)
    assert window.run(LOOKED).endswith("%.")
    assert window.run(button) == ["Use the camera", "false"]


def test_a_screen_reader_is_told(window, server, good, tmp_path):
    """Names and roles of all that can be used, and a live region for the answer."""
    opened(window, server)
    (tmp_path / "cat.jpg").write_bytes(good)
    window.choose("#file", tmp_path / "cat.jpg")
    window.run(LOOKED)
    nodes = window.tell("Accessibility.getFullAXTree")["nodes"]
    told = {(each["role"]["value"], each.get("name", {}).get("value", "")) for each in nodes if "role" in each}
    named = {(role, name[:30]) for role, name in told}
    assert ("heading", "What does the net see?") in named and ("heading", "The likeliest classes") in named
    assert ("heading", "The nearest images that it was trained on") in told
    assert ("button", "Use the camera") in named and ("image", "maps of relu1, column 2") in named
    assert any(role == "button" and name.startswith("Choose a picture") for role, name in told), sorted(told)
    assert any(role == "meter" and name.startswith("probability of") for role, name in told)
    assert any(role == "status" for role, _ in told)
    assert not any(role in ("image", "button") and not name for role, name in told)
