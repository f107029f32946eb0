"""What goes into a backup: one module for each entry of `BACKUP_SOURCES`."""
