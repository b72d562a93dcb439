"""The defaults of the example, versioned with its code. The file of a host overrides them."""

GREETING = "Hello from the defaults"
ITEMS_PER_PAGE = 10
SUPPORT = "nobody@example.org"
