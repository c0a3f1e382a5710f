"""Adding an order type touches the places that the document lists, and the type checker names each of them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDERS = Path("src/triplegain/domain/orders.py")
_ERROR = re.compile(r"^(src/triplegain/\S+?):\d+: error:", re.MULTILINE)
_LISTED = re.compile(r"^\d+\. `(src/triplegain/\S+?)`", re.MULTILINE)

_TYPE = '''class TrailingStop(_Terms, frozen=True, tag=OrderKind.TRAILING_STOP.value):
    """A stop that follows the price."""

    offset: Decimal
    limit: ClassVar[Decimal | None] = None
    trigger: ClassVar[Decimal | None] = None
    rests: ClassVar[bool] = False
    post_only: ClassVar[bool] = False

    @property
    def price(self) -> Decimal | None:
        return None

    def worst(self, far: Decimal) -> Decimal:
        return far


'''

#: A sale whose stop would trail 500 below a bid of 100,000: nothing is to be sold while the price stands.
_SALE = """
from decimal import Decimal
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import BookUpdate, MarketDepth
from triplegain.domain.money import atoms
from triplegain.domain.orders import OrderRequest, Side, TrailingStop
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.settings import ExchangeSettings
from triplegain.ledger.wallet import Wallet

BTC = KRAKEN_OFFLINE_DEFAULTS[0]
wallet = Wallet()
wallet.deposit({"BTC": atoms(Decimal(2)), "USDT": 0}, 0)
exchange = PaperExchange("s", {BTC: MarketDepth.BOOK}, wallet, ExchangeSettings())
lots = BTC.lots(Decimal(5))
exchange.on_event(BookUpdate("BTC/USDT", 1, 1, ((1000000, lots),), ((1000010, lots),), snapshot=True))
exchange.place(OrderRequest("t", "BTC/USDT", Side.SELL, Decimal(1), TrailingStop(Decimal(500))))
try:
    exchange.run_through(10**9)
except AssertionError:
    pass
print(*(event.kind for event in exchange.drain_events()))
"""


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with an order type more in the union, and nothing else."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    source = (tree / ORDERS).read_text(encoding="utf-8")
    for old, new in (
        ('    STOP_LOSS = "stop-loss"\n', '    STOP_LOSS = "stop-loss"\n    TRAILING_STOP = "trailing-stop"\n'),
        ("OrderTerms = Market | Limit | StopLoss\n", f"{_TYPE}OrderTerms = Market | Limit | StopLoss | TrailingStop\n"),
    ):
        assert source.count(old) == 1
        source = source.replace(old, new)
    (tree / ORDERS).write_text(source, encoding="utf-8")
    return tree


@pytest.mark.slow
def test_the_type_checker_names_every_place_that_the_document_lists(patched: Path) -> None:
    done = subprocess.run(
        (sys.executable, "-m", "mypy", "src"), cwd=patched, capture_output=True, text=True, check=False, timeout=600
    )
    section = (ROOT / "docs/contributing.md").read_text(encoding="utf-8").partition("## An order type")[2]
    listed = _LISTED.findall(section.partition("\n## ")[0])
    assert sorted(set(_ERROR.findall(done.stdout))) == sorted(listed), done.stdout
    assert len(listed) <= 4


def test_an_order_type_that_nobody_handles_trades_nothing(patched: Path) -> None:
    environ = os.environ | {"PYTHONPATH": str(patched / "src")}
    command = (sys.executable, "-P", "-c", _SALE)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ, timeout=60)
    assert done.stdout.split() == ["submitted", "accepted"]
