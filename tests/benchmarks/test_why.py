from benchmarks import why
from benchmarks.why import judge


def test_a_planted_cause_is_found_by_its_rows_and_typed():
    told = judge("elsewhere", "routing", 1)
    assert (told.found, told.segment, told.mechanism, told.right) == (True, True, "routing", True)
    assert told.refused == ""


def test_a_decoy_is_judged_by_its_kind_and_by_what_is_typed_as_a_failing():
    told = judge("elsewhere", "mix_shift", 1)
    assert told.moved
    assert told.right == (told.mechanism == "mix_shift")
    assert told.failing == 0


def test_a_world_that_cannot_be_asked_is_not_one_that_did_not_move():
    told = judge("elsewhere", "threshold", 1, ("appeals",))
    assert "no appeals" in told.refused
    assert not told.moved
    figures = why.measure("elsewhere", ["threshold"], [1], ("appeals",))
    assert (figures["worlds"], figures["refused"]) == (1, 1)
    assert figures["kinds"]["threshold"]["refused"] == 1
