"""The name of a program that a test needs comes in; its path goes out, or the test ends here."""

import os
import shutil

import pytest


def program(name: str) -> str:
    """Where it lies. Without it a test is skipped on a workplace, and fails where CI=true."""
    found = shutil.which(name)
    if found is not None:
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed")
    pytest.skip(f"{name} is not installed")
