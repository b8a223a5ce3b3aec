"""Uploading a package, against a real server that speaks the few endpoints of the Hub that it needs."""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("gguf")
pytest.importorskip("huggingface_hub")

from huggingface_hub import constants

from journal_app.inference.llama import sha256_of
from tests.support import tuned_ground
from tests.support.tuned_ground import Tuned, quiet
from trainer import package, push, quantize
from trainer.config import ROOT, TrainerError
from trainer.progress import Progress

pytestmark = [pytest.mark.torch, pytest.mark.llm]

TOKEN = "hf_a_token_that_nobody_may_see"


class Hub(ThreadingHTTPServer):
    """Keeps repositories in memory. ``drop`` holds how often a path that begins so loses its connection."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.token = TOKEN
        self.repos: dict[str, dict[str, Any]] = {}
        self.stored: dict[str, bytes] = {}
        self.commits: list[dict[str, bytes]] = []
        self.drop: dict[str, int] = {}
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """A dropped connection is meant here."""


class _Answer(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append(f"{self.command} {path}")
        for start, left in self.server.drop.items():
            if path.startswith(start) and left:
                self.server.drop[start] -= 1
                self.rfile.read(min(1000, int(self.headers.get("Content-Length", 0))))
                self.connection.close()
                self.close_connection = True
                return
        body = self._body()
        if self.command == "PUT":
            # As S3 does: the address itself is the permission.
            oid = path.rsplit("/", 1)[1]
            assert hashlib.sha256(body).hexdigest() == oid
            self.server.stored[oid] = body
            return self._say(200, {})
        if self.headers.get("Authorization") != f"Bearer {self.server.token}":
            return self._say(401, {"error": "Invalid credentials in Authorization header"})
        if path == "/api/repos/create":
            wanted = json.loads(body)
            name = f"{wanted['organization']}/{wanted['name']}"
            if name in self.server.repos:
                return self._say(409, {"error": "exists", "url": f"{self.server.url}/{name}"})
            if wanted["organization"] == "elsewhere":
                return self._say(403, {"error": "forbidden"})
            self.server.repos[name] = wanted
            return self._say(200, {"url": f"{self.server.url}/{name}", "name": name})
        if path == "/api/validate-yaml":
            return self._say(200, {"errors": [], "warnings": []})
        if "/preupload/" in path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".gguf") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(body)["files"]
            ]
            return self._say(200, {"files": files})
        if path.endswith(".git/info/lfs/objects/batch"):
            objects = []
            for item in json.loads(body)["objects"]:
                if item["oid"] not in self.server.stored:
                    item["actions"] = {"upload": {"href": f"{self.server.url}/lfs/{item['oid']}"}}
                objects.append(item)
            return self._say(200, {"transfer": "basic", "objects": objects})
        if "/commit/" in path:
            files = {}
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    files[value["path"]] = self.server.stored[value["oid"]]
            self.server.commits.append(files)
            repo = path.removeprefix("/api/models/").split("/commit/")[0]
            return self._say(
                200,
                {"success": True, "commitOid": "a" * 40, "commitUrl": f"{self.server.url}/{repo}/commit/{'a' * 40}"},
            )
        return self._say(404, {"error": "no such thing"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _say(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch):
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    monkeypatch.setattr(constants, "ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    # The Hub's own storage protocol has no server outside it; every other server speaks LFS.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """A packaged model that learned from a set for non-commercial use."""
    tuned = tuned_ground.lay(tmp_path_factory.mktemp("push"), sources=(("made", "CC0-1.0"), ("forum", "CC BY-NC 4.0")))
    quantize.run(tuned.recipe, tuned.paths, quiet())
    report = {"sha256": sha256_of(tuned.paths.gguf(tuned.recipe, "Q8_0")), "replies": {"distinct_2": 0.4}}
    (tuned.paths.reports / "evaluate.json").write_text(json.dumps(report), "utf-8")
    package.run(tuned.recipe, tuned.paths, quiet())
    return tuned


def send(tuned: Tuned, repo: str = "me/tiny-tuned", *, private: bool = False) -> str:
    said = io.StringIO()
    try:
        push.run(tuned.recipe, tuned.paths, Progress(said), argparse.Namespace(repo=repo, private=private))
    finally:
        assert TOKEN not in said.getvalue()
    return said.getvalue()


def test_the_package_arrives_as_it_is(hub: Hub, ready: Tuned) -> None:
    said = send(ready)
    assert hub.url in said
    assert list(hub.repos) == ["me/tiny-tuned"]
    assert "visibility" not in hub.repos["me/tiny-tuned"]
    (files,) = hub.commits
    models, docs = ready.paths.release / "assets" / "models", ready.paths.release / "docs" / "models"
    assert set(files) == {"tiny-tuned.gguf", "README.md", "tiny-tuned.evaluate.json", "NOTICE"}
    assert files["tiny-tuned.gguf"] == (models / "tiny-tuned.gguf").read_bytes()
    assert files["NOTICE"] == (models / "tiny-tuned.NOTICE").read_bytes()
    card = files["README.md"].decode()
    assert card.endswith((docs / "tiny-tuned.md").read_text("utf-8"))
    head = card.split("---\n")[1]
    assert 'base_model: "somebody/tiny-base"' in head
    # Apache-2.0 at the top would promise what the data's terms forbid.
    assert "license: other" in head
    assert "non-commercial" in head
    assert "Not for commercial use" in card


def test_what_is_there_already_is_not_sent_again(hub: Hub, ready: Tuned) -> None:
    send(ready)
    send(ready, private=True)
    assert sum(asked.startswith("PUT ") for asked in hub.asked) == 1
    assert len(hub.commits) == 2


def test_a_private_repository_is_asked_for(hub: Hub, ready: Tuned) -> None:
    send(ready, private=True)
    assert hub.repos["me/tiny-tuned"]["visibility"] == "private"


@pytest.mark.parametrize("path", ["/lfs/", "/api/repos/create", "/api/models/me/tiny-tuned/commit/"])
def test_a_dropped_connection_is_tried_again(
    hub: Hub, ready: Tuned, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.drop[path] = 1
    send(ready)
    assert hub.drop[path] == 0
    assert hub.commits[-1]["tiny-tuned.gguf"] == (ready.paths.release / "assets/models/tiny-tuned.gguf").read_bytes()


def test_a_connection_that_never_holds_is_told_in_one_line(
    hub: Hub, ready: Tuned, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.drop["/lfs/"] = 10_000
    with pytest.raises(TrainerError, match="connection was lost") as error:
        send(ready)
    assert TOKEN not in str(error.value)
    assert "\n" not in str(error.value)
    assert hub.commits == []


def test_a_token_that_is_not_accepted_is_told_and_not_shown(hub: Hub, ready: Tuned) -> None:
    hub.token = "another"
    with pytest.raises(TrainerError, match="does not accept the token") as error:
        send(ready)
    assert TOKEN not in str(error.value)
    assert error.value.__cause__ is None
    assert hub.asked.count("POST /api/repos/create") == 1, "a refusal is not tried again"


def test_a_repository_that_the_token_may_not_write_is_told(hub: Hub, ready: Tuned) -> None:
    with pytest.raises(TrainerError, match="may not write to elsewhere/model"):
        send(ready, "elsewhere/model")


def test_without_a_token_nothing_is_sent(
    hub: Hub, ready: Tuned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(TrainerError, match="no token"):
        send(ready)
    assert hub.asked == []


def test_offline_by_the_environment_is_respected(hub: Hub, ready: Tuned, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(TrainerError, match="HF_HUB_OFFLINE"):
        send(ready)
    assert hub.asked == []


def test_what_is_no_package_is_refused_before_anything_is_sent(hub: Hub, tmp_path: Path) -> None:
    tuned = tuned_ground.lay(tmp_path, sources=(("forum", "CC BY-NC 4.0"),))
    with pytest.raises(TrainerError, match="not packaged"):
        send(tuned)
    quantize.run(tuned.recipe, tuned.paths, quiet())
    report = {"sha256": sha256_of(tuned.paths.gguf(tuned.recipe, "Q8_0"))}
    (tuned.paths.reports / "evaluate.json").write_text(json.dumps(report), "utf-8")
    package.run(tuned.recipe, tuned.paths, quiet())
    with pytest.raises(TrainerError, match="OWNER/NAME"):
        send(tuned, "name-alone")
    model = tuned.paths.release / "assets" / "models" / "tiny-tuned.gguf"
    card = tuned.paths.release / "docs" / "models" / "tiny-tuned.md"
    whole, text = model.read_bytes(), card.read_text("utf-8")
    model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(TrainerError, match="not the file that was packaged"):
        send(tuned)
    model.write_bytes(whole)
    card.write_text("# A card that keeps silent\n", "utf-8")
    with pytest.raises(TrainerError, match="non-commercial"):
        send(tuned)
    card.unlink()
    with pytest.raises(TrainerError, match=r"lacks tiny-tuned\.md"):
        send(tuned)
    card.write_text(text, "utf-8")
    assert hub.asked == []
    send(tuned)
    assert len(hub.commits) == 1


def test_the_command_goes_to_the_endpoint_of_the_environment(hub: Hub, ready: Tuned) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trainer.cli", "push", "--recipe", str(ready.file), "--out", str(ready.paths.out)]
        + ["--release", str(ready.paths.release), "--repo", "me/by-command"],
        env=os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(hub.repos) == ["me/by-command"]
    assert TOKEN not in done.stdout + done.stderr
    assert TOKEN not in (ready.paths.out / "train.log").read_text("utf-8")
