"""A serving image holds no training stack: the service must not reach for it."""

import subprocess
import sys

LOADS = "import sys, service.app, service.cli; print([m for m in {names} if m in sys.modules])"


def test_the_service_imports_without_the_training_stack() -> None:
    names = ("torch", "transformers", "sklearn", "onnx", "pandas")
    code = LOADS.format(names=names)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_service_starts_without_scipy() -> None:
    script = "import sys, service.cli; print('scipy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_front_holds_neither_the_runtime_nor_a_store() -> None:
    names = ("onnxruntime", "sqlalchemy", "scipy", "fastapi", "torch")
    script = f"import sys, service.workers.front; print([m for m in {names} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
