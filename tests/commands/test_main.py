"""One name for all commands, at once and in few lines."""

import importlib

from lenssr.commands.main import COMMANDS


def test_help_is_short_and_names_thirteen_commands(typed):
    code, out, err = typed("--help")
    assert (code, err) == (0, "") and len(COMMANDS) == 13 and len(out.splitlines()) < 20
    assert all(f"lenssr {name} " in out for name in COMMANDS)


def test_every_command_is_there():
    for module, function, _ in COMMANDS.values():
        assert callable(getattr(importlib.import_module(module), function))


def test_slips_are_answered(typed):
    assert typed("rnus") == (2, "", "error: There is no command 'rnus'. Did you mean 'runs'?\n")
    assert typed("model=rdn") == (2, "", "error: 'model=rdn' is a setting: lenssr train model=rdn\n")
    code, out, _ = typed("--version")
    assert code == 0 and out.startswith("lenssr ")
