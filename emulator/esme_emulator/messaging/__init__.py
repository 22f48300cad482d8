"""What both ends of a topic share: topics, transactions, validation, identity and the client."""
