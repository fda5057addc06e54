"""Planted faults in the compiled reader: the comparison with the decoder catches each."""

import shutil
import subprocess
from datetime import timedelta
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

from tests.support.native import CRATE, needs_cargo
from tests.support.plain import (
    ACT,
    CHANGED,
    CHANGES,
    CREATED,
    ENTRY,
    HEADERS,
    LEFT,
    ORDER,
    PARTS,
    POLICIES,
    USUAL,
    WITH_MORE,
    assert_equal_or_left,
    record,
)
from worker.ingest.entry import Entry

pytestmark = needs_cargo

LATE = Entry(POLICIES, CREATED, timedelta(hours=24))
PLAIN = [*USUAL, *WITH_MORE]
NOT_PLAIN = [
    *(record(CREATED, value) for value in LEFT.values()),
    *(record(CREATED, ORDER, headers=headers) for headers in HEADERS),
    *(record(CREATED, ORDER)._replace(**parts) for parts in PARTS),
    *(record(CHANGED, ACT | more) for more in CHANGES),
]
# Each with how it enters, and whether it is plain.
RECORDS = [
    *((one, ENTRY, True) for one in PLAIN),
    *((one, LATE, one.topic == CHANGED) for one in PLAIN),
    *((one, ENTRY, False) for one in NOT_PLAIN),
]

# The file, its text, and the fault in its place.
FAULTS = {
    "the key is not compared": (
        "reader.rs",
        "if event.order_id == record.key && event.entered_at <= latest",
        "if event.entered_at <= latest",
    ),
    "an order from the future is taken": (
        "reader.rs",
        "if event.order_id == record.key && event.entered_at <= latest",
        "if event.order_id == record.key && latest > 0",
    ),
    "an act from the future is taken": ("reader.rs", "event.occurred_at <= plain.latest", "true"),
    "a late order brings no doubt": ("reader.rs", "(!late).then_some(due)", "Some(due)"),
    "the type is not read": (
        "reader.rs",
        "                    self.type_header\n",
        "                    return Ok(true)\n",
    ),
    "a schema's header is nothing": ("reader.rs", 'part == b"schema"', 'part == b"nobody"'),
    "a member twice: the first counts": (
        "events.rs",
        "        return None;\n    }\n    *place = Some(value?);",
        "        return Some(());\n    }\n    *place = Some(value?);",
    ),
    "a dispute is not read": (
        "events.rs",
        "once(&mut dispute, absent(json))",
        "once(&mut dispute, other(json, &mut more))",
    ),
    "labels are not read": (
        "events.rs",
        "once(&mut labels, absent(json))",
        "once(&mut labels, other(json, &mut more))",
    ),
    "a fault of the stock is not seen": ("events.rs", "contains(&Some(false))", "is_empty()"),
    "foreign members end in the body": ("reader.rs", "event.more && !plain.whole", "false"),
    "halves of characters are taken": (
        "json.rs",
        '        self.word(b"\\\\u")?;\n',
        "        if self.word(b\"\\\\u\").is_none() {\n            return Some('x');\n        }\n",
    ),
    "bytes that are no text are taken": ("reader.rs", "std::str::from_utf8(value).is_ok()", "true"),
    "the rest of the value is not read": (
        "json.rs",
        "        self.at == self.text.len()\n",
        "        true\n",
    ),
    "the zone is not read": ("time.rs", "ahead * (hours", "0 * ahead * (hours"),
}


def built(directory: Path, file: str, text: str, fault: str) -> Any:
    """The crate with this fault, as a module of its own."""
    crate = directory / "crate"
    shutil.copytree(CRATE, crate, ignore=shutil.ignore_patterns("target"))
    source = crate / "src" / file
    before = source.read_text()
    assert before.count(text) >= 1, f"{file} no longer says: {text}"
    source.write_text(before.replace(text, fault))
    subprocess.run(
        ["cargo", "build", "--quiet", "--offline"], cwd=crate, check=True, capture_output=True
    )
    (library,) = (crate / "target" / "debug").glob("libnative.*[oyb]")
    module = directory / "native.abi3.so"
    shutil.copy(library, module)
    spec = spec_from_loader("native", ExtensionFileLoader("native", str(module)))
    assert spec is not None
    return module_from_spec(spec)


def caught(native: Any) -> bool:
    """Whether some record is read otherwise than the decoder reads it, or than it should."""
    try:
        return any(
            assert_equal_or_left(one, entry, native) != plain for one, entry, plain in RECORDS
        )
    except (AssertionError, RuntimeError):
        return True


def test_without_a_fault_nothing_is_caught(tmp_path: Path) -> None:
    assert not caught(built(tmp_path, "lib.rs", "mod time;", "mod time;"))


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_caught(name: str, tmp_path: Path) -> None:
    assert caught(built(tmp_path, *FAULTS[name]))
