"""Words from a model: an OpenAI-compatible endpoint that somebody named, or a GGUF on this computer.

Owns what leaves this computer. Without ``--endpoint`` nothing does. The key comes from the environment alone and
is sent to the named host alone: redirects are refused, as are unencrypted connections to hosts elsewhere. Answers
are bounded in bytes and in time, whatever the other side sends. No message here holds a text, a reply or a key.

The client is the ``openai`` package: it waits and tries again after 408, 429 and 5xx (``Retry-After`` is obeyed up
to two minutes, else the pause doubles from half a second).
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from trainer.config import TrainerError

if TYPE_CHECKING:
    import httpx2

KEY = "QUIETPAGE_ENDPOINT_KEY"
"""Environment variable of the key. ``OPENAI_API_KEY`` is taken for its own host only, so that it goes nowhere else."""
OPENAI_HOST = "api.openai.com"
MOST_BYTES = 4_000_000
"""Of one answer; a reply of a thousand tokens has a few thousand."""
TIMEOUT = 120.0
"""Seconds without a byte after which an answer is given up."""
WHOLE = 600.0
"""Seconds that a whole answer may take."""

Messages = Sequence[tuple[str, str]]
"""A conversation as (role, text); roles are ``system``, ``user`` and ``assistant``."""


class EndpointError(TrainerError):
    """The model gave no usable answer; a later question may get one."""


class FatalEndpointError(EndpointError):
    """The model will not answer any question: refused, no such model, wrong key."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply, stripped.

    Attributes:
        tokens_in, tokens_out: as counted by the endpoint; 0 where it does not say. seconds: wall time.
        cut: whether it ended because it was long enough.
    """

    text: str
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    cut: bool = False


class Writer(Protocol):
    """A model that answers.

    Attributes:
        name: of the model, for reports. where: host or file name. local: whether everything stays here.
    """

    name: str
    where: str
    local: bool

    def complete(self, messages: Messages, *, max_tokens: int, temperature: float, seed: int) -> Completion:
        """Return one reply; raise :class:`EndpointError` where there is none."""
        ...

    def close(self) -> None:
        """Free what it holds. Safe to call twice."""
        ...


class EndpointWriter:
    """Asks ``url`` (as ``https://host/v1``) by OpenAI's chat interface.

    Args:
        model: as the endpoint calls it. timeout, whole: seconds, see :data:`TIMEOUT` and :data:`WHOLE`.
        retries: how often a question is asked again after 408, 429, 5xx or a broken connection.

    Raises :class:`TrainerError` for an address that nothing may be sent to.
    """

    local = False

    def __init__(
        self, url: str, model: str, *, timeout: float = TIMEOUT, whole: float = WHOLE, retries: int = 4
    ) -> None:
        self.where = check_address(url)
        if not model:
            raise TrainerError("name the model at the endpoint with --model NAME")
        self.name = model
        self._timeout = timeout
        self._unknown: list[str] = []
        try:
            import httpx2
            import openai
        except ImportError as error:
            raise TrainerError("endpoints need the package openai: pip install 'quiet-page[train]'") from error
        for noisy in ("openai", "httpx2", "httpcore2"):
            # With OPENAI_LOG=debug the client would print every question and answer.
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        self._openai = openai
        self._client = openai.OpenAI(
            api_key=_key(self.where) or "none",
            base_url=url,
            # Set, so that an account named in the environment for another service is not told to this one.
            organization="",
            project="",
            max_retries=retries,
            http_client=httpx2.Client(
                transport=_bounded(httpx2, whole), timeout=httpx2.Timeout(timeout, connect=min(15.0, timeout)),
                follow_redirects=False,
            ),
        )  # fmt: skip

    def complete(self, messages: Messages, *, max_tokens: int, temperature: float, seed: int) -> Completion:
        """Return one reply; raise :class:`EndpointError` in one line, without a word of what was asked or said."""
        began = time.monotonic()
        asked: list[Any] = [{"role": role, "content": text} for role, text in messages]
        wanted: dict[str, Any] = {"temperature": temperature, "seed": seed, "max_tokens": max_tokens}
        for name in self._unknown:
            limit = wanted.pop(name, None)
            if name == "max_tokens":
                wanted["max_completion_tokens"] = limit
        while True:
            try:
                body = self._ask(asked, wanted)
                break
            except _Misunderstood as error:
                # Endpoints differ in these; what one does not know is said once and left out from then on.
                name = next((name for name in ("max_tokens", "seed", "temperature") if error.names(name, wanted)), "")
                if not name:
                    raise _refused(self.where, self.name, error.status) from None
                self._unknown.append(name)
                limit = wanted.pop(name)
                if name == "max_tokens":
                    wanted["max_completion_tokens"] = limit
        return _read(self.where, body, time.monotonic() - began)

    def _ask(self, messages: list[Any], wanted: dict[str, Any]) -> bytes:
        openai = self._openai
        try:
            raw = self._client.chat.completions.with_raw_response.create(model=self.name, messages=messages, **wanted)
            return raw.http_response.content
        except _TooMuch as error:
            raise EndpointError(f"{self.where} sent {error}") from None
        except openai.APITimeoutError:
            raise EndpointError(f"{self.where} did not answer within {self._timeout:g} s, several times") from None
        except openai.APIConnectionError as error:
            raise _unreachable(self.where, error) from None
        except openai.APIStatusError as error:
            if error.status_code in (400, 422):
                raise _Misunderstood(error.status_code, error.response.text) from None
            raise _refused(self.where, self.name, error.status_code) from None
        except openai.OpenAIError as error:
            raise EndpointError(f"{self.where}: {type(error).__name__}") from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class GgufWriter:
    """Asks a GGUF on this computer through the app's own engine."""

    local = True

    def __init__(self, path: Path, *, context: int = 4096, threads: int | None = None) -> None:
        """Load the model at ``path``; raise :class:`TrainerError` if it cannot be used."""
        from journal_app.inference.engine import ModelError
        from journal_app.inference.writer import LlamaWriter

        try:
            self.engine = LlamaWriter(path, context=context, threads=threads)
        except ModelError as error:
            raise TrainerError(f"{path.name}: {error}") from None
        self.name = self.engine.manifest.name if self.engine.manifest is not None else path.stem
        self.where = path.name
        self.path = path

    def complete(self, messages: Messages, *, max_tokens: int, temperature: float, seed: int) -> Completion:
        """Return one reply; raise :class:`EndpointError` where there is none."""
        from journal_app.inference.engine import ModelError

        began = time.monotonic()
        try:
            read = len(self.engine.prompt_ids(messages))
            pieces = self.engine.chat(messages, max_tokens=max_tokens, temperature=temperature, seed=seed)
            text = "".join(pieces).strip()
            written = len(self.engine.tokenise(text))
        except (ModelError, ValueError) as error:
            raise EndpointError(f"{self.where}: {error}") from None
        if not text:
            raise EndpointError(f"{self.where} wrote nothing")
        return Completion(text, read, written, time.monotonic() - began, cut=written >= max_tokens)

    def close(self) -> None:
        """Free the model."""
        self.engine.close()


def writer_from(options: argparse.Namespace) -> Writer:
    """Return the writer that ``--endpoint URL --model NAME`` or ``--gguf FILE`` names; raise :class:`TrainerError`."""
    endpoint, gguf = getattr(options, "endpoint", None), getattr(options, "gguf", None)
    if endpoint and gguf:
        raise TrainerError("give either --endpoint or --gguf, not both")
    if endpoint:
        return EndpointWriter(endpoint, getattr(options, "model", None) or "")
    if gguf:
        if not Path(gguf).is_file():
            raise TrainerError(f"no model at {gguf}")
        return GgufWriter(Path(gguf))
    raise TrainerError(
        "name a model: --gguf FILE on this computer, or --endpoint URL --model NAME (then texts are sent there)"
    )


def check_address(url: str) -> str:
    """Return the host (and port) of ``url``; raise :class:`TrainerError` for one that nothing may be sent to."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise TrainerError("--endpoint: not an address; it looks like https://host/v1") from None
    if parts.scheme not in ("http", "https") or not host:
        raise TrainerError("--endpoint: not an address; it looks like https://host/v1")
    if parts.username or parts.password:
        raise TrainerError(f"--endpoint: no name or password in the address; the key belongs into {KEY}")
    if parts.query or parts.fragment:
        raise TrainerError("--endpoint: the address must end with its path, as https://host/v1")
    if parts.scheme == "http" and not _near(host):
        raise TrainerError(f"--endpoint: texts would cross the network unencrypted to {host}; use https")
    return f"{host}:{port}" if port else host


def _near(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local")) or "." not in host
    return address.is_loopback or address.is_private or address.is_link_local


def _key(where: str) -> str:
    names = (KEY, "OPENAI_API_KEY") if where == OPENAI_HOST else (KEY,)
    return next((os.environ[name].strip() for name in names if os.environ.get(name, "").strip()), "")


class _TooMuch(BaseException):
    """The answer is larger, or takes longer, than any reply can.

    Not an ``Exception``: the client would take it for a broken connection and ask again.
    """


class _Misunderstood(Exception):
    """The endpoint did not accept the question (400, 422); it may have named the parameter that it does not know."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(status)
        self.status = status
        self._told = told

    def names(self, name: str, wanted: dict[str, Any]) -> bool:
        """Tell whether the endpoint's complaint is about ``name``, which was asked for."""
        return name in wanted and name in self._told


def _bounded(httpx: Any, whole: float) -> httpx2.BaseTransport:
    """Return a transport whose answers end after ``whole`` seconds or :data:`MOST_BYTES`, however they trickle."""

    class Body(httpx.SyncByteStream):
        def __init__(self, inner: Any, deadline: float) -> None:
            self._inner, self._deadline = inner, deadline

        def __iter__(self) -> Iterator[bytes]:
            count = 0
            for chunk in self._inner:
                count += len(chunk)
                if count > MOST_BYTES:
                    raise _TooMuch(f"an answer of more than {MOST_BYTES // 1_000_000} MB")
                if time.monotonic() > self._deadline:
                    raise _TooMuch(f"an answer that did not end within {whole:g} s")
                yield chunk

        def close(self) -> None:
            self._inner.close()

    class Bounded(httpx.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            # The client adds what computer this is; nobody asked it to.
            for name in ("os", "arch", "runtime", "runtime-version", "lang", "package-version"):
                request.headers.pop(f"x-stainless-{name}", None)
            response = super().handle_request(request)
            if int(response.headers.get("content-length", "0") or 0) > MOST_BYTES:
                response.close()
                raise _TooMuch(f"an answer of more than {MOST_BYTES // 1_000_000} MB")
            response.stream = Body(response.stream, time.monotonic() + whole)
            return response

    return Bounded(retries=0)


def _unreachable(where: str, error: BaseException) -> EndpointError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError) or "refused" in str(cause).lower():
            return FatalEndpointError(f"{where} refused the connection; is the server running, and the port right?")
        if "name or service" in str(cause).lower() or "getaddrinfo" in str(cause).lower():
            return FatalEndpointError(f"no host {where}; check the address")
        if "certificate" in str(cause).lower():
            return FatalEndpointError(f"the certificate of {where} is not valid")
        cause = cause.__cause__ or cause.__context__
    return EndpointError(f"the connection to {where} broke, several times")


def _refused(where: str, model: str, status: int) -> EndpointError:
    if status == 401:
        return FatalEndpointError(f"{where} did not accept the key (401); put it into the environment as {KEY}")
    if status == 403:
        return FatalEndpointError(f"{where} does not allow this key to ask {model} (403)")
    if status == 404:
        return FatalEndpointError(f"{where} has no model {model} at this address (404); it often ends with /v1")
    if 300 <= status < 400:
        return FatalEndpointError(f"{where} sends elsewhere ({status}); give the address it means, nothing was sent on")
    if status == 429:
        return EndpointError(f"{where} asks to slow down (429), after several pauses")
    if status >= 500:
        return EndpointError(f"{where} failed ({status}), several times")
    return EndpointError(f"{where} did not accept the question ({status})")


def _read(where: str, body: bytes, seconds: float) -> Completion:
    """Return the reply in ``body``. Read by hand: the client's own types take anything for anything."""
    try:
        answer = json.loads(body.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError):
        kind = "a stream" if body[:64].lstrip().startswith((b"data:", b"event:", b":")) else "something"
        raise EndpointError(f"{where} sent {kind} that is not JSON; is this its chat interface?") from None
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"]
    except (KeyError, IndexError, TypeError):
        raise EndpointError(f"{where} sent JSON without a reply; is this its chat interface?") from None
    if text is None or (isinstance(text, str) and not text.strip()):
        raise EndpointError(f"{where} sent an empty reply")
    if not isinstance(text, str):
        raise EndpointError(f"{where} sent a reply that is not a text")
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Completion(
        text.strip(),
        _count(usage.get("prompt_tokens")),
        _count(usage.get("completion_tokens")),
        seconds,
        cut=choice.get("finish_reason") == "length",
    )


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0
