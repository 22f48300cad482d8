"""Keys, key agreement, MACs, encryption, signatures and certificates."""
