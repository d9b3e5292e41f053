"""Penstock: a hybrid build farm. Own machines first, the cloud when the queue backs up."""

__version__ = "0.1.0"
