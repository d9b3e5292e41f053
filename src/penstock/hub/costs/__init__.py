"""What people ask of the ledger, as documents: each file answers one kind of question from one consistent view."""
