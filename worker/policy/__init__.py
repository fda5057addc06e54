"""The policy file and the policies in force."""
