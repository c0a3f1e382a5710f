-- Candles as a hypertable, and the longer ones as continuous aggregates under the names of the plain views.
-- Real-time: what is not materialised yet is read from the minutes. Whoever writes refreshes what it changed; the
-- policies catch what a killed writer left. The tape stays a plain table: its key is the exchange's number alone.

SELECT create_hypertable('candles', 'open_time_ns', chunk_time_interval => 2592000000000000, migrate_data => true);
CREATE FUNCTION market_now_ns() RETURNS bigint LANGUAGE sql STABLE
    AS $$ SELECT (extract(epoch FROM now()) * 1000000000)::bigint $$;
SELECT set_integer_now_func('candles', 'market_now_ns');

DO $$
DECLARE
    made record;
BEGIN
    DROP VIEW candles_1m;
    FOR made IN SELECT * FROM candle_lengths WHERE length_ns > 60000000000 LOOP
        EXECUTE format('DROP VIEW %I, %I', 'candles_' || made.name, 'candles_' || made.name || '_growing');
    END LOOP;
    FOR made IN SELECT * FROM candle_lengths WHERE length_ns > 60000000000 AND name <> '1w' LOOP
        EXECUTE format($view$
            CREATE MATERIALIZED VIEW %1$I WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
            SELECT venue, symbol, time_bucket(%2$s::bigint, open_time_ns) AS open_time_ns,
                   first(open, open_time_ns)::numeric AS open, max(high)::numeric AS high,
                   min(low)::numeric AS low, last(close, open_time_ns)::numeric AS close,
                   sum(volume)::numeric AS volume,
                   CASE WHEN count(*) = count(notional) THEN sum(notional)::numeric END AS notional,
                   CASE WHEN count(*) = count(trades) THEN sum(trades)::bigint END AS trades, count(*) AS minutes
            FROM candles WHERE length_ns = 60000000000
            GROUP BY venue, symbol, time_bucket(%2$s::bigint, open_time_ns)
            WITH NO DATA
            $view$, 'candles_' || made.name || '_growing', made.length_ns);
        -- From the beginning of time, so that late minutes are found however old; up to the last candle that is over.
        PERFORM add_continuous_aggregate_policy(
            ('candles_' || made.name || '_growing')::regclass, start_offset => NULL::bigint,
            end_offset => made.length_ns, schedule_interval => interval '1 hour');
    END LOOP;
END $$;
-- A refresh cannot be cut along Mondays, so weeks are made of the days.
CREATE VIEW candles_1w_growing AS
SELECT venue, symbol, candle_open(open_time_ns, 604800000000000) AS open_time_ns, first(open, open_time_ns) AS open,
       max(high) AS high, min(low) AS low, last(close, open_time_ns) AS close, sum(volume) AS volume,
       CASE WHEN count(*) = count(notional) THEN sum(notional) END AS notional,
       CASE WHEN count(*) = count(trades) THEN sum(trades)::bigint END AS trades, sum(minutes)::bigint AS minutes
FROM candles_1d_growing
GROUP BY venue, symbol, candle_open(open_time_ns, 604800000000000);
CALL make_candle_views();

CREATE OR REPLACE FUNCTION candles_between(
    of_venue text, of_symbol text, of_length_ns bigint, base_ns bigint, start_ns bigint, until_ns bigint
) RETURNS TABLE (open_time_ns bigint, open numeric, high numeric, low numeric, close numeric, volume numeric,
                 vwap numeric, trades bigint, minutes bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text := (SELECT name FROM candle_lengths WHERE length_ns = of_length_ns AND base_ns = 60000000000);
BEGIN
    IF found IS NOT NULL THEN
        RETURN QUERY EXECUTE format(
            'SELECT open_time_ns, open, high, low, close, volume, notional / nullif(volume, 0), trades, minutes FROM %I
             WHERE venue = $1 AND symbol = $2 AND open_time_ns >= $3 AND open_time_ns < $4',
            'candles_' || found || '_growing') USING of_venue, of_symbol, start_ns, until_ns;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM candles_from_base(of_venue, of_symbol, of_length_ns, base_ns, start_ns, until_ns);
END $$;

ALTER TABLE candles SET (
    timescaledb.compress,
    timescaledb.compress_segmentby = 'venue, symbol, length_ns',
    timescaledb.compress_orderby = 'open_time_ns'
);
SELECT add_compression_policy('candles', 7776000000000000);
