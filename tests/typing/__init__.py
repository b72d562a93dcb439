"""What users get to see as types. mypy and pyright check these files; nothing runs them."""
