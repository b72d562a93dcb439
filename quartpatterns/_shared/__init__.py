<<<<<<< HEAD
"""What several helpers need, each thing once. Private: nothing here is public API."""
=======
"""Private mechanisms that several helpers share; import nothing of it in an application."""
>>>>>>> shared-a
