from bridge.watermarks import Watermarks


def test_idle_lane_follows_the_slowest_of_those_that_read():
    watermarks = Watermarks(idle_seconds=1.0)
    watermarks.advance(0, 1_800, now=100.0)
    watermarks.advance(1, 2_700, now=100.5)
    watermarks.follow(2, now=99.0)
    assert 1_800 == watermarks.follow(2, now=101.0)


def test_lane_that_has_just_read_does_not_follow():
    watermarks = Watermarks(idle_seconds=1.0)
    watermarks.advance(0, 900, now=100.0)
    watermarks.advance(1, 2_700, now=100.9)
    assert watermarks.follow(0, now=100.9) is None


def test_watermark_never_falls():
    watermarks = Watermarks(idle_seconds=1.0)
    watermarks.advance(0, 2_700, now=1.0)
    assert 2_700 == watermarks.advance(0, 900, now=2.0)


def test_nobody_leads_where_nobody_has_read():
    watermarks = Watermarks(idle_seconds=1.0)
    watermarks.restore(0, 2_700)
    watermarks.follow(1, now=1.0)
    assert watermarks.follow(1, now=10.0) is None


def test_after_all_have_fallen_silent_the_idle_reach_the_last_who_read():
    watermarks = Watermarks(idle_seconds=1.0)
    watermarks.follow(2, now=0.0)
    watermarks.advance(1, 900, now=5.0)
    watermarks.advance(0, 2_700, now=9.0)
    assert 2_700 == watermarks.follow(2, now=100.0)
    assert 2_700 == watermarks.follow(1, now=100.0)


def test_idle_lane_follows_lanes_of_other_bridges_too():
    watermarks = Watermarks(idle_seconds=1.0)
    watermarks.advance(0, 2_700, now=10.0)
    watermarks.hear({5: (1_800, 0.1)}, now=9.0)  # said a second ago
    watermarks.follow(2, now=0.0)
    assert 1_800 == watermarks.follow(2, now=10.0)


def test_lane_of_another_bridge_that_fell_silent_holds_nobody_back():
    watermarks = Watermarks(idle_seconds=1.0)
    watermarks.hear({5: (1_800, 9.0)}, now=9.0)
    watermarks.advance(0, 2_700, now=10.0)
    watermarks.follow(2, now=0.0)
    assert 2_700 == watermarks.follow(2, now=10.0)


def test_what_is_said_of_lanes_is_how_far_and_since_when():
    watermarks = Watermarks(idle_seconds=1.0)
    watermarks.advance(0, 2_700, now=10.0)
    watermarks.restore(1, 900)
    assert {0: (2_700, 2.5)} == watermarks.said([0, 1], now=12.5)
