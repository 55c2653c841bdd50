"""Tickets end to end: what a ragged graph is fed, and that nothing of it is lost."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.contract.tokens import Tokens, pad
from service.engine.layout import Flat, Padded, computed, lay_out

TICKETS = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=9), min_size=1, max_size=8)


def _tickets(lists: list[list[int]]) -> list[Tokens]:
    return [Tokens(np.array(ids, dtype=np.int64), truncated=False) for ids in lists]


@given(TICKETS)
def test_tickets_lie_end_to_end_each_counted_from_nought(lists: list[list[int]]) -> None:
    flat = Flat.of(_tickets(lists))
    assert flat.ids_T.tolist() == [one for ids in lists for one in ids]
    assert flat.positions_T.tolist() == [at for ids in lists for at in range(len(ids))]
    assert np.diff(flat.ends_E).tolist() == [len(ids) for ids in lists]
    assert (flat.ids_T.dtype, flat.positions_T.dtype, flat.ends_E.dtype) == (
        np.int64,
        np.int64,
        np.int32,
    )
    assert (len(flat), flat.tokens) == (len(lists), sum(map(len, lists)))


@given(TICKETS, st.data())
def test_a_part_is_what_those_tickets_alone_would_be(
    lists: list[list[int]], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(lists) - 1))
    stop = data.draw(st.integers(start + 1, len(lists)))
    tickets = _tickets(lists)
    flat, alone = Flat.of(tickets).part(start, stop), Flat.of(tickets[start:stop])
    np.testing.assert_array_equal(flat.ids_T, alone.ids_T)
    np.testing.assert_array_equal(flat.positions_T, alone.positions_T)
    np.testing.assert_array_equal(flat.ends_E, alone.ends_E)
    assert flat.ends_E.dtype == np.int32
    part, wanted = Padded(*pad(tickets, 0)).part(start, stop), pad(tickets[start:stop], 0)
    np.testing.assert_array_equal(part.ids_BL, wanted[0])
    np.testing.assert_array_equal(part.mask_BL, wanted[1])
    assert part.ids_BL.flags.c_contiguous


@given(TICKETS)
def test_padding_a_flat_batch_is_padding_its_tickets(lists: list[list[int]]) -> None:
    tickets = _tickets(lists)
    arrays, (ids_BL, mask_BL) = Flat.of(tickets).padded(7), pad(tickets, 7)
    np.testing.assert_array_equal(arrays.ids_BL, ids_BL)
    np.testing.assert_array_equal(arrays.mask_BL, mask_BL)


@given(TICKETS)
def test_offsets_name_the_tokens_in_order_and_then_the_padding(lists: list[list[int]]) -> None:
    flat = Flat.of(_tickets(lists))
    offsets_BL, mask_BL = flat.offsets_BL(), flat.padded(0).mask_BL
    order = offsets_BL.ravel()
    assert (offsets_BL.shape, offsets_BL.dtype) == (mask_BL.shape, np.int32)
    assert sorted(order.tolist()) == list(range(mask_BL.size))
    ids_BL = flat.padded(0).ids_BL.ravel()
    assert ids_BL[order[: flat.tokens]].tolist() == flat.ids_T.tolist()
    assert not mask_BL.ravel()[order[flat.tokens :]].any()
    assert (np.diff(order[flat.tokens :]) > 0).all()


@given(TICKETS)
def test_the_layout_says_how_many_tokens_are_computed(lists: list[list[int]]) -> None:
    tickets, lengths = _tickets(lists), [len(ids) for ids in lists]
    assert lay_out(tickets, "ragged", 0).tokens == computed(lengths, "ragged") == sum(lengths)
    padded = lay_out(tickets, "padded", 0).tokens
    assert padded == computed(lengths, "padded") == len(lengths) * max(lengths)
