"""What can be seen of an account on margin: its figures, and each position."""

from __future__ import annotations

from collections.abc import Iterator

from triplegain.domain.ledger_entry import LedgerAccount
from triplegain.domain.money import from_atoms
from triplegain.domain.views import LentPosition, Margin
from triplegain.exchange.margin.account import MarginAccount
from triplegain.session.trading_session import TradingSession

_USD_PLACES = 8
_PERCENT_PLACES = 4


def margin(session: TradingSession) -> Margin:
    """As of now, at the last trades."""
    account, wallet = session.exchange.margin, session.wallet
    figures, state = account.figures(), account.state
    level = None if figures is None else figures.level
    usd = {
        name: None if figures is None else round(getattr(figures, name), _USD_PLACES)
        for name in ("collateral", "unrealised", "equity", "used", "free")
    }
    owed = {asset: from_atoms(wallet.owed(asset)) for asset in wallet.assets(LedgerAccount.DEBT)}
    return Margin(
        session_id=session.settings.session_id,
        market_time_ns=session.now_ns,
        enabled=account.settings is not None,
        dated=account.terms.dated,
        state="liquidating" if state.liquidating else "called" if state.called else "quiet",
        level_percent=None if level is None else round(level * 100, _PERCENT_PLACES),
        owed={asset: amount for asset, amount in owed.items() if amount},
        gains=state.gains,
        fees=state.fees,
        positions=tuple(_positions(account)),
        **usd,
    )


def _positions(account: MarginAccount) -> Iterator[LentPosition]:
    for each in account.positions.values():
        price = account.price(each.symbol)
        yield LentPosition(
            order_id=each.order_id,
            symbol=each.symbol,
            side=each.side,
            leverage=each.leverage,
            quantity=each.quantity,
            cost=each.cost,
            price=price,
            unrealised=None if price is None else each.unrealised(price),
            realised=each.realised,
            fees=each.fees,
            rollovers=each.rollovers,
            opened_at_ns=each.opened_at_ns,
            rollover_at_ns=each.rollover_at_ns,
        )
