"""What stops a session stops every session that runs here, where whoever reaches all of them names none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, get_type_hints

from pydantic import Field, create_model

from triplegain.api.errors import told, unexpected
from triplegain.api.requests import Nothing
from triplegain.api.visit import CurrentCaller, CurrentReception, CurrentVisits, Visit
from triplegain.api.wire import Resource
from triplegain.domain.errors import TripleGainError
from triplegain.domain.refusals import Code, RefusedError

R = TypeVar("R", bound=Resource)
#: Of an act that was refused with one of these it is not certain that nothing was done.
_PERHAPS_DONE = (Code.STANDS, Code.OUTCOME_UNKNOWN, Code.INTERNAL_ERROR)


def brake(stop: Callable[[Visit, Nothing | None], Awaitable[R]]) -> Callable[..., Awaitable[Any]]:
    """The endpoint of an act that makes safer: on all sessions at once, none waiting for another.

    It answers as one session does, the main one, with what the `others` answered. Where not all have done it that is
    refused, with `details.sessions`: nothing was done anywhere, everything stands, or it is not known (504). A session
    that failed while it ran here has not done it: its orders and positions are still there.
    """
    of_one: type[Resource] = get_type_hints(stop)["return"]
    others = Field(description="what each other session that runs here answered, by id; empty where one was named")
    answers_of = dict[str, of_one]  # type: ignore[valid-type]  # it is known at run time only
    of_all = create_model(
        f"{of_one.__name__}Everywhere", __base__=of_one, __doc__=of_one.__doc__, others=(answers_of, others)
    )

    async def everywhere(
        visits: CurrentVisits, reception: CurrentReception, caller: CurrentCaller, body: Nothing | None = None
    ) -> Any:
        answers = await asyncio.gather(*(stop(each, body) for each in visits.values()), return_exceptions=True)
        answered = reception.failed(caller) | dict(zip(visits, answers, strict=True))
        first, *rest = _done(visits, answered).items()
        return of_all.of(first[1], others=dict(rest))

    everywhere.__name__, everywhere.__doc__ = stop.__name__, stop.__doc__
    everywhere.__annotations__["return"] = of_all
    return everywhere


def _done(visits: Mapping[str, Visit], answers: Mapping[str, R | BaseException]) -> dict[str, R]:
    """What every session answered. Raises RefusedError, or what the only session raised."""
    done: dict[str, R] = {}
    refused: dict[str, TripleGainError] = {}
    for session, answer in answers.items():
        match answer:
            case TripleGainError():
                refused[session] = answer
            case Exception() if len(answers) > 1:
                # A bug in one session must not hide what became of the others.
                refused[session] = unexpected(answer, visits[session].caller.request_id)
            case BaseException():
                raise answer
            case _:
                done[session] = answer
    if refused and len(answers) == 1:
        raise next(iter(refused.values()))
    if refused:
        raise _refusal(done, refused)
    return done


def _refusal(done: Mapping[str, Resource], refused: Mapping[str, TripleGainError]) -> RefusedError:
    codes = {error.code for error in refused.values()}
    words = "; ".join(f"{session}: {error}" for session, error in refused.items())
    details = {
        "done": {session: answer.model_dump(mode="json", by_alias=True) for session, answer in done.items()},
        "sessions": {
            session: told(error.code, str(error), error.details if isinstance(error, RefusedError) else {})
            for session, error in refused.items()
        },
    }
    if codes == {Code.STANDS}:
        return RefusedError(Code.STANDS, words, details)
    if not done and codes.isdisjoint(_PERHAPS_DONE):
        first = Code.of(next(iter(refused.values())).code) or Code.REFUSED
        return RefusedError(first, words, details)
    carried_out = f"carried out in {', '.join(done)}" if done else "carried out in none for certain"
    return RefusedError(Code.OUTCOME_UNKNOWN, f"{carried_out}; {words}", details)
