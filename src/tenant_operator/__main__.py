"""`python -m tenant_operator` is `tenant-operator`."""

from tenant_operator.cli import main

if __name__ == "__main__":
    main()
