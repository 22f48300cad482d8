"""Who may ask for what: parties, roles and registrations by date."""
