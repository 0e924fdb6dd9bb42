"""Small programs for those who work on Reveille itself; `make help` lists the ways to run them."""
