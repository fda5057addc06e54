"""Inflates the compressed batches of Kafka, each against a limit.

A batch of 400 KB may inflate to 400 MiB or more. The limit bounds what comes out, not what a frame
declares, because a publisher can declare anything.
"""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from types import ModuleType

import cramjam
from aiokafka import codec
from typing_extensions import Buffer

_GZIP_ONLY = 31  # zlib: the largest window, and a header of gzip
# A buffer of this many times the compressed bytes is tried first: most batches fit it.
_USUAL_RATIO = 20
_LEAST_BUFFER = 4_096
_XERIAL_HEADER = 16
_XERIAL_LENGTH = struct.Struct(">i")

Inflate = Callable[[bytes, int], bytes]


class OverLimit(Exception):
    """A batch inflates to more than the limit. ``beginning`` are its bytes up to there, if any."""

    def __init__(self, beginning: bytes | bytearray) -> None:
        super().__init__("the batch inflates to more than the limit")
        self.beginning = beginning


def inflate_gzip(data: Buffer, limit: int) -> bytes:
    """Inflate gzip.

    Raises:
        OverLimit
    """
    stream = zlib.decompressobj(wbits=_GZIP_ONLY)
    inflated = stream.decompress(data, limit + 1)
    if len(inflated) <= limit and (stream.unused_data or not stream.eof):
        # Several members, or an early end.
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as members:
            inflated = members.read(limit + 1)
    if len(inflated) > limit:
        raise OverLimit(inflated)
    return inflated


def inflate_snappy(data: bytes, limit: int) -> bytes:
    """Inflate snappy, raw or in the blocks of the Java client.

    A block allocates what it declares, so the declared sizes are summed first.

    Raises:
        OverLimit
    """
    if not codec._detect_xerial_stream(data):
        if cramjam.snappy.decompress_raw_len(data) > limit:
            raise OverLimit(b"")
        return bytes(cramjam.snappy.decompress_raw(data))
    inflated = bytearray()
    at = _XERIAL_HEADER
    while at < len(data):
        (length,) = _XERIAL_LENGTH.unpack_from(data, at)
        at += _XERIAL_LENGTH.size
        block = data[at : at + length]
        if len(inflated) + cramjam.snappy.decompress_raw_len(block) > limit:
            raise OverLimit(inflated)
        inflated += memoryview(cramjam.snappy.decompress_raw(block))
        at += length
    return bytes(inflated)


def inflate_lz4(data: bytes, limit: int) -> bytes:
    """Inflate frames of LZ4.

    Raises:
        OverLimit
    """
    return _inflate_frames(cramjam.lz4, data, limit)


def inflate_zstd(data: bytes, limit: int) -> bytes:
    """Inflate frames of Zstandard.

    Raises:
        OverLimit
    """
    return _inflate_frames(cramjam.zstd, data, limit)


def _inflate_frames(frames: ModuleType, data: bytes, limit: int) -> bytes:
    usual = max(_LEAST_BUFFER, _USUAL_RATIO * len(data))
    for size in (usual, limit) if usual < limit else (limit,):
        buffer = bytearray(size)
        try:
            length = frames.decompress_into(data, buffer)
        except cramjam.DecompressionError as error:
            # The library has no other sign of a full buffer.
            if "whole buffer" not in str(error):
                raise
        else:
            return bytes(memoryview(buffer)[:length])
    raise OverLimit(buffer)
