"""Entitlement: parties, their roles and their registrations by date."""
