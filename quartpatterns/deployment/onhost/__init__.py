"""The program on the hosts. It needs only the standard library, and is uploaded as one file."""
