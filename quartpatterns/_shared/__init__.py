"""What several helpers need, each thing once. Private: nothing here is public API."""
