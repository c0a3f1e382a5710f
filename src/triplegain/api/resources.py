"""Answers to commands, and the health of the session."""

from __future__ import annotations

from triplegain.api.control import SessionView
from triplegain.api.wire import Resource


class Acknowledged(Resource):
    """A command that takes no time was carried out and stored."""

    session: str
    paused: bool
    halted: str


class Closing(Resource):
    """The way out of these positions has begun and is stored; each position tells when it is over."""

    positions: list[str]


class Emergency(Acknowledged, Closing):
    """Nothing new is opened, and the way out of these positions has begun; both are stored."""


class NewSession(Resource):
    session: str
    previous: str


class Health(Resource):
    status: str


def acknowledged(view: SessionView) -> Acknowledged:
    return Acknowledged(mode=view.mode, session=view.session_id, paused=view.paused, halted=view.halted)
