-- An order with a limit may be filled whole at once or not at all.
ALTER TYPE time_in_force ADD VALUE 'fok';
