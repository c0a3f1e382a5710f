"""`session`: the sessions there are, one of them, its end, and a new start."""

from __future__ import annotations

from typing import Annotated

import typer

from triplegain.storage.database import Database

_Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
_Id = Annotated[str, typer.Argument(help="The session's id.")]
