"""Files wherever they are: on this machine, or in object stores."""
