"""Who has an opinion. An agent answers or abstains; it never orders and never sees money."""
