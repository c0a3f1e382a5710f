"""The tables of docs/configuration.md, written from the models so that they cannot drift.

`python -m triplegain.config.reference` rewrites the part between the markers.
"""

from __future__ import annotations

from pathlib import Path

from triplegain import resources
from triplegain.config.display import in_words, written_values
from triplegain.config.tree import FILES, KEYS, Config

BEGIN = "<!-- keys: written by python -m triplegain.config.reference -->"
END = "<!-- end of keys -->"


def reference_markdown() -> str:
    """A table of key, default and meaning for each file."""
    defaults = written_values(Config())
    parts = []
    for name, says in FILES.items():
        rows = [
            f"| `{'.'.join(path[1:])}` | `{in_words(key.template or defaults[path])}` | {key.says} |"
            for path, (key, _) in KEYS.items()
            if path[0] == name
        ]
        parts += [f"## `{name}.yaml`", "", says, "", "| key | default | meaning |", "|---|---|---|", *rows, ""]
    return "\n".join(parts)


def with_reference(document: str) -> str:
    """`document` with the tables between its markers renewed."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{reference_markdown()}\n{END}{after}"


if __name__ == "__main__":
    root = resources.checkout_dir()
    assert root is not None, "the documents are in the checkout only"
    page = Path(root, "docs", "configuration.md")
    page.write_text(with_reference(page.read_text(encoding="utf-8")), encoding="utf-8")
