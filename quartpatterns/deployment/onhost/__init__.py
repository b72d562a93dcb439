"""What runs on the hosts: the standard library alone, in one file that is uploaded to them."""
