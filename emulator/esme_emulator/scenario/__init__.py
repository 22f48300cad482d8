"""What is asked, by whom and when, for proofs and loads."""
