"""A bundle comes in; the FastAPI and onnxruntime server that one would write in an hour goes out.

One file, no batching: FastAPI runs the endpoint in its thread pool, all threads share one session
whose calls use one thread each. What Harbor is compared with, so it takes nothing from Harbor.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from tokenizers import Tokenizer

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class Ticket(BaseModel):
    """The body of `POST /route`."""

    subject: str = ""
    body: str = ""


class Label(BaseModel):
    """The most probable one."""

    label: str
    confidence: float


class Reply(BaseModel):
    """One label a task."""

    predictions: dict[str, Label]


class Model:
    """The graph and the tokeniser of a bundle."""

    def __init__(self, bundle: Path, precision: str, provider: str) -> None:
        """Raises StopIteration where the bundle has no padded graph of that precision, ValueError
        where the provider is not to be had.
        """
        manifest = json.loads((bundle / "manifest.json").read_text())
        wanted = (precision, "padded")
        file = next(
            v["file"] for v in manifest["variants"] if (v["precision"], v["layout"]) == wanted
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        if provider == "cuda":
            onnxruntime.preload_dlls()
        self._session = onnxruntime.InferenceSession(
            str(bundle / file), options, providers=[PROVIDERS[provider]]
        )
        if PROVIDERS[provider] not in self._session.get_providers():
            raise ValueError(f"onnxruntime opened {self._session.get_providers()}, not {provider}")
        self._tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
        self._tokenizer.enable_truncation(manifest["token_limit"])
        self._tasks: list[dict[str, Any]] = manifest["tasks"]
        self._outputs = [f"{task['name']}_probabilities" for task in self._tasks]

    def route(self, ticket: Ticket) -> Reply:
        """Tokenise, run, take the most probable label of each task."""
        text = "\n".join(part for part in (ticket.subject.strip(), ticket.body.strip()) if part)
        ids = np.array([self._tokenizer.encode(text).ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        arrays = self._session.run(self._outputs, inputs)
        return Reply(
            predictions={
                task["name"]: Label(
                    label=task["labels"][int(array[0].argmax())], confidence=float(array[0].max())
                )
                for task, array in zip(self._tasks, arrays, strict=True)
            }
        )


def application(model: Model) -> FastAPI:
    """Routes, and says that it is ready."""
    app = FastAPI()

    @app.post("/route")
    def route(ticket: Ticket) -> Reply:
        return model.route(ticket)

    @app.get("/readyz")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    return app


def main() -> None:
    """Serves on loopback until it is told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--provider", choices=PROVIDERS, default="cpu")
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    app = application(Model(asked.bundle, asked.precision, asked.provider))
    uvicorn.run(app, host="127.0.0.1", port=asked.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
