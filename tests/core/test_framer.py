from service.core.framer import FRAME_BYTES, Framer


def test_periods_of_any_length_become_frames_with_every_byte_in_order():
    framer = Framer()
    sound = bytes(range(256)) * 30
    frames = []
    for start, end in [(0, 350), (350, 1310), (1310, 1310), (1310, 7680)]:
        frames += framer.push(sound[start:end])
    assert [number for number, _ in frames] == [0, 1, 2, 3]
    assert b"".join(frame for _, frame in frames) == sound


def test_lost_time_is_numbered_by_whole_frames():
    framer = Framer()
    framer.push(bytes(FRAME_BYTES))
    framer.skip(48_000)
    ((number, _),) = framer.push(bytes(FRAME_BYTES))
    assert number == 51


def test_many_small_losses_add_up_to_the_time_that_has_passed():
    framer = Framer()
    passed = 0
    for _ in range(200):
        framer.push(bytes(2 * 700))  # leaves a part of a frame each time
        framer.skip(1000)
        passed += 1700
    ((number, _),) = framer.push(bytes(FRAME_BYTES))
    assert abs(number * 960 - passed) <= 480
