"""What the types of the helpers are to a user. mypy and pyright check these files; nothing runs them."""
