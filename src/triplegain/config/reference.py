"""The tables of docs/configuration.md, written from the models so that they cannot drift.

`python -m triplegain.config.reference` rewrites the part between the markers.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from triplegain import resources
from triplegain.config.display import config_as_dict
from triplegain.config.sections import keys, subsection
from triplegain.config.tree import Config

BEGIN = "<!-- keys: written by python -m triplegain.config.reference -->"
END = "<!-- end of keys -->"


def reference_markdown() -> str:
    """A table of key, default and meaning for each file."""
    defaults = config_as_dict(Config())
    parts = []
    for name, field in Config.model_fields.items():
        model = subsection(field)
        assert model is not None
        parts += [f"## `{name}.yaml`", "", (model.__doc__ or "").strip(), ""]
        parts += ["| key | default | meaning |", "|---|---|---|", *_rows(model, defaults[name]), ""]
    return "\n".join(parts)


def _rows(model: type[BaseModel], defaults: dict[str, object]) -> list[str]:
    rows = []
    for path, field in keys(model):
        value: object = defaults
        for step in path:
            assert isinstance(value, dict)
            value = value[step]
        extra = field.json_schema_extra
        template = extra.get("template") if isinstance(extra, dict) else None
        rows.append(f"| `{'.'.join(path)}` | `{_shown(template or value)}` | {field.description} |")
    return rows


def _shown(value: object) -> str:
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value).replace('"', "")
    return str(value)


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
