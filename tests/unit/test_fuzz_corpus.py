"""The corpus of the fuzzer, without the fuzzer: each of its inputs is read as it was meant."""

from pathlib import Path

import pytest

from tests.fuzz.target import record_of, run

CORPUS = sorted((Path(__file__).parents[1] / "fuzz" / "corpus").iterdir())


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_no_input_of_the_corpus_raises(file: Path) -> None:
    run(file.read_bytes())


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n", b"1\n\n\nx: y\n\n{}", b"\xff" * 50])
def test_any_bytes_are_a_record(data: bytes) -> None:
    record_of(data)
    run(data)


def test_the_corpus_stays_small() -> None:
    assert 10 < len(CORPUS) < 60
    assert sum(file.stat().st_size for file in CORPUS) < 64 << 10
