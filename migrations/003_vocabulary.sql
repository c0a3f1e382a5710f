-- The closed lists of the domain. A test holds each one equal to its enumeration in the code.

CREATE TYPE order_side AS ENUM ('buy', 'sell');

CREATE TYPE order_status AS ENUM (
    'pending', 'open', 'partially_filled', 'filled', 'cancelled', 'expired', 'rejected', 'error'
);

CREATE TYPE time_in_force AS ENUM ('gtc', 'ioc', 'gtd');

CREATE TYPE self_trade_prevention AS ENUM ('cancel_newest', 'cancel_oldest', 'cancel_both');

CREATE TYPE session_status AS ENUM ('active', 'paused', 'ended');

CREATE TYPE ledger_account AS ENUM ('wallet', 'market', 'fees', 'capital');

CREATE TYPE entry_kind AS ENUM ('deposit', 'trade', 'fee');

CREATE TYPE close_reason AS ENUM (
    'stop_loss', 'take_profit', 'trailing_stop', 'time_exit', 'signal', 'manual', 'breaker', 'liquidation', 'rebalance'
);

CREATE FUNCTION is_final(order_status) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    RETURN $1 NOT IN ('pending', 'open', 'partially_filled');
