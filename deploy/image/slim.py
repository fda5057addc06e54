"""Takes out of installed libraries what no running program reads: ``python slim.py DIRECTORY``.

Of shared libraries go the symbols and debugging data, which the loader does not use (some wheels
bring four times their code in them); of packages go their tests and what compilers read.
It needs no tool of the base, which has none.
"""

import shutil
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

_FOLDERS = ("test", "tests", "testing")
_SOURCES = (".c", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx")
_ELF_OF_64_BITS = b"\x7fELF\x02\x01"
_LOADED = 1  # a segment that the loader maps


def slim(directory: Path) -> None:
    """Do it in place, for all packages of a ``site-packages``."""
    for package in directory.glob("*/"):
        for name in _FOLDERS:
            shutil.rmtree(package / name, ignore_errors=True)
    for file in sorted(directory.rglob("*")):
        if file.suffix in _SOURCES:
            file.unlink()
        elif ".so" in file.suffixes and file.is_file():
            file.write_bytes(strip(file.read_bytes()))


def strip(library: bytes) -> bytes:
    """The library without what lies behind its last loaded segment.

    That holds the table of sections as well, so its header no longer names one. What is not a
    little-endian ELF file of 64 bits comes back as it was.
    """
    if not library.startswith(_ELF_OF_64_BITS):
        return library
    segments, sections = struct.unpack_from("<QQ", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    end = segments + size * count
    for number in range(count):
        kind, _, offset, _, _, length = struct.unpack_from(
            "<IIQQQQ", library, segments + size * number
        )
        if kind == _LOADED:
            end = max(end, offset + length)
    if sections < end:  # they are loaded, so they stay
        return library
    stripped = bytearray(library[:end])
    struct.pack_into("<Q", stripped, 40, 0)
    struct.pack_into("<HH", stripped, 60, 0, 0)
    return bytes(stripped)


def main(arguments: Sequence[str]) -> int:
    """Slim each directory."""
    for name in arguments:
        slim(Path(name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
