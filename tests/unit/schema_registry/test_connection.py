"""Where the registry is and who asks it: settings, certificate, and what `plazo check` finds."""

import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from tests.support.registry import SmallRegistry, basic
from tests.unit.schema_registry.bench import BODY, NOW, WANTED, MakeBench, act, framed
from worker.ingest.decoder import Decoder
from worker.operations.checks.model import Status
from worker.operations.checks.registry import registry_checks
from worker.operations.registry import registry_facts
from worker.records import Refusal
from worker.registry.client import RegistryAway, RegistryClient
from worker.settings import Settings

URL = "https://registry:8081"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"schema_registry_url": "registry:8081"}, "must be http"),
        ({"schema_registry_url": " , "}, "holds no URL"),
        ({"schema_registry_url": "https://u:secret@registry"}, "must hold no password"),
        ({"schema_registry_token": "t"}, "needs PLAZO_SCHEMA_REGISTRY_URL"),
        ({"schema_registry_url": URL, "schema_registry_username": "u"}, "go together"),
        ({"schema_registry_url": URL, "schema_registry_username": "u",
          "schema_registry_password": "p", "schema_registry_token": "t"}, "not both"),
        ({"schema_registry_url": "http://registry", "schema_registry_ca_file": __file__},
         "needs PLAZO_SCHEMA_REGISTRY_URL=https"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_are_refused(told: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as refused:
        Settings(_env_file=None, **told)
    assert "secret" not in str(refused.value)


async def test_several_urls_are_asked_in_turn(registry: SmallRegistry, make: MakeBench) -> None:
    with_one_down = f"http://127.0.0.1:9, {registry.url}/"
    assert await make(schema_registry_url=with_one_down).read(act(framed(7, BODY))) == [WANTED]


@pytest.mark.parametrize(
    ("identity", "header"),
    [
        ({"schema_registry_username": "u", "schema_registry_password": "ñ"}, basic("u", "ñ")),
        ({"schema_registry_token": "t-1"}, "Bearer t-1"),
    ],
)
async def test_the_registry_is_told_who_asks(
    registry: SmallRegistry, make: MakeBench, identity: dict[str, str], header: str
) -> None:
    registry.authorization = header
    assert await make(**identity).read(act(framed(7, BODY))) == [WANTED]
    client = RegistryClient(Settings(_env_file=None, schema_registry_url=registry.url))
    try:
        with pytest.raises(RegistryAway, match="HTTP 401: see PLAZO_SCHEMA_REGISTRY_USERNAME"):
            await client.probe()
    finally:
        await client.close()


async def test_the_check_asks_each_url(registry: SmallRegistry) -> None:
    def told(url: str | None) -> Settings:
        return Settings(_env_file=None, schema_registry_url=url)

    down = "http://127.0.0.1:9"
    assert not list(registry_checks(told(None), await registry_facts(told(None))))
    fine = told(registry.url)
    (check,) = registry_checks(fine, await registry_facts(fine))
    assert check.status == Status.OK
    half = told(f"{registry.url},{down}")
    (check,) = registry_checks(half, await registry_facts(half))
    assert check.status == Status.FAULT
    assert down in check.finding
    assert registry.url not in check.finding
    registry.authorization = "Bearer x"
    assert "HTTP 401" in str((await registry_facts(fine)).fault)


async def test_the_certificate_of_the_registry_is_checked(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    async with SmallRegistry(context) as registry:
        trusting = Settings(
            _env_file=None, schema_registry_url=registry.url, schema_registry_ca_file=file
        )
        assert (await registry_facts(trusting)).fault is None
        strict = Settings(_env_file=None, schema_registry_url=registry.url)
        assert "Certificate" in str((await registry_facts(strict)).fault)


def test_a_command_that_does_not_ask_the_registry_says_so() -> None:
    settings = Settings(_env_file=None, schema_registry_url=URL)
    decoder = Decoder.of(settings, timedelta(days=1))
    found = decoder.decode(act(framed(7, BODY))._replace(topic=settings.input_topics[1]), NOW)
    assert isinstance(found, Refusal)
    assert found.message.endswith("only workers ask the schema registry")
