"""The settings, one file for each part of the system; `config/settings.py` makes one configuration of them."""
