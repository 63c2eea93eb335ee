"""A batch of samples as a journal record."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pepeunit.codecs.samples import pack_samples, unpack_samples
from pepeunit.domain.messaging.sample import RawSample

samples = st.builds(RawSample, st.uuids(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=40))


@given(st.lists(samples, max_size=5))
def test_a_batch_comes_back_as_it_was_packed(batch: list[RawSample]) -> None:
    assert unpack_samples(pack_samples(batch)) == batch


def test_a_record_cut_anywhere_or_of_another_form_is_no_batch() -> None:
    record = pack_samples([RawSample(UUID(int=1), 5, b"21.5"), RawSample(UUID(int=2), 6, b"x")])
    for length in range(len(record)):
        with pytest.raises(ValueError, match="journal record"):
            unpack_samples(record[:length])
    with pytest.raises(ValueError, match="form 9"):
        unpack_samples(b"\x09" + record[1:])
