-- What sells the coins of a position is never a person's own order: closing by hand asks the desk to.
UPDATE paper_orders SET origin = 'protection' WHERE origin = 'hand' AND side = 'sell' AND position_id IS NOT NULL;
