"""Pure: which infra group a tenant lives in, from a ledger of what is used and what is free."""
