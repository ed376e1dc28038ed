"""Parts that all command lines share."""
