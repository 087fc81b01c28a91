"""`make traffic-proof`: random sequences of changes with traffic on every tenant; whatever loses a request is shrunk.

Exit code 1: a sequence failed; its shortest part is printed, with the seed that makes it again.
"""

from __future__ import annotations

import secrets
import sys
from functools import partial

import click

from tests.proof.run import prove

say = partial(click.echo, err=True)


@click.command(help=__doc__)
@click.option("--sequences", default=20, show_default=True, help="How many; about a minute each.")
@click.option("--length", default=10, show_default=True, help="Steps in each.")
@click.option("--seed", default=lambda: secrets.randbelow(10**9), help="Makes the same sequences again.")
def main(sequences: int, length: int, seed: int) -> None:
    say(f"seed {seed}")
    sys.exit(int(bool(prove(seed, sequences, length, say))))


if __name__ == "__main__":
    main()
