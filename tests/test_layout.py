"""Where things stand: the root of the package holds its two commands, and no module has grown into two."""

from tiny import ROOT

PACKAGE = ROOT / "lenssr"


def test_the_root_holds_the_two_commands_and_the_errors():
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "train", "evaluate", "errors"}


def test_no_module_is_longer_than_three_hundred_lines():
    lines = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert not {path.relative_to(ROOT): count for path, count in lines.items() if count > 300}


def test_tests_stand_in_the_rooms_that_they_mirror():
    for path in (ROOT / "tests").rglob("test_*.py"):
        room = path.parent.relative_to(ROOT / "tests")
        assert (PACKAGE / room).is_dir(), path
