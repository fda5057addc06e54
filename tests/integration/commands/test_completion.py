"""Shells complete commands."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.support.commands import Plazo


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_shells_complete_commands(new: Plazo, shell: str) -> None:
    """What `plazo --install-completion` makes a shell ask."""
    typed = {
        "bash": {"COMP_WORDS": "plazo dead-letters re", "COMP_CWORD": "2"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "plazo dead-letters re"},
        "fish": {"_TYPER_COMPLETE_ARGS": "plazo dead-letters re",
                 "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("plazo"),
        env={"PATH": "/usr/bin:/bin", "_PLAZO_COMPLETE": f"complete_{shell}", **typed},
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert b"replay" in out
    assert b"discard" not in out
