"""Lend a new environment the bytecode of others, for the files that they share.

uv links the files of packages from its cache into each environment. What stands under one name in two of them is then
often the same file, and its bytecode is the same, too; to compile it again takes longer than all else that a test does
in a new environment. Files that are not the same, such as those of this project's wheels, are left alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

LENDERS = [Path(sys.prefix)]
"""Environments to lend from: this one, and those that tests have used."""


def lend_bytecode(environment: Path, *lenders: Path) -> None:
    """Link the bytecode of packages into an environment.

    Args:
        environment: The folder of a virtual environment.
        lenders: Those of others.
    """
    for theirs in environment.glob("lib/python3*/site-packages"):
        for lender in lenders:
            _lend_tree(lender / theirs.relative_to(environment), theirs)


def _lend_tree(ours: Path, theirs: Path) -> None:
    for name, folders, _ in os.walk(ours):
        place = Path(name)
        there = theirs / place.relative_to(ours)
        if not there.is_dir():
            folders.clear()
        elif "__pycache__" in folders:
            folders.remove("__pycache__")
            _lend_folder(place, there)


def _lend_folder(ours: Path, theirs: Path) -> None:
    cache = theirs / "__pycache__"
    cache.mkdir(exist_ok=True)
    for compiled in (ours / "__pycache__").glob("*.pyc"):
        source = compiled.name.partition(".")[0] + ".py"
        new = cache / compiled.name
        if not new.exists() and _are_one(ours / source, theirs / source):
            new.hardlink_to(compiled)


def _are_one(file: Path, other: Path) -> bool:
    return file.exists() and other.exists() and file.samefile(other)


if __name__ == "__main__":
    lend_bytecode(*map(Path, sys.argv[1:]))
