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
TERMS = Path("src/triplegain/domain/terms.py")
ORDER = Path("src/triplegain/exchange/order.py")
_ERROR = re.compile(r"^(src/triplegain/\S+?):\d+: error:", re.MULTILINE)

#: (before, after): a type that says what it is and that nothing else knows of.
_TYPE = (
    ('    STOP_LOSS = "stop-loss"\n', '    STOP_LOSS = "stop-loss"\n    IF_TOUCHED = "market-if-touched"\n'),
    (
        "OrderTerms = (\n    Market\n",
        "class IfTouched(_Triggered, frozen=True, tag=OrderKind.IF_TOUCHED.value):\n"
        '    """Sells higher, buys lower."""\n\n'
        "    favourable: ClassVar[bool] = True\n\n\nOrderTerms = (\n    IfTouched\n    | Market\n",
    ),
)
_ROLE = (('    TRIGGER = "trigger"\n', '    TRIGGER = "trigger"\n    AUCTION = "auction"\n'),)

#: 1 BTC to be sold at market once it trades at 100,500, in a market that stands at 100,000 and then trades there.
_SALE = """
from decimal import Decimal
from triplegain.domain.instrument import KRAKEN_OFFLINE_DEFAULTS
from triplegain.domain.market import BookUpdate, MarketDepth, PublicTrade
from triplegain.domain.money import atoms
from triplegain.domain.orders import OrderRequest, Side
from triplegain.domain.parts import Parts
from triplegain.domain.terms import IfTouched
from triplegain.exchange.paper_exchange import PaperExchange
from triplegain.exchange.public_market import public_markets
from triplegain.exchange.settings import ExchangeSettings
from triplegain.ledger.wallet import Wallet

BTC = KRAKEN_OFFLINE_DEFAULTS[0]

def opened():
    parts, wallet = Parts(), Wallet()
    exchange = PaperExchange("s", public_markets({BTC: MarketDepth.BOOK}), wallet, ExchangeSettings())
    wallet.register(parts)
    exchange.register(parts)
    lots = BTC.lots(Decimal(5))
    exchange.on_event(BookUpdate("BTC/USDT", 1, 1, ((1000000, lots),), ((1000010, lots),), snapshot=True))
    return exchange, parts, wallet

exchange, parts, wallet = opened()
wallet.deposit({"BTC": atoms(Decimal(2)), "USDT": 0}, 0)
exchange.place(OrderRequest("t", "BTC/USDT", Side.SELL, Decimal(1), IfTouched(Decimal(100500))))
exchange.run_through(10**9)
told = exchange.drain_events()
rows = parts.whole()
exchange, parts, wallet = opened()
parts.restore(rows)
exchange.on_event(PublicTrade("BTC/USDT", 2 * 10**9, 2 * 10**9, 1005000, 1, Side.BUY))
print(*(event.kind for event in (*told, *exchange.drain_events())))
"""


def copied(folder: Path, file: Path, changes: tuple[tuple[str, str], ...]) -> Path:
    """A copy of the tree with something more in one file, and nothing else."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    source = (folder / file).read_text(encoding="utf-8")
    for old, new in changes:
        assert source.count(old) == 1
        source = source.replace(old, new)
    (folder / file).write_text(source, encoding="utf-8")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "changes", "mark"), [(TERMS, _TYPE, r"\d+\."), (ORDER, _ROLE, "-")], ids=["type", "role"]
)
def test_the_type_checker_names_every_place_that_the_document_lists(
    tmp_path: Path, file: Path, changes: tuple[tuple[str, str], ...], mark: str
) -> None:
    tree = copied(tmp_path / "tree", file, changes)
    done = subprocess.run(
        (sys.executable, "-m", "mypy", "src"), cwd=tree, capture_output=True, text=True, check=False, timeout=600
    )
    section = (ROOT / "docs/contributing.md").read_text(encoding="utf-8").partition("## An order type")[2]
    listed = re.findall(rf"^{mark} `(src/triplegain/\S+?)`", section.partition("\n## ")[0], re.MULTILINE)
    assert sorted(set(_ERROR.findall(done.stdout))) == sorted(listed), done.stdout
    assert 0 < len(listed) <= 4


def test_an_order_type_trades_by_what_it_says_of_itself(tmp_path: Path) -> None:
    tree = copied(tmp_path / "tree", TERMS, _TYPE)
    environ = os.environ | {"PYTHONPATH": str(tree / "src")}
    command = (sys.executable, "-P", "-c", _SALE)
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ, timeout=60)
    assert done.stdout.split() == ["submitted", "accepted", "triggered", "filled"]
