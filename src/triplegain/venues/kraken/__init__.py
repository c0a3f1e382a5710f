"""Everything that knows Kraken: its wire, REST, stream, tape, book, pairs and history."""
