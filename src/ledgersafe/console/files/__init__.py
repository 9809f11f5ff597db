"""What the pages about files are made of: how deliveries stand, uploading, reports, bad rows, contracts."""
