"""The author of an action."""

import pytest
import typer

from worker.cli.context import author_of


def test_a_person_without_a_name_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, whose user has none."""

    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nameless)
    assert author_of("ana") == "ana"
    assert author_of(None, nobody="a job") == "a job"
    with pytest.raises(typer.BadParameter):
        author_of(None)
