"""What the API shows. Every object says in which trading mode it was made."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from triplegain.api.control import SessionView


class Resource(BaseModel):
    model_config = ConfigDict(frozen=True)

    mode: str = "paper"


class Acknowledged(Resource):
    """A command that takes no time was carried out and stored."""

    session: str
    paused: bool
    halted: str


class Closing(Resource):
    """The way out of these positions has begun and is stored; each position tells when it is over."""

    positions: list[str]


class NewSession(Resource):
    session: str
    previous: str


class Health(Resource):
    status: str


def acknowledged(view: SessionView) -> Acknowledged:
    return Acknowledged(mode=view.mode, session=view.session_id, paused=view.paused, halted=view.halted)
