"""A peer's name comes in; a virtual environment with exactly its pinned packages goes out.

The pins stand in requirements/<name>.txt. A finished environment is marked with the digest of that
file and used again until the file changes; an unfinished one is made anew.
"""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
HOME = Path("runs/peers")
FINISHED = ".finished"


@dataclass(frozen=True)
class Environment:
    """home: directory of all peers' environments."""

    name: str
    home: Path = HOME

    @property
    def directory(self) -> Path:
        """Of the virtual environment."""
        return self.home / self.name / "venv"

    @property
    def python(self) -> Path:
        """Its interpreter; not resolved, since a link would lead out of it."""
        return self.directory.absolute() / "bin" / "python"

    @property
    def requirements(self) -> Path:
        """What is installed."""
        return REQUIREMENTS / f"{self.name}.txt"

    @property
    def finished(self) -> bool:
        """Whether it holds what the requirements say."""
        mark = self.directory / FINISHED
        return mark.is_file() and mark.read_text() == self.digest()

    def commands(self) -> list[list[str]]:
        """What has to be run to have it; nothing where it is finished."""
        if self.finished:
            return []
        install = ["-m", "pip", "install", "--prefer-binary", "-r", str(self.requirements)]
        return [
            [sys.executable, "-m", "venv", "--clear", str(self.directory)],
            [str(self.python), *install],
        ]

    def make(self) -> None:
        """Runs the commands; pip's output goes to install.log. Raises CalledProcessError."""
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        commands = self.commands()
        with (self.directory.parent / "install.log").open("ab") as log:
            for command in commands:
                subprocess.run(command, check=True, stdout=log, stderr=log)
        if commands:
            (self.directory / FINISHED).write_text(self.digest())

    def digest(self) -> str:
        """Of the requirements."""
        return hashlib.sha256(self.requirements.read_bytes()).hexdigest()
