-- What was asked of an order beside its terms (reduce-only, its closing terms, when it starts, what it replaces): NULL
-- where there is nothing, as in all rows that are there.
ALTER TABLE paper_orders ADD COLUMN options jsonb;
SELECT paper_build();
