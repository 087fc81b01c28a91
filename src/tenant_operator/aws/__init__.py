"""The only room that talks to AWS: accounts and budgets, readers and writers by AWS service."""
