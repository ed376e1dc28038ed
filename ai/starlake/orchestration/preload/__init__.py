"""The decision whether a domain is loaded: what is asked, and how long the answer is waited for."""
