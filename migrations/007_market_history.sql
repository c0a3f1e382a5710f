-- Stored markets: candles of a minute as the base, longer ones made of them, the tape, and what of it is known to be
-- whole.
-- Times of this file are plain bigint: a hypertable cannot be cut along a domain.

CREATE FUNCTION candle_open(time_ns bigint, length_ns bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN time_ns - (time_ns + CASE length_ns WHEN 604800000000000 THEN 259200000000000 ELSE 0 END) % length_ns;
COMMENT ON FUNCTION candle_open IS 'When the candle that holds a moment began. A week begins on Monday, 00:00 UTC.';

-- One instrument of one venue as its history was written; the finest steps ever seen, so that every price is whole.
CREATE TABLE market_instruments (
    venue        text NOT NULL,
    symbol       text NOT NULL,
    tick         amount NOT NULL CHECK (tick > 0),
    lot          amount NOT NULL CHECK (lot > 0),
    quantity_min amount NOT NULL,
    cost_min     amount NOT NULL,
    fee_decimals integer NOT NULL,
    PRIMARY KEY (venue, symbol)
);

-- What is known to be whole: in [from_ns, to_ns) every trade, or every candle of this length that had a trade, is
-- stored. A minute inside that is not there was quiet; a minute outside has not been loaded.
CREATE TABLE market_coverage (
    venue     text NOT NULL,
    symbol    text NOT NULL,
    length_ns bigint NOT NULL CHECK (length_ns >= 0),
    from_ns   bigint NOT NULL CHECK (from_ns >= 0),
    to_ns     bigint NOT NULL,
    source    text NOT NULL,
    numbered  boolean NOT NULL,
    PRIMARY KEY (venue, symbol, length_ns, from_ns),
    CHECK (from_ns < to_ns)
);
COMMENT ON COLUMN market_coverage.length_ns IS '0: the tape; else the length of the candles.';
COMMENT ON COLUMN market_coverage.numbered IS
    'False: trades without the exchange''s own number, which only agree or disagree as a whole minute.';

ALTER TABLE candles
    ADD COLUMN venue text NOT NULL DEFAULT 'kraken',
    ADD COLUMN notional amount CHECK (notional >= 0);
ALTER TABLE candles
    ALTER COLUMN venue DROP DEFAULT,
    ALTER COLUMN trades DROP NOT NULL,
    ALTER COLUMN open_time_ns TYPE bigint,
    DROP CONSTRAINT candles_pkey,
    ADD PRIMARY KEY (venue, symbol, length_ns, open_time_ns),
    ADD CHECK (open_time_ns >= 0);
COMMENT ON COLUMN candles.notional IS
    'Price times quantity over all its trades, in quote; divided by volume the weighted price. NULL: not known.';
COMMENT ON COLUMN candles.trades IS 'NULL: not known.';

ALTER TABLE market_trades ADD COLUMN venue text NOT NULL DEFAULT 'kraken';
ALTER TABLE market_trades ALTER COLUMN venue DROP DEFAULT;
UPDATE market_trades SET trade_id = exchange_time_ns || '-000000' WHERE trade_id = '';
DELETE FROM market_trades t USING market_trades earlier
WHERE t.symbol = earlier.symbol AND t.trade_id = earlier.trade_id AND t.exchange_time_ns > earlier.exchange_time_ns;
ALTER TABLE market_trades
    DROP CONSTRAINT market_trades_pkey,
    ADD PRIMARY KEY (venue, symbol, trade_id),
    ADD COLUMN trade_number bigint GENERATED ALWAYS AS
        (CASE WHEN trade_id ~ '^[0-9]{1,18}$' THEN trade_id::bigint END) STORED;
CREATE INDEX market_trades_by_time ON market_trades (venue, symbol, exchange_time_ns, trade_number);
COMMENT ON TABLE market_trades IS
    'The public tape, each trade once under the exchange''s own number; side is the taker''s.';
COMMENT ON COLUMN market_trades.trade_id IS
    'The exchange''s number; where a file has none, its time and its place among the trades of that time.';

CREATE FUNCTION market_known(of_venue text, of_symbol text, of_length_ns bigint) RETURNS int8multirange
    LANGUAGE sql STABLE
    RETURN (SELECT coalesce(range_agg(int8range(from_ns, to_ns)), '{}') FROM market_coverage
            WHERE venue = of_venue AND symbol = of_symbol AND length_ns = of_length_ns);

-- Adds [start_ns, until_ns) to what is whole. What is known already keeps its source, unless `instead`.
CREATE FUNCTION market_cover(
    of_venue text, of_symbol text, of_length_ns bigint, start_ns bigint, until_ns bigint, origin text,
    with_numbers boolean, instead boolean DEFAULT false
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wanted int8multirange;
BEGIN
    IF start_ns >= until_ns THEN
        RETURN;
    END IF;
    wanted := int8multirange(int8range(start_ns, until_ns));
    IF instead THEN
        PERFORM market_uncover(of_venue, of_symbol, of_length_ns, start_ns, until_ns);
    ELSE
        wanted := wanted - market_known(of_venue, of_symbol, of_length_ns);
    END IF;
    -- Neighbours of one source become one span.
    SELECT wanted + coalesce(range_agg(int8range(from_ns, to_ns)), '{}') INTO wanted FROM market_coverage
    WHERE venue = of_venue AND symbol = of_symbol AND length_ns = of_length_ns AND source = origin
        AND numbered = with_numbers AND from_ns <= until_ns AND to_ns >= start_ns;
    DELETE FROM market_coverage
    WHERE venue = of_venue AND symbol = of_symbol AND length_ns = of_length_ns AND source = origin
        AND numbered = with_numbers AND from_ns <= until_ns AND to_ns >= start_ns;
    INSERT INTO market_coverage
    SELECT of_venue, of_symbol, of_length_ns, lower(span), upper(span), origin, with_numbers
    FROM unnest(wanted) AS span;
END $$;

CREATE FUNCTION market_uncover(of_venue text, of_symbol text, of_length_ns bigint, start_ns bigint, until_ns bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    cut market_coverage[];
BEGIN
    SELECT array_agg(c) INTO cut FROM market_coverage c
    WHERE venue = of_venue AND symbol = of_symbol AND length_ns = of_length_ns
        AND from_ns < until_ns AND to_ns > start_ns;
    DELETE FROM market_coverage
    WHERE venue = of_venue AND symbol = of_symbol AND length_ns = of_length_ns
        AND from_ns < until_ns AND to_ns > start_ns;
    INSERT INTO market_coverage
    SELECT c.venue, c.symbol, c.length_ns, lower(rest), upper(rest), c.source, c.numbered
    FROM unnest(cut) AS c,
         unnest(int8multirange(int8range(c.from_ns, c.to_ns)) - int8multirange(int8range(start_ns, until_ns))) AS rest;
END $$;

-- Writers of one instrument take turns. Compressed chunks limit what one statement may touch; without TimescaleDB this
-- sets nothing.
CREATE FUNCTION market_turn(of_venue text, of_symbol text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('market ' || of_venue || ' ' || of_symbol, 0));
    PERFORM set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);
END $$;

-- Minutes as their stored trades make them. The exchange's number orders trades of one time.
CREATE FUNCTION minutes_of_trades(of_venue text, of_symbol text, start_ns bigint, until_ns bigint)
RETURNS TABLE (open_time_ns bigint, open numeric, high numeric, low numeric, close numeric, volume numeric,
               notional numeric, trades bigint)
LANGUAGE sql STABLE AS $$
    SELECT exchange_time_ns / 60000000000 * 60000000000 AS minute,
           (array_agg(price ORDER BY trade_number, exchange_time_ns, trade_id))[1], max(price), min(price),
           (array_agg(price ORDER BY trade_number DESC, exchange_time_ns DESC, trade_id DESC))[1],
           sum(quantity), trim_scale(sum(price * quantity)), count(*)
    FROM market_trades
    WHERE venue = of_venue AND symbol = of_symbol AND exchange_time_ns >= start_ns AND exchange_time_ns < until_ns
    GROUP BY minute
$$;

-- Whole minutes of the tape replace what was there. A minute known in part is made where nothing better is.
-- `changed`: minutes that were known from elsewhere and disagree with their trades.
CREATE FUNCTION market_rebuild(
    of_venue text, of_symbol text, start_ns bigint, until_ns bigint, OUT built bigint, OUT changed bigint
) LANGUAGE plpgsql AS $$
DECLARE
    minute CONSTANT bigint := 60000000000;
    first_ns bigint := start_ns / minute * minute;
    end_ns bigint := (until_ns + minute - 1) / minute * minute;
    tape int8multirange := market_known(of_venue, of_symbol, 0) * int8multirange(int8range(first_ns, end_ns));
    known int8multirange := market_known(of_venue, of_symbol, minute) * int8multirange(int8range(first_ns, end_ns));
    whole int8range;
BEGIN
    PERFORM market_turn(of_venue, of_symbol);
    WITH fresh AS MATERIALIZED (
        SELECT f.*, tape @> int8range(f.open_time_ns, f.open_time_ns + minute) AS whole
        FROM minutes_of_trades(of_venue, of_symbol, first_ns, end_ns) f
    ), kept AS MATERIALIZED (
        SELECT c.open_time_ns, c.open, c.high, c.low, c.close, c.volume FROM candles c
        WHERE c.venue = of_venue AND c.symbol = of_symbol AND c.length_ns = minute
            AND c.open_time_ns >= first_ns AND c.open_time_ns < end_ns
            AND tape @> int8range(c.open_time_ns, c.open_time_ns + minute)
    ), unequal AS (
        SELECT count(*) AS n FROM (SELECT * FROM fresh WHERE fresh.whole) f FULL JOIN kept k USING (open_time_ns)
        WHERE known @> int8range(open_time_ns, open_time_ns + minute)
            AND CASE WHEN k.open IS NULL THEN true
                     WHEN f.open IS NULL THEN k.volume > 0
                     ELSE candles_differ(k.open, k.high, k.low, k.close, k.volume,
                                         f.open, f.high, f.low, f.close, f.volume) END
    ), emptied AS (
        -- NOT IN is hashed; an anti-join would be planned for the few rows that a new table seems to have.
        SELECT k.open_time_ns FROM kept k WHERE k.open_time_ns NOT IN (SELECT f.open_time_ns FROM fresh f)
    ), gone AS (
        DELETE FROM candles c
        WHERE c.venue = of_venue AND c.symbol = of_symbol AND c.length_ns = minute
            AND c.open_time_ns = ANY (ARRAY(SELECT e.open_time_ns FROM emptied e))
    ), put AS (
        INSERT INTO candles AS c (venue, symbol, length_ns, open_time_ns, open, high, low, close, volume, notional,
                                  trades, source)
        SELECT of_venue, of_symbol, minute, f.open_time_ns, f.open, f.high, f.low, f.close, f.volume, f.notional,
               f.trades, 'trades'
        FROM fresh f WHERE f.whole OR NOT known @> int8range(f.open_time_ns, f.open_time_ns + minute)
        ON CONFLICT (venue, symbol, length_ns, open_time_ns) DO UPDATE SET
            open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
            volume = excluded.volume, notional = excluded.notional, trades = excluded.trades, source = excluded.source
        RETURNING 1)
    SELECT (SELECT count(*) FROM put), unequal.n INTO built, changed FROM unequal;
    FOR whole IN SELECT * FROM unnest(tape) LOOP
        PERFORM market_cover(of_venue, of_symbol, minute, (lower(whole) + minute - 1) / minute * minute,
                             upper(whole) / minute * minute, 'trades', true, true);
    END LOOP;
END $$;

-- Prices must be equal; a volume that was added up in binary may be off by dust.
CREATE FUNCTION candles_differ(
    open numeric, high numeric, low numeric, close numeric, volume numeric,
    other_open numeric, other_high numeric, other_low numeric, other_close numeric, other_volume numeric
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (open, high, low, close) IS DISTINCT FROM (other_open, other_high, other_low, other_close)
        OR abs(volume - other_volume) > 0.00000002 + 0.000000001 * volume;

-- Trades as whole ticks and lots, and the spans in which they are all there are. One that is stored stays as it is.
-- `known`: were there already; `different`: are there with another price or size (without numbers: minutes that are
-- known and do not add up to the same).
CREATE FUNCTION market_store_trades(
    of_venue text, of_symbol text, tick numeric, lot numeric, origin text, with_numbers boolean, ids text[],
    times bigint[], prices bigint[], quantities bigint[], sides text[], from_ns bigint[], to_ns bigint[],
    OUT stored bigint, OUT known bigint, OUT different bigint, OUT candles_built bigint, OUT candles_changed bigint
) LANGUAGE plpgsql AS $$
DECLARE
    minute CONSTANT bigint := 60000000000;
    -- Without numbers nothing tells whether two trades are one, so what is known is left alone.
    closed int8multirange;
    first_ns bigint := least((SELECT min(t) FROM unnest(times) t), (SELECT min(t) FROM unnest(from_ns) t));
    last_ns bigint := greatest((SELECT max(t) + 1 FROM unnest(times) t), (SELECT max(t) FROM unnest(to_ns) t));
    span int8range;
BEGIN
    PERFORM market_turn(of_venue, of_symbol);
    SELECT coalesce(range_agg(int8range(c.from_ns / minute * minute, (c.to_ns + minute - 1) / minute * minute)), '{}')
    INTO closed FROM market_coverage c
    WHERE c.venue = of_venue AND c.symbol = of_symbol AND c.length_ns = 0 AND NOT (c.numbered AND with_numbers);
    different := 0;
    IF with_numbers THEN
        SELECT count(*) INTO different FROM market_trades t
        WHERE t.venue = of_venue AND t.symbol = of_symbol AND t.trade_id = ANY (ids)
            AND (t.trade_id, t.price, t.quantity) NOT IN (
                SELECT g.id, g.price * tick, g.quantity * lot
                FROM unnest(ids, prices, quantities) AS g (id, price, quantity));
    END IF;
    WITH given AS (
        SELECT DISTINCT ON (id) id, at_ns, price * tick AS price, quantity * lot AS quantity, side
        FROM unnest(ids, times, prices, quantities, sides) AS g (id, at_ns, price, quantity, side) ORDER BY id, at_ns
    ), put AS (
        INSERT INTO market_trades (venue, symbol, exchange_time_ns, trade_id, price, quantity, side, source)
        SELECT of_venue, of_symbol, at_ns, id, trim_scale(price), trim_scale(quantity), side, origin
        FROM given WHERE NOT closed @> at_ns
        ON CONFLICT DO NOTHING RETURNING trade_id
    ), minutes AS MATERIALIZED (
        SELECT at_ns / minute * minute AS at_ns, count(*) AS n, sum(quantity) AS quantity,
               sum(price * quantity) AS notional
        FROM given WHERE closed @> at_ns GROUP BY 1
    ), unequal AS (
        SELECT count(*) AS n FROM minutes m
        LEFT JOIN minutes_of_trades(of_venue, of_symbol, (SELECT min(at_ns) FROM minutes),
                                    (SELECT max(at_ns) + minute FROM minutes)) t ON t.open_time_ns = m.at_ns
        WHERE (m.n, m.quantity, m.notional) IS DISTINCT FROM (t.trades, t.volume, t.notional)
    )
    SELECT p.n, g.n - p.n, different + unequal.n INTO stored, known, different
    FROM (SELECT count(*) AS n FROM given) g, (SELECT count(*) AS n FROM put) p, unequal;
    FOR span IN SELECT * FROM unnest(
            (SELECT coalesce(range_agg(int8range(s.from_ns, s.to_ns)), '{}')
             FROM unnest(from_ns, to_ns) AS s (from_ns, to_ns)) - closed) LOOP
        PERFORM market_cover(of_venue, of_symbol, 0, lower(span), upper(span), origin, with_numbers);
    END LOOP;
    candles_built := 0;
    candles_changed := 0;
    IF first_ns < last_ns THEN
        SELECT r.built, r.changed INTO candles_built, candles_changed
        FROM market_rebuild(of_venue, of_symbol, first_ns, last_ns) r;
    END IF;
END $$;

-- Candles of one length as whole ticks and lots, and the spans in which they are all there are. What is known stays.
-- `different`: known candles that say something else, among them those that one side lacks.
CREATE FUNCTION market_store_candles(
    of_venue text, of_symbol text, of_length_ns bigint, tick numeric, lot numeric, origin text, times bigint[],
    opens bigint[], highs bigint[], lows bigint[], closes bigint[], volumes bigint[], counts bigint[], vwaps text[],
    from_ns bigint[], to_ns bigint[], OUT stored bigint, OUT known bigint, OUT different bigint
) LANGUAGE plpgsql AS $$
DECLARE
    already int8multirange;
    wanted int8multirange;
    span record;
BEGIN
    PERFORM market_turn(of_venue, of_symbol);
    already := market_known(of_venue, of_symbol, of_length_ns);
    SELECT coalesce(range_agg(int8range(s.from_ns, s.to_ns)), '{}') INTO wanted
    FROM unnest(from_ns, to_ns) AS s (from_ns, to_ns);
    WITH given AS (
        SELECT at_ns, open * tick AS open, high * tick AS high, low * tick AS low, close * tick AS close,
               volume * lot AS volume, n, CASE WHEN volume = 0 THEN 0 ELSE vwap::numeric * volume * lot END AS notional,
               already @> int8range(at_ns, at_ns + of_length_ns) AS is_known
        FROM unnest(times, opens, highs, lows, closes, volumes, counts, vwaps)
            AS g (at_ns, open, high, low, close, volume, n, vwap)
    ), there AS (
        SELECT c.* FROM candles c, unnest(wanted) AS s
        WHERE c.venue = of_venue AND c.symbol = of_symbol AND c.length_ns = of_length_ns
            AND c.open_time_ns >= lower(s) AND c.open_time_ns < upper(s)
    ), unequal AS (
        SELECT count(*) AS n FROM given g FULL JOIN there c ON c.open_time_ns = g.at_ns
        WHERE coalesce(g.is_known, already @> int8range(c.open_time_ns, c.open_time_ns + of_length_ns))
            AND CASE WHEN c.open_time_ns IS NULL THEN g.volume > 0
                     WHEN g.at_ns IS NULL THEN c.volume > 0
                     ELSE candles_differ(c.open, c.high, c.low, c.close, c.volume,
                                         g.open, g.high, g.low, g.close, g.volume) END
    ), gone AS (
        DELETE FROM candles c USING unnest(wanted - already) AS s
        WHERE c.venue = of_venue AND c.symbol = of_symbol AND c.length_ns = of_length_ns
            AND c.open_time_ns >= lower(s) AND c.open_time_ns < upper(s)
            AND c.open_time_ns NOT IN (SELECT g.at_ns FROM given g)
    ), put AS (
        INSERT INTO candles AS c (venue, symbol, length_ns, open_time_ns, open, high, low, close, volume, notional,
                                  trades, source)
        SELECT of_venue, of_symbol, of_length_ns, at_ns, trim_scale(open), trim_scale(high), trim_scale(low),
               trim_scale(close), trim_scale(volume), trim_scale(notional), n, origin
        FROM given WHERE NOT is_known
        ON CONFLICT (venue, symbol, length_ns, open_time_ns) DO UPDATE SET
            open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
            volume = excluded.volume, notional = excluded.notional, trades = excluded.trades, source = excluded.source
        RETURNING 1)
    SELECT (SELECT count(*) FROM put), (SELECT count(*) FROM given WHERE is_known), (SELECT n FROM unequal)
    INTO stored, known, different;
    FOR span IN SELECT s.from_ns, s.to_ns FROM unnest(from_ns, to_ns) AS s (from_ns, to_ns) LOOP
        PERFORM market_cover(of_venue, of_symbol, of_length_ns, span.from_ns, span.to_ns, origin, true);
    END LOOP;
END $$;

-- Trades before a time go, where their minutes are known without them. The candles stay for ever.
CREATE FUNCTION market_prune(
    of_venue text, of_symbol text, before_ns bigint, OUT trades_deleted bigint
) LANGUAGE plpgsql AS $$
DECLARE
    span int8range;
    deleted bigint;
BEGIN
    PERFORM market_turn(of_venue, of_symbol);
    trades_deleted := 0;
    FOR span IN SELECT * FROM unnest(market_known(of_venue, of_symbol, 0)
            * market_known(of_venue, of_symbol, 60000000000) * int8multirange(int8range(0, before_ns))) LOOP
        DELETE FROM market_trades WHERE venue = of_venue AND symbol = of_symbol
            AND exchange_time_ns >= lower(span) AND exchange_time_ns < upper(span);
        GET DIAGNOSTICS deleted = ROW_COUNT;
        trades_deleted := trades_deleted + deleted;
        PERFORM market_uncover(of_venue, of_symbol, 0, lower(span), upper(span));
    END LOOP;
END $$;

-- Candles of one length from the stored ones of a base length: complete or not, without the quiet ones.
CREATE FUNCTION candles_from_base(
    of_venue text, of_symbol text, of_length_ns bigint, base_ns bigint, start_ns bigint, until_ns bigint
) RETURNS TABLE (open_time_ns bigint, open numeric, high numeric, low numeric, close numeric, volume numeric,
                 vwap numeric, trades bigint, minutes bigint)
LANGUAGE sql STABLE AS $$
    SELECT candle_open(c.open_time_ns, of_length_ns) AS opened, (array_agg(c.open ORDER BY c.open_time_ns))[1],
           max(c.high), min(c.low), (array_agg(c.close ORDER BY c.open_time_ns DESC))[1], sum(c.volume),
           CASE WHEN count(*) = count(c.notional) THEN sum(c.notional) / nullif(sum(c.volume), 0) END,
           CASE WHEN count(*) = count(c.trades) THEN sum(c.trades)::bigint END,
           CASE base_ns WHEN 60000000000 THEN count(*) ELSE 0 END
    FROM candles c
    WHERE c.venue = of_venue AND c.symbol = of_symbol AND c.length_ns = base_ns
        AND c.open_time_ns >= start_ns AND c.open_time_ns < until_ns
    GROUP BY opened
$$;

-- The same by the fastest way there is: this one is replaced where there are continuous aggregates.
CREATE FUNCTION candles_between(
    of_venue text, of_symbol text, of_length_ns bigint, base_ns bigint, start_ns bigint, until_ns bigint
) RETURNS TABLE (open_time_ns bigint, open numeric, high numeric, low numeric, close numeric, volume numeric,
                 vwap numeric, trades bigint, minutes bigint)
LANGUAGE sql STABLE AS $$
    SELECT * FROM candles_from_base(of_venue, of_symbol, of_length_ns, base_ns, start_ns, until_ns)
$$;

CREATE TABLE candle_lengths (name text PRIMARY KEY, length_ns bigint NOT NULL UNIQUE);
INSERT INTO candle_lengths VALUES
    ('1m', 60000000000), ('5m', 300000000000), ('15m', 900000000000), ('30m', 1800000000000), ('1h', 3600000000000),
    ('4h', 14400000000000), ('12h', 43200000000000), ('1d', 86400000000000), ('1w', 604800000000000);

-- `candles_5m_growing`: what the stored minutes make so far. Continuous aggregates where TimescaleDB is.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT * FROM candle_lengths WHERE length_ns > 60000000000 LOOP
        EXECUTE format($view$
            CREATE VIEW %I AS
            SELECT venue, symbol, candle_open(open_time_ns, %s) AS open_time_ns,
                   (array_agg(open ORDER BY open_time_ns))[1]::numeric AS open, max(high)::numeric AS high,
                   min(low)::numeric AS low, (array_agg(close ORDER BY open_time_ns DESC))[1]::numeric AS close,
                   sum(volume)::numeric AS volume,
                   CASE WHEN count(*) = count(notional) THEN sum(notional)::numeric END AS notional,
                   CASE WHEN count(*) = count(trades) THEN sum(trades)::bigint END AS trades, count(*) AS minutes
            FROM candles WHERE length_ns = 60000000000
            GROUP BY venue, symbol, candle_open(open_time_ns, %s)
            $view$, 'candles_' || made.name || '_growing', made.length_ns, made.length_ns);
    END LOOP;
END $$;
CREATE VIEW candles_1m_growing AS
SELECT venue, symbol, open_time_ns, open::numeric, high::numeric, low::numeric, close::numeric, volume::numeric,
       notional::numeric, trades, 1::bigint AS minutes
FROM candles WHERE length_ns = 60000000000;

CREATE VIEW market_spans AS
SELECT venue, symbol, length_ns, lower(span) AS from_ns, upper(span) AS to_ns
FROM (SELECT venue, symbol, length_ns, unnest(range_agg(int8range(from_ns, to_ns))) AS span
      FROM market_coverage GROUP BY venue, symbol, length_ns) spans;
COMMENT ON VIEW market_spans IS 'Coverage whatever its source: neighbouring spans are one.';

-- The contract: `candles_1m` to `candles_1w`, complete candles only, all with the same columns. A candle is complete
-- when every minute of it is known; where minutes are not, a stored candle of that very length stands in, with
-- minutes = 0. A quiet candle has no row. Called again when the views above are replaced.
CREATE PROCEDURE make_candle_views() LANGUAGE plpgsql AS $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT * FROM candle_lengths LOOP
        EXECUTE format($view$
            CREATE OR REPLACE VIEW %1$I AS
            SELECT g.venue, g.symbol, g.open_time_ns, g.open, g.high, g.low, g.close, g.volume,
                   trim_scale(round(g.notional / nullif(g.volume, 0), 12)) AS vwap, g.trades, g.minutes
            FROM %2$I g
            JOIN market_spans k ON k.venue = g.venue AND k.symbol = g.symbol AND k.length_ns = 60000000000
                AND k.from_ns <= g.open_time_ns AND k.to_ns >= g.open_time_ns + %3$s
            UNION ALL
            SELECT c.venue, c.symbol, c.open_time_ns, c.open, c.high, c.low, c.close, c.volume,
                   trim_scale(round(c.notional / nullif(c.volume, 0), 12)), c.trades, 0
            FROM candles c
            JOIN market_spans k ON k.venue = c.venue AND k.symbol = c.symbol AND k.length_ns = c.length_ns
                AND k.from_ns <= c.open_time_ns AND k.to_ns >= c.open_time_ns + %3$s
            LEFT JOIN market_spans m ON m.venue = c.venue AND m.symbol = c.symbol AND m.length_ns = 60000000000
                AND m.from_ns <= c.open_time_ns AND m.to_ns >= c.open_time_ns + %3$s
            WHERE c.length_ns = %3$s AND c.length_ns > 60000000000 AND m.venue IS NULL
            $view$, 'candles_' || made.name, 'candles_' || made.name || '_growing', made.length_ns);
    END LOOP;
END $$;
CALL make_candle_views();
