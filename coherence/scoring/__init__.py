"""Text in, four scores out: what a token is, how varied the n-grams are, which words are English."""
