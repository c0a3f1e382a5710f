"""`order` against a running session."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest
from tests.api.stored_control import StoredControl
from tests.cli.conftest import Tg

from triplegain.cli.client import ApiClient, ApiUnreachableError
from triplegain.domain.orders import Limit, OrderStatus, OrderTerms
from triplegain.domain.price import Offset, Sign
from triplegain.domain.terms import Iceberg, MarketByCost, StopLossLimit, TrailingStop

PLACE = ("order", "place", "btc/usdt", "BUY", "0.1", "--limit", "1234.5", "--id", "mine")


def test_an_order_is_placed_amended_listed_and_cancelled(tg: Tg, system: StoredControl) -> None:
    placed = tg(*PLACE, "--stop", "900", "--target", "1500", "--post-only")
    assert (placed.code, placed.out) == (0, "PAPER  mine open: buy 0.1 BTC/USDT limit 1,234.5\n")
    assert system.orders["mine"].request.terms == Limit(Decimal("1234.5"), post_only=True)
    assert system.protection == (Decimal(900), Decimal(1500))
    assert "limit 1,235" in tg("order", "amend", "mine", "--price", "1235", "--post-only", "--deadline", "5s").out
    assert tg("order", "amend", "mine", "--limit-price", "-1", "--display", "0.1").code == 0
    listed = tg("order", "list")
    assert "PAPER" in listed.out and "mine" in listed.out and "c-1" not in listed.out
    assert "c-1" in tg("order", "list", "--all").out
    assert "mine cancelled" in tg("order", "cancel", "mine").out
    assert tg("order", "list").out.startswith("PAPER  no open orders")


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        (
            ("0.1", "--type", "stop-loss-limit", "--price", "900", "--limit-price", "899"),
            StopLossLimit(Decimal(900), Decimal(899)),
        ),
        (
            ("0.1", "--type", "TRAILING-STOP", "--price", "+2%"),
            TrailingStop(Offset(Sign.PLUS, Decimal(2), percent=True)),
        ),
        (("0.1", "--type", "iceberg", "--price", "900", "--display", "0.01"), Iceberg(Decimal(900), Decimal("0.01"))),
        (("0.1", "--price", "#1%"), Limit(Offset(Sign.AHEAD, Decimal(1), percent=True))),
        (("0.1", "--limit", "-5"), Limit(Offset(Sign.MINUS, Decimal(5)))),
        (("--cost", "50"), MarketByCost(Decimal(50))),
    ],
)
def test_every_type_can_be_asked_for(tg: Tg, system: StoredControl, words: tuple[str, ...], terms: OrderTerms) -> None:
    placed = tg("order", "place", "BTC/USDT", "buy", *words, "--id", "mine")
    assert placed.code == 0, placed.err
    assert system.orders["mine"].request.terms == terms
    assert placed.out.startswith("PAPER  mine open: buy ")
    assert (
        "for 50 at market" if terms.cost else terms.words if terms.price is None else terms.kind.value
    ) in placed.out


def test_the_fee_is_taken_in_coins_where_that_is_asked_for(tg: Tg, system: StoredControl) -> None:
    assert tg(*PLACE, "--fee", "BASE", "--json").json["fee_asset"] == "BTC"
    assert tg("order", "place", "BTC/USDT", "sell", "0.1", "--id", "other", "--json").json["fee_asset"] == "USDT"


def test_in_json_the_order_is_the_apis(tg: Tg, system: StoredControl) -> None:
    placed = tg(*PLACE, "--json").json
    assert (placed["mode"], placed["client_order_id"], placed["price"]) == ("paper", "mine", "1234.5")
    [listed] = tg("order", "list", "--json").json["orders"]
    assert listed["order_id"] == placed["order_id"]


def test_cancel_all_cancels_all_that_is_open(tg: Tg, system: StoredControl) -> None:
    tg(*PLACE)
    tg("order", "place", "BTC/USDT", "sell", "0.1")
    assert len(tg("order", "cancel", "--all", "--json").json["cancelled"]) == 2
    assert {order.status for order in system.orders.values()} == {OrderStatus.CANCELLED}
    again = tg("order", "cancel", "--all").out
    assert again == "PAPER  0 cancelled\n       1 kept, they protect positions or take them off: tg-stop-1\n"


def test_a_name_is_no_way_to_another_place(tg: Tg, system: StoredControl) -> None:
    """`.` led to what cancels everything."""
    for number in range(2):
        tg("order", "place", "BTC/USDT", "buy", "0.01", "--limit", "900", "--id", f"bid-{number}")
    for name in (".", "..", "x/..", "../orders", "%2e", ""):
        assert tg("order", "cancel", name).code in (2, 8), name
        assert tg("order", "amend", name, "--price", "901").code in (2, 8), name
        assert tg("position", "close", name).code in (2, 8), name
        assert len(tg("order", "list", "--json").json["orders"]) == 2, name


def test_a_refusal_is_one_line_with_the_reason_and_exit_code_8(tg: Tg, system: StoredControl) -> None:
    refused = tg("order", "place", "DOGE/USDT", "buy", "1")
    assert (refused.code, refused.out) == (8, "")
    assert refused.err == "DOGE/USDT is not traded in this session\n"
    as_json = tg("order", "place", "DOGE/USDT", "buy", "1", "--json")
    assert as_json.code == 8 and as_json.json["error_code"] == "EQuery:Unknown asset pair"
    unknown = tg("order", "cancel", "nothing")
    assert unknown.code == 8 and "nothing" in unknown.err


def test_what_makes_no_sense_is_exit_code_2_and_nothing_is_sent(tg: Tg, system: StoredControl) -> None:
    for words in (
        ("order", "place", "BTC/USDT", "buy", "0"),
        ("order", "place", "BTC/USDT", "buy", "a lot"),
        ("order", "place", "BTCUSDT", "buy", "1"),
        ("order", "place", "BTC/USDT", "hold", "1"),
        ("order", "place", "BTC/USDT", "buy", "1", "--limit", "0"),
        ("order", "place", "BTC/USDT", "buy", "1", "--limit", "2", "--stop-loss", "1"),
        ("order", "place", "BTC/USDT", "buy"),
        ("order", "place", "BTC/USDT", "buy", "1", "--cost", "50"),
        ("order", "place", "BTC/USDT", "buy", "1", "--limit", "2", "--type", "iceberg", "--display", "1"),
        ("order", "place", "BTC/USDT", "buy", "1", "--limit", "2", "--price", "2"),
        ("order", "place", "BTC/USDT", "buy", "1", "--type", "trailing-stop", "--price", "2"),
        ("order", "place", "BTC/USDT", "buy", "1", "--tif", "gtd"),
        ("order", "amend", "c-1"),
        ("order", "amend", "c-1", "--post-only", "--deadline", "5s"),
        ("order", "cancel"),
        ("order", "cancel", "c-1", "--all"),
    ):
        said = tg(*words)
        assert (said.code, said.out) == (2, "") and said.err, words
        assert system.orders == {}, words


def test_a_lost_answer_is_asked_for_again_with_the_same_id() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.content)
        if len(asked) == 1:
            raise httpx.ReadError("the line went dead")
        return httpx.Response(200, json={"status": "open"})

    with httpx.Client(base_url="http://test", transport=httpx.MockTransport(answer)) as connection:
        assert ApiClient(connection, "paper_a").place({"client_order_id": "mine"}) == {"status": "open"}
    assert asked == [b'{"client_order_id":"mine"}'] * 2


def test_an_answer_that_never_comes_names_the_id_to_ask_with() -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("")

    with httpx.Client(base_url="http://test", transport=httpx.MockTransport(silent)) as connection:
        with pytest.raises(ApiUnreachableError, match="--id mine"):
            ApiClient(connection, "paper_a").place({"client_order_id": "mine"})
        with pytest.raises(ApiUnreachableError, match="may have been carried out"):
            ApiClient(connection, "paper_a").post("/paper/flat")
