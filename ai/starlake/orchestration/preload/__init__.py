"""The decision whether a domain is loaded: the checks, and the wait for them."""
