"""How much longer `import spikec` and `spikec --help` take than Python itself, as whole processes."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

from pairs import line

HELP = "import sys; sys.argv = ['spikec', '--help']; from cli.main import main; main()"


def python(code: str) -> None:
    """Runs `code` in a process of its own."""
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    for name, code in {"import spikec": "import spikec", "spikec --help": HELP}.items():
        print(line(f"{name}, whole process", partial(python, code), partial(python, "pass"), (name, "python -c pass")))
