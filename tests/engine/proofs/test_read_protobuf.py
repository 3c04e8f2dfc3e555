"""The wire format: what another encoder writes is read back, each kind of field in its ways."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secateur.engine.proofs.model import FormatError
from secateur.engine.proofs.read_graph import array_of
from secateur.engine.proofs.read_protobuf import Allowance, Message

WIDE = st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-200, 200)), max_size=20)


def message(data):
    return Message(memoryview(data), "test", Allowance(1000, "fields"))


def tensor(**fields):
    return onnx.TensorProto(**fields).SerializeToString()


@given(WIDE, st.text(), st.binary(), st.lists(st.floats(width=32, allow_nan=False)))
def test_what_another_encoder_writes_is_read_back(wholes, text, raw, reals):
    data = tensor(
        int64_data=wholes, dims=wholes, name=text, raw_data=raw, float_data=reals, data_type=7
    )
    found = message(data)
    assert found.wholes(7).tolist() == wholes  # packed
    assert found.wholes(1).tolist() == wholes  # one by one
    assert found.text(8) == text
    assert bytes(found.data(9)) == raw
    assert found.reals(4, "<f4").tolist() == reals
    assert found.whole(2) == 7
    assert not found.has(3)
    assert found.inner(3, "segment") is None
    assert found.whole(14, 5) == 5


@given(st.integers(-(2**63), 2**63 - 1), st.floats(width=32, allow_nan=False))
def test_single_numbers_are_read_back(whole, real):
    found = message(onnx.AttributeProto(i=whole, f=real).SerializeToString())
    assert (found.whole(3), found.real(2)) == (whole, real)


@given(st.lists(st.floats(allow_nan=False)), st.lists(st.text()))
def test_wide_numbers_and_texts_are_read_back(reals, texts):
    assert message(tensor(double_data=reals)).reals(10, "<f8").tolist() == reals
    assert message(onnx.NodeProto(input=texts).SerializeToString()).texts(1) == tuple(texts)


def test_numbers_in_several_packs_are_one_list():
    data = tensor(int64_data=[1, 2]) + b"\x38\x03" + tensor(int64_data=[4])
    assert message(data).wholes(7).tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("data", "ask", "what"),
    [
        (b"\x10\x07\x10\x07", lambda m: m.whole(2), "field 2 of a test stands 2 times, not once"),
        (b"\x12\x00", lambda m: m.whole(2), "field 2 of a test has wire type 2"),
        (b"\x10\x07", lambda m: m.text(2), "field 2 of a test has wire type 0"),
        (b"\x10\x07", lambda m: m.texts(2), "field 2 of a test has wire type 0"),
        (b"\x15\0\0\0\0", lambda m: m.wholes(2), "field 2 of a test has wire type 5"),
        (b"\x11\0\0\0\0\0\0\0\0", lambda m: m.reals(2, "<f4"), "has wire type 1"),
        (b"\x12\x03\0\0\0", lambda m: m.reals(2, "<f4"), "field 2 of a test ends inside a number"),
        (b"\x12\x01\x80", lambda m: m.wholes(2), "a test ends inside a number"),
        (b"\x12\x0b" + b"\x80" * 10 + b"\0", lambda m: m.wholes(2), "more than 64 bits"),
        (b"\x12\x0a" + b"\x80" * 9 + b"\2", lambda m: m.wholes(2), "more than 64 bits"),
        (b"\x10" + b"\x80" * 9 + b"\2", lambda m: m.whole(2), "more than 64 bits"),
        (b"\x12\x01\xff", lambda m: m.text(2), "field 2 of a test is no text"),
        (b"\x12\x02\x10", lambda m: m, "field 2 of a test has 2 bytes where 1 are left"),
        (b"\x13\x14", lambda m: m, "field 2 of a test has wire type 3"),
    ],
)
def test_a_field_that_is_not_what_is_asked_for_is_refused(data, ask, what):
    with pytest.raises(FormatError, match=what):
        ask(message(data))


def test_many_fields_and_many_numbers_are_refused():
    with pytest.raises(FormatError, match="more than 1000 fields are not handled"):
        message(b"\x10\x01" * 1001)
    many = 2**22 + 1
    length = bytes([many & 127 | 128, many >> 7 & 127 | 128, many >> 14 & 127 | 128, many >> 21])
    with pytest.raises(FormatError, match="holds 4194305 whole numbers"):
        message(b"\x12" + length + bytes(many)).wholes(2)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"data_type": 7, "dims": [2], "int64_data": [1]}, r"has 1 entries for the shape \[2\]"),
        ({"data_type": 7, "dims": [2], "raw_data": b"12345678"}, "has 8 bytes of data"),
        ({"data_type": 7, "dims": [-1]}, "that no tensor here has"),
        ({"data_type": 7, "dims": [0, 2**60]}, "that no tensor here has"),
        ({"data_type": 7, "dims": [1] * 40, "int64_data": [1]}, "has a shape of 40 axes"),
        ({"data_type": 7, "dims": [1], "float_data": [1.0]}, r"in the fields \[4\]"),
        ({"data_type": 6, "dims": [1], "int32_data": [2**31 - 1]}, None),
        ({"data_type": 10, "dims": [1], "int32_data": [2**16]}, "its element type 10 does not"),
        ({"data_type": 9, "dims": [1], "raw_data": b"\2"}, "neither 0 nor 1"),
        ({"data_type": 8, "dims": [1], "string_data": [b"a"]}, "has element type number 8"),
        ({"data_type": 1, "dims": [1], "float_data": [np.nan]}, "holds nan"),
        ({"data_type": 1, "dims": [100, 100]}, "more than 1000 entries are not handled"),
    ],
)
def test_a_tensor_that_does_not_hold_together_is_refused(fields, what):
    def read():
        return array_of(message(tensor(**fields)), Allowance(1000, "entries"))

    if what is None:
        assert read().tolist() == fields["int32_data"]
    else:
        with pytest.raises(FormatError, match=what):
            read()
