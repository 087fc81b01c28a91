"""The proof's own parts: sequences come again from their seed, fit, and shrink to what fails."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.proof.sequences import Step, random_sequence, shrunk, that_fit

seeds = st.integers(0, 10**6).map(str)


@given(seeds, st.integers(1, 30))
def test_a_sequence_comes_again_from_its_seed_and_fits(seed: str, length: int) -> None:
    steps = random_sequence(seed, length)
    assert len(steps) == length
    assert steps == random_sequence(seed, length)
    assert steps == that_fit(steps)


@given(seeds, st.integers(1, 20), st.data())
def test_what_is_left_of_a_failing_sequence_is_what_makes_it_fail(
    seed: str, length: int, data: st.DataObject
) -> None:
    steps = random_sequence(seed, length)
    guilty = data.draw(st.sampled_from(steps)).change
    asked: list[tuple[Step, ...]] = []

    def fails(tried: tuple[Step, ...]) -> bool:
        asked.append(tried)
        return any(step.change == guilty for step in tried)

    short = shrunk(steps, fails)
    assert len(asked) == len(set(asked)), "no sequence is run twice"
    assert that_fit(short) == short
    assert any(step.change == guilty for step in short)
    assert all(step.crash_after is None for step in short)
    for index in range(len(short)):
        left = that_fit((*short[:index], *short[index + 1 :]))
        assert len(left) < len(short)
        assert not any(step.change == guilty for step in left)
