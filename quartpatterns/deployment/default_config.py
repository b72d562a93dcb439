"""The defaults of the example, versioned with its code; a host's file overrides them."""

GREETING = "Hello from the defaults"
ITEMS_PER_PAGE = 10
SUPPORT = "nobody@example.org"
