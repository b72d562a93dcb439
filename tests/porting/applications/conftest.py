"""The tests of these applications run in copies, before and after the port."""

collect_ignore_glob = ["*"]
