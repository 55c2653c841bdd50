"""A remote system to ask: a mode comes in, a real HTTP server on a loopback port goes out.

It answers `POST /v2/models/MODEL[/versions/VERSION]/infer` (Open Inference Protocol) and
`POST /classify` (plain JSON). In a process of its own:
`python -m tests.service.shadow.remote_systems --port 9000 --mode healthy`.
"""

import argparse
import asyncio
import hashlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Literal, get_args

import uvicorn

Mode = Literal["healthy", "slow", "hung", "crashing", "wrong-shaped"]
LABELS = {
    "category": ("billing", "technical", "account"),
    "urgency": ("P0", "P1", "P2", "P3"),
    "queue": ("payments", "platform"),
}
"""Those of `tests.tiny_bundle.DEFAULT_TASKS`."""
SLOWER = 100
_CONFIDENCE = 0.75
_WRONG = (
    b"<html>Welcome</html>",
    b'{"outputs": {"category": 7}, "result": []}',
    b'{"outputs": [{"name": "category_label", "data": [NaN]}], "result": {"category": NaN}}',
    b'{"outputs": [{"name": "category_label", "data": ["billing", "billing"]}], "result": 1}',
    b"[" * 100_000,
    b" " * (2 * 1024 * 1024),
    b"",
)


class RemoteSystem:
    """The application. Its mode may change while it runs; `seen` holds the requests' JSON.

    healthy: answers after delay_s seconds. slow: after a hundred times that. hung: never. crashing:
    500 and a reply that is cut off, in turn. wrong-shaped: one wrong reply after another.
    """

    def __init__(
        self,
        mode: Mode = "healthy",
        labels: Mapping[str, Sequence[str]] = LABELS,
        delay_s: float = 0.0,
    ) -> None:
        self.mode: Mode = mode
        self.labels = labels
        self.delay_s = delay_s
        self.seen: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.queries: list[str] = []
        self._turn = count()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request (ASGI)."""
        body = await _body(receive)
        if scope["method"] == "GET":  # Somebody waits for it to be ready.
            await _reply(send, 200, b"{}")
            return
        self._remember(scope, body)
        if self.mode == "hung":
            await receive()  # Returns once the caller has left.
            return
        await asyncio.sleep(self.delay_s * (SLOWER if self.mode == "slow" else 1))
        if self.mode == "crashing":
            await self._crash(send)
        elif self.mode == "wrong-shaped":
            await _reply(send, 200, _WRONG[next(self._turn) % len(_WRONG)])
        else:
            await _reply(send, 200, json.dumps(self.answer(scope["path"], body)).encode())

    def answer(self, path: str, body: bytes) -> Any:
        """What a healthy one says."""
        asked = json.loads(body)
        if path.startswith("/v2/"):
            return self._tensors(asked["inputs"][0]["data"][0])
        chosen = {task: self.label(task, asked["text"]) for task in self.labels}
        return {
            "result": {task: {"cat": label, "score": _CONFIDENCE} for task, label in chosen.items()}
        }

    def label(self, task: str, text: str) -> str:
        """A label that depends on the text alone."""
        digest = hashlib.sha256(f"{task} {text}".encode()).digest()
        labels = self.labels[task]
        return labels[digest[0] % len(labels)]

    def _tensors(self, text: str) -> Any:
        outputs: list[Any] = []
        for task, labels in self.labels.items():
            label = self.label(task, text)
            rest = (1 - _CONFIDENCE) / (len(labels) - 1)
            shares = [_CONFIDENCE if one == label else rest for one in labels]
            outputs += [
                _tensor(f"{task}_label", "BYTES", [label]),
                _tensor(f"{task}_confidence", "FP32", [_CONFIDENCE]),
                _tensor(f"{task}_probabilities", "FP32", shares),
            ]
        return {"model_name": "router", "model_version": "1", "outputs": outputs}

    def _remember(self, scope: Any, body: bytes) -> None:
        if len(self.seen) >= 1000:  # A benchmark asks for hours.
            return
        self.paths.append(scope["path"])
        self.queries.append(scope["query_string"].decode())
        self.headers.append({name.decode(): value.decode() for name, value in scope["headers"]})
        self.seen.append(json.loads(body) if body else None)

    async def _crash(self, send: Any) -> None:
        if next(self._turn) % 2:
            await _reply(send, 500, b'{"error": "crashed"}')
        else:
            # The server closes the connection, because the body is shorter than it promised.
            await _start(send, 200, 1000)
            await send({"type": "http.response.body", "body": b'{"result": ', "more_body": True})


@contextmanager
def running(system: RemoteSystem, **tls: Any) -> Iterator[str]:
    """Serves it on a free loopback port, in a thread; its URL.

    tls: uvicorn's `ssl_certfile` and `ssl_keyfile`.
    """
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        server = uvicorn.Server(_config(system, tls))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def v2_config(url: str, *tasks: str) -> dict[str, Any]:
    """The `v2` section of a legacy that asks it, for these tasks or all."""
    names = tasks or tuple(LABELS)
    outputs = {
        task: {"label": f"{task}_label", "confidence": f"{task}_confidence"} for task in names
    }
    return {"url": url, "model": "router", "outputs": outputs}


def json_config(url: str, *tasks: str) -> dict[str, Any]:
    """The `json` section of a legacy that asks it, for these tasks or all."""
    names = tasks or tuple(LABELS)
    outputs = {
        task: {"label": f"$.result.{task}.cat", "confidence": f"$.result.{task}.score"}
        for task in names
    }
    return {
        "url": f"{url}/classify",
        "body": {"text": "{text}", "id": "{ticket_id}"},
        "outputs": outputs,
    }


def _config(system: RemoteSystem, tls: Mapping[str, Any]) -> uvicorn.Config:
    return uvicorn.Config(
        system,
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=1,
        **tls,
    )


def _tensor(name: str, datatype: str, data: list[Any]) -> Any:
    return {"name": name, "datatype": datatype, "shape": [len(data)], "data": data}


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _start(send: Any, status: int, length: int) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _reply(send: Any, status: int, body: bytes) -> None:
    await _start(send, status, len(body))
    await send({"type": "http.response.body", "body": body})


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves until it is told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mode", choices=get_args(Mode), default="healthy")
    parser.add_argument("--delay-ms", type=float, default=5.0, help="of a healthy reply")
    parser.add_argument(
        "--labels", type=json.loads, default=LABELS, help='JSON: {"category": ["billing", ...]}'
    )
    given = parser.parse_args(arguments)
    system = RemoteSystem(given.mode, given.labels, given.delay_ms / 1000)
    uvicorn.run(
        system,
        host="127.0.0.1",
        port=given.port,
        lifespan="off",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
