"""What leaves the house: the report, the export, the ledger, the check after launch."""
