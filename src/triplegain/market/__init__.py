"""The market coming in: feeds, captures, candles, prices. Reads files; decides nothing."""
