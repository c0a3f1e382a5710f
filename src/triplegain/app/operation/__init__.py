"""What the operator of a running system is told: its log, notifications and metrics."""
