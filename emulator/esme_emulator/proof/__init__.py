"""The proof: the same reads direct and through the cache, counted at the meters."""
