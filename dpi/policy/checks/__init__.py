"""What takes more than one key of a policy to see, one file a subject, each a function of a Case."""
