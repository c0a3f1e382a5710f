-- Positions on margin: what they gain, lose and cost, and what of it is owed.
ALTER TYPE ledger_account ADD VALUE 'debt';
ALTER TYPE entry_kind ADD VALUE 'margin';
ALTER TYPE entry_kind ADD VALUE 'opening_fee';
ALTER TYPE entry_kind ADD VALUE 'rollover';
ALTER TYPE entry_kind ADD VALUE 'settled';
ALTER TYPE entry_kind ADD VALUE 'borrowed';
ALTER TYPE entry_kind ADD VALUE 'repaid';
