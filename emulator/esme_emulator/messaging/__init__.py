"""What both ends of a topic share: topics, transactions, validation and the client."""
