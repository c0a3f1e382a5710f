"""Answers to commands, and the health of the session."""

from __future__ import annotations

from triplegain.api.control import Moment
from triplegain.api.wire import Resource


class Acknowledged(Resource):
    """A command that takes no time was carried out and stored."""

    session: str
    paused: bool
    halted: str


class Closing(Resource):
    """The way out of `positions` has begun and is stored; `left` are all that are not closed yet, those begun before
    among them. Each position tells when it is over."""

    positions: list[str]
    left: list[str]


class EmergencyBegun(Acknowledged, Closing):
    """Nothing new is opened, and the way out of these positions has begun; both are stored."""


class Cancelled(Resource):
    """Client order ids: `cancelled` now, and `kept`, which protect positions or take them off."""

    session: str
    cancelled: list[str]
    kept: list[str]


class NewSession(Resource):
    session: str
    previous: str


class Health(Resource):
    status: str


def acknowledged(now: Moment) -> Acknowledged:
    return Acknowledged(mode=now.mode, session=now.session_id, paused=now.paused, halted=now.halted)
