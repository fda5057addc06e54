"""Today's contract against those of every release: nobody who relied on one is let down.

What we emit has to be readable by the schemas of any release, and what a release emitted by
today's. What a release accepted must be accepted still, and mean the same.
"""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, validators

import schemas
from schemas import generate
from tests.contract.accepted import meaning
from tests.contract.samples import FOLDER, samples

HERE = Path(schemas.__file__).parent
RELEASES = sorted((HERE / "released").iterdir())
EMITTED = sorted(samples())
ACCEPTED = [path for release in RELEASES for path in sorted((release / "accepted").iterdir())]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def validator(folder: Path, name: str) -> Draft202012Validator:
    return Draft202012Validator(read(folder / "json" / f"{name}.json"))


def test_there_is_a_release_to_hold_on_to() -> None:
    assert RELEASES
    assert ACCEPTED


@pytest.mark.parametrize("name", EMITTED)
def test_samples_are_what_the_worker_emits(name: str) -> None:
    assert read(FOLDER / f"{name}.json") == samples()[name]
    assert set(EMITTED) == {name for name, _, m in generate.EVENTS if "decisions" in m.__module__}


@pytest.mark.parametrize(("release", "name"), list(product(RELEASES, EMITTED)))
def test_a_reader_of_a_release_reads_what_is_emitted_today(release: Path, name: str) -> None:
    if (release / "json" / f"{name}.json").exists():
        validator(release, name).validate(samples()[name])


@pytest.mark.parametrize(("release", "name"), list(product(RELEASES, EMITTED)))
def test_todays_reader_reads_what_a_release_emitted(release: Path, name: str) -> None:
    if (old := release / "samples" / f"{name}.json").exists():
        validator(HERE, name).validate(read(old))


@pytest.mark.parametrize(("release", "name"), list(product(RELEASES, EMITTED)))
def test_no_field_is_taken_away_or_becomes_another(release: Path, name: str) -> None:
    if (release / "json" / f"{name}.json").exists():
        old, new = (read(folder / "json" / f"{name}.json") for folder in (release, HERE))
        assert list(missing(old, new, old, new, name)) == []


def missing(old: Any, new: Any, olds: Any, news: Any, where: str) -> Any:
    """What a reader of ``old`` relies on and ``new`` does not promise."""
    old, new = resolved(old, olds), resolved(new, news)
    if old.get("type") != new.get("type"):
        yield f"{where}: was {old.get('type')}, is {new.get('type')}"
    if gone := set(old.get("required", ())) - set(new.get("required", ())):
        yield f"{where}: no longer always there: {sorted(gone)}"
    for name, part in old.get("properties", {}).items():
        if name not in new.get("properties", {}):
            yield f"{where}.{name}: gone"
        else:
            yield from missing(part, new["properties"][name], olds, news, f"{where}.{name}")
    if "items" in old:
        yield from missing(old["items"], new.get("items", {}), olds, news, f"{where}[]")


def resolved(part: Any, document: Any) -> Any:
    reference = part.get("$ref", "").removeprefix("#/$defs/")
    found = document["$defs"][reference] if reference else part
    # Several lists of values of one type are that type.
    types = {one.get("type") for one in found.get("anyOf", ())}
    return {**found, "type": types.pop()} if len(types) == 1 else found


@pytest.mark.parametrize(
    "harm",
    [
        lambda schema: schema["properties"].pop("due"),
        lambda schema: schema["required"].remove("due"),
        lambda schema: schema["properties"]["due"].update(type="integer"),
        lambda schema: schema["$defs"]["EvidenceAct"]["properties"].pop("offset"),
    ],
)
def test_a_field_that_goes_is_noticed(harm: Any) -> None:
    old = read(HERE / "json" / "auto-cancel.json")
    new = json.loads(json.dumps(old))
    harm(new)
    assert list(missing(old, new, old, new, "auto-cancel"))


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_what_a_release_accepted_means_the_same(path: Path) -> None:
    example = read(path)
    assert keeps(meaning(example), example["means"])


def keeps(found: Any, means: Any) -> bool:
    """Whether everything in ``means`` is found; a later release may keep more of a record."""
    if isinstance(means, dict):
        return isinstance(found, dict) and all(keeps(found.get(n), v) for n, v in means.items())
    if isinstance(means, list):
        return (
            isinstance(found, list) and len(found) == len(means) and all(map(keeps, found, means))
        )
    return bool(found == means)


# The document.


def asyncapi_faults(document: Any) -> list[Any]:
    official = read(Path(__file__).parent / "asyncapi-3.1.0.json")
    return list(validators.validator_for(official)(official).iter_errors(document))


def test_the_asyncapi_document_passes_its_official_schema() -> None:
    document = read(HERE / "asyncapi.json")
    assert asyncapi_faults(document) == []
    document["operations"]["publishDecision"]["action"] = "sing"
    assert asyncapi_faults(document)


def test_the_asyncapi_document_covers_every_type_header_and_key() -> None:
    document = read(HERE / "asyncapi.json")
    messages = document["components"]["messages"]
    for name, ce_type, model in generate.EVENTS:
        kinds = [(name, ce_type)]
        if "decisions" in model.__module__:
            kinds.append((f"would-{name}", ce_type.replace(".order.", ".order.would-")))
        for key, kind in kinds:
            message = messages[key]
            assert message["headers"]["properties"]["ce_type"]["const"] == kind
            assert message["bindings"]["kafka"]["key"]["maxLength"] == 200
            assert any(key in channel["messages"] for channel in document["channels"].values())
            assert any(
                {"$ref": f"#/channels/{channel}/messages/{key}"} in operation["messages"]
                for operation in document["operations"].values()
                for channel in document["channels"]
            )
