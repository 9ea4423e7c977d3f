"""One stack a purpose; ``infra/app.py`` draws the arrows between them."""
