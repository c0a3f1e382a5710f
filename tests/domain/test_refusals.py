"""One list of codes, each with what HTTP and a shell are told of it."""

from __future__ import annotations

import pytest

from triplegain.domain.refusals import Code, Refusal, RefusedError


def test_every_code_has_a_status_of_its_kind_and_only_the_unknown_outcome_is_neither_done_nor_not() -> None:
    assert [code for code in Code if not 400 <= code.status < 600] == [Code.STANDS]
    assert [code for code in Code if code.status == 504 or code.exit_code == 9] == [Code.OUTCOME_UNKNOWN]
    assert {code.exit_code for code in Code} == {2, 8, 9, Code.STANDS.exit_code}
    assert (Code.STANDS.status, Code.STANDS.exit_code) == (202, 10)


@pytest.mark.parametrize("code", [code for code in Code if code.startswith("unknown_")])
def test_what_is_not_there_is_not_found(code: Code) -> None:
    assert code.status == 404


def test_a_stop_is_the_servers_matter_and_not_a_wrong_order() -> None:
    assert (Code.STOPPED.status, Code.HALTED.status, Code.NOT_READY.status) == (503, 503, 503)


def test_a_code_is_the_word_that_is_told() -> None:
    assert f"{Code.INVALID_EXPIRY}" == "EGeneral:Invalid arguments:expiretm"
    assert Code.of("EOrder:Unknown order") is Code.UNKNOWN_OPEN_ORDER and Code.of("no such word") is None


def test_a_refusal_travels_as_an_error_with_its_exit_code() -> None:
    error = RefusedError(Code.OUTCOME_UNKNOWN, "ask again")
    assert error.refusal == Refusal(Code.OUTCOME_UNKNOWN, "ask again")
    assert (error.exit_code, error.code) == (9, "outcome_unknown")
