"""What a person sees: tables, charts and progress."""
