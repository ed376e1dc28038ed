"""Type a page of the documentation into a shell, word for word.

Blocks of ``bash`` and ``console`` are run as they stand. A ``python`` block with a title is written to the file of that
name, one without is run by `python`. Each line of a ``text`` block has to be in the output.

Three commands are shell functions here, so that the pages need not be changed: `pip` is `uv pip`, which finds this
project's own wheels by ``UV_FIND_LINKS`` and everything else as pip would; `python3 -m venv` leaves pip out, which
nobody would call; `dagster dev` ends once its server has answered with all jobs and assets.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.documentation.code_blocks import Block
from tests.packaging import lent_bytecode

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")
_DEV = shlex.join([sys.executable, str(ROOT / "tests/packaging/dev_server_once.py")])


def _prelude(environment: Path) -> str:
    lend = shlex.join(map(str, (sys.executable, lent_bytecode.__file__, environment, *lent_bytecode.LENDERS)))
    return f"""set -euo pipefail
pip() {{ {shlex.quote(str(UV))} pip "$@" && {lend}; }}
python3() {{
  if [ "${{1-}} ${{2-}}" = "-m venv" ]; then
    command python3 -m venv --without-pip "${{@:3}}"
  else
    command python3 "$@"
  fi
}}
dagster() {{
  if [ "$1" = dev ]; then
    {_DEV} "$(command -v dagster)" "$@"
  else
    command dagster "$@"
  fi
}}
"""


def typed(block: Block) -> str:
    """Return what a reader types for a block: nothing for what is only shown."""
    if block.language == "python":
        way = f"cat > {shlex.quote(block.title)}" if block.title else "python -"
        return f"{way} <<'END_OF_THE_BLOCK'\n{block.text}END_OF_THE_BLOCK\n"
    if block.language not in ("bash", "console"):
        return ""
    commands = [line.removeprefix("$ ") for line in block.text.splitlines() if line.startswith("$ ")]
    return "\n".join(commands) + "\n" if commands else block.text


def shown(block: Block) -> list[str]:
    """Return the lines that have to be printed."""
    return [line for line in block.text.splitlines() if line.strip()] if block.language == "text" else []


def follow(blocks: list[Block], folder: Path, wheels: Path, before: str = "", after: str = "") -> str:
    """Type blocks into a new shell; return all that it prints.

    Args:
        blocks: What to type.
        folder: Where the shell starts; it makes its environment in `.venv`, as all pages say.
        wheels: Where this project's own wheels are.
        before: What the reader has done before, as commands.
        after: What to type afterwards.
    """
    environment = folder / ".venv"
    script = "".join((_prelude(environment), before, *(typed(block) for block in blocks), after))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SL_", "DAGSTER_", "PYTHON"))}
    kept.pop("VIRTUAL_ENV", None)
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**kept, "PATH": path, "UV_FIND_LINKS": str(wheels), "SL_DAGSTER_CACHE": str(folder / "cache")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-8000:]
    lent_bytecode.LENDERS.append(environment)
    for line in (line for block in blocks for line in shown(block)):
        assert line in done.stdout, f"{line!r} is not in the output:\n{done.stdout[-8000:]}"
    return done.stdout
