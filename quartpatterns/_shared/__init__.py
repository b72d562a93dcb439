"""What several patterns need, each thing once. Private: import from the patterns instead."""
