"""The command ``quartpatterns``: one module a subcommand."""
