"""Capacity: which jobs start where, what is rented, resumed, suspended and given back. Pure, live and simulated alike."""
