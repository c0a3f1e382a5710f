"""The hodl bag in a whole session: its money, its records and its orders are in the same commits."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from tests.ledger.balanced import check_balanced

from triplegain.domain.agent_records import HodlRecord
from triplegain.domain.clock import SECOND_NS
from triplegain.domain.ledger_entry import EntryKind, LedgerAccount, account_of
from triplegain.domain.money import atoms, from_atoms
from triplegain.domain.orders import Side
from triplegain.domain.records import CloseReason, CommitBatch, PositionRecord
from triplegain.execution.hodl.settings import HodlSettings

WALLET, HODL = LedgerAccount.WALLET, LedgerAccount.HODL
BARGAIN_S = (20, 35, 36, 60)


def bargain(number: int, now_ns: int) -> PositionRecord:
    """A closed position that has earned 600 USD."""
    return PositionRecord(
        *(f"bargain-{number}", "BTC/USDT", Side.BUY, 1, Decimal(0), Decimal(1), Decimal(1)),
        *(Decimal(600), Decimal(600), Decimal(0), now_ns, now_ns),
        closed_at_ns=now_ns,
        close_reason=CloseReason.SIGNAL,
    )


def play(session: Any, feed: Any) -> list[CommitBatch]:
    """A session that earns 600 USD at certain seconds; a batch whenever one must be stored."""
    batches, due = [], [feed.span_ns[0] + second * SECOND_NS for second in BARGAIN_S]
    for event in feed.events():
        session.on_event(event)
        if due and event.exchange_time_ns >= due[0]:
            session.hodl.on_position_closed(bargain(len(due), session.now_ns), session.now_ns)
            session.post_trade.settle(session.now_ns)
            del due[0]
        if session.must_commit:
            batches.append(session.take_batch(0, 0))
    return [*batches, session.take_batch(0, 0)]


def test_every_commit_explains_both_accounts_and_the_bag_ends_with_coins(market: Any, open_session: Any) -> None:
    feed = market(seed=5, seconds=90)
    session = open_session(feed, hodl=HodlSettings())
    sums: Counter[tuple[LedgerAccount, str]] = Counter()
    records: list[HodlRecord] = []
    for batch in play(session, feed):
        check_balanced(batch.entries)
        for entry in batch.entries:
            sums[entry.account, entry.asset] += entry.amount_atoms
        # The database's rule: a wallet balance is what it was plus its entries, and the bag's are not among them.
        assert all(atoms(balance.total) == sums[WALLET, balance.asset] for balance in batch.balances)
        moved = sum(e.amount_atoms for e in batch.entries if e.kind is EntryKind.TRANSFER and e.account is HODL)
        told = sum((r.usd or Decimal(0) for r in batch.hodl if r.kind == "allocated"), Decimal(0))
        assert from_atoms(moved) == told
        records += batch.hodl
    assert [record.number for record in records] == list(range(1, len(records) + 1))
    # Four times 60 USD, less a tenth of what the trader lost in between.
    assert 200 < sum(r.usd or Decimal(0) for r in records if r.kind == "allocated") <= 240
    coins = {r.asset for r in records if r.kind == "bought"}
    assert coins == {"USDT", "XRP", "BTC"}
    holdings = session.hodl.holdings()
    for asset in ("XRP", "BTC"):
        assert atoms(holdings[asset]) == sums[HODL, asset] > 0
    pending = sum(balance.pending for balance in session.hodl.state.allocation.balances.values())
    assert atoms(holdings["USDT"] + pending) == sums[HODL, "USDT"]
    summary = session.portfolio.pnl_summary()
    assert summary.hodl == {asset: from_atoms(sums[HODL, asset]) for asset in ("BTC", "USDT", "XRP")}


def test_the_bag_changes_no_order_of_the_trader(market: Any, open_session: Any) -> None:
    def orders(**changes: Any) -> list[str]:
        feed = market(seed=5, seconds=60)
        session = open_session(feed, **changes)
        sent = []
        for event in feed.events():
            session.on_event(event)
            for found in session.take_batch(0, 0).orders:
                if account_of(found.request.origin) is WALLET:
                    sent.append(f"{found.request.client_order_id} {found.status} {found.filled_quantity}")
        return sent

    assert orders(hodl=HodlSettings()) == orders(hodl=None)
