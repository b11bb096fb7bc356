"""Every command of ours explains itself, and says by its exit code that it was called wrongly."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, get_commands, load_command_class

OURS = sorted(
    (name, str(app))
    for name, app in get_commands().items()
    if str(app).split(".")[0] in ("smartspec", "credits", "billing", "media")
)


@pytest.mark.parametrize(("name", "app"), OURS)
class TestEveryCommand:
    def test_says_what_it_is_for_and_what_each_option_does(self, name: str, app: str) -> None:
        parser = load_command_class(app, name).create_parser("manage.py", name)
        assert parser.description
        assert len(parser.description) > 30
        from_django = {
            action.dest for action in load_command_class("django.core", "check").create_parser("", "")._actions
        }
        ours = [action for action in parser._actions if action.dest not in from_django or action.dest == "help"]
        choices = [action for action in ours if action.choices and not action.option_strings]
        for action in ours:
            assert action.help or action in choices, action.dest

    def test_refuses_an_option_that_it_does_not_have(self, name: str, app: str) -> None:
        parser = load_command_class(app, name).create_parser("manage.py", name)
        parser.called_from_command_line = True
        with pytest.raises((SystemExit, CommandError)) as refusal:
            parser.parse_args(["--no-such-option"])
        assert getattr(refusal.value, "code", 2) != 0


def test_the_list_is_of_all_commands() -> None:
    files = {
        path.stem
        for app in ("smartspec", "credits", "billing", "media")
        for path in (Path(settings.BASE_DIR) / app).rglob("management/commands/*.py")
        if not path.stem.startswith("_")
    }
    assert files == {name for name, _ in OURS}
