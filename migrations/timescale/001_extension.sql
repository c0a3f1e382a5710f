-- Runs only on a server that preloads the extension: creating it elsewhere kills the connection.
CREATE EXTENSION IF NOT EXISTS timescaledb;

DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET timescaledb.telemetry_level = ''off''', current_database());
END $$;
