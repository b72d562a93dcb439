"""Write what Flask 3.1 and its libraries have in place of what they have removed."""
