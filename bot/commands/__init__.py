"""The subcommands of `bot`, one file each."""
