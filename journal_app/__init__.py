"""Quiet Page: a private, encrypted journal that reads entries with a model on this computer."""

__version__ = "0.1.0"
APP_NAME = "Quiet Page"
