"""The commands that remove what killed runs have left in remote services, for the command line of each orchestrator."""
