"""Our one nftables table: its text from the plan, its loading by difference, its elements at run time."""
