"""What several helpers need, each mechanism once. Private: nothing here is public API."""
