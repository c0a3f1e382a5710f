-- Prices that outlive a feed: finished candles and the public tape. The `historical` price source reads them.

CREATE TABLE candles (
    symbol       text NOT NULL,
    length_ns    bigint NOT NULL CHECK (length_ns > 0),
    open_time_ns time_ns NOT NULL,
    open         amount NOT NULL CHECK (open > 0),
    high         amount NOT NULL,
    low          amount NOT NULL CHECK (low > 0),
    close        amount NOT NULL CHECK (close > 0),
    volume       amount NOT NULL CHECK (volume >= 0),
    trades       bigint NOT NULL CHECK (trades >= 0),
    source       text NOT NULL,
    PRIMARY KEY (symbol, length_ns, open_time_ns),
    CHECK (open_time_ns % length_ns = 0),
    CHECK (high >= greatest(open, close) AND low <= least(open, close))
);
COMMENT ON TABLE candles IS 'Closed candles only. Prices in quote per base, volume in base. Stored again: replaced, never added.';

CREATE TABLE market_trades (
    symbol           text NOT NULL,
    exchange_time_ns time_ns NOT NULL,
    trade_id         text NOT NULL,
    price            amount NOT NULL CHECK (price > 0),
    quantity         amount NOT NULL CHECK (quantity > 0),
    side             text NOT NULL CHECK (side IN ('buy', 'sell')),
    source           text NOT NULL,
    PRIMARY KEY (symbol, exchange_time_ns, trade_id)
);
COMMENT ON TABLE market_trades IS 'The public tape under the exchange''s own trade id; side is the taker''s.';
