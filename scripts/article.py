"""Typeset the article, every number of it read from the committed results: ``python scripts/article.py``."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "book"))

from committed import REPORT, ROOT, Missing, resolve, tables

from lenssr.errors import ConfigError
from lenssr.system.commands import command
from lenssr.system.files import whole_file

SOURCE = ROOT / "docs" / "article" / "lenssr.typ"
PDF = ROOT / "outputs" / "article" / "lenssr.pdf"
_TABLE = re.compile(r'"((?:quick|overnight)/\w+)"')
_OTHER = re.compile(r'#n\("([^"]+)"\)')


def inputs(text: str) -> dict[str, str]:
    """Return what the source is given: the tables that it names, and the other numbers.

    Args:
        text: of the source.

    Raises:
        ConfigError: a file or a key is not there.
    """
    try:
        named = {name: tables(REPORT / f"{name}.md") for name in dict.fromkeys(_TABLE.findall(text))}
        others = {key: resolve(key) for key in dict.fromkeys(_OTHER.findall(text))}
    except Missing as error:
        raise ConfigError(f"The article needs a number that is not committed. {error.args[0]}") from error
    return {"tables": json.dumps(named), "others": json.dumps(others)}


def typeset(source: Path, pdf: Path) -> None:
    """Write the PDF, whole or not at all.

    Args:
        source: Typst, under the root of the repository.
        pdf: where to.

    Raises:
        ConfigError: a number is missing, or the source is no Typst.
    """
    try:
        import typst
    except ImportError as error:
        raise ConfigError("The typesetter is missing: pip install 'lenssr[docs]'.") from error
    given = inputs(source.read_text())
    try:
        made, warnings = typst.compile_with_warnings(
            str(source), root=str(ROOT), sys_inputs=given, ignore_system_fonts=True
        )
    except typst.TypstError as error:
        raise ConfigError(f"{source.name} cannot be typeset: {error.message}") from error
    if warnings:
        raise ConfigError(f"{source.name}: {warnings[0].message}")
    pdf.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(pdf) as temporary:
        temporary.write_bytes(made)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=PDF, help="the PDF [outputs/article/lenssr.pdf]")
    arguments = parser.parse_args()

    def work() -> None:
        typeset(SOURCE, arguments.to)
        print(arguments.to)

    command(work)


if __name__ == "__main__":
    main()
