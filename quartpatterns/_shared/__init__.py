"""Private mechanisms that several helpers share; import nothing of it in an application."""
