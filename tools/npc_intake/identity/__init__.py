"""What may name a person: the words that may stay, and the check that looks for all others."""
