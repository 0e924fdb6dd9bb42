"""Development tools of Reveille itself; `make help` lists the commands that run them."""
