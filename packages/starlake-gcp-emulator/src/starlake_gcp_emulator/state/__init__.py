"""State that all services share: time, operations, processes; and how requests are checked, filtered and paged."""
