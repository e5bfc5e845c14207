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
