"""``python -m quartpatterns``: the command, for where no script is installed."""

from quartpatterns.cli import main

main(prog_name="quartpatterns")
