"""The pace of reads: nothing waits while the quota is far, everything waits when Azure says so."""

from __future__ import annotations

import threading
import time

import pytest

from lockdown.cloud.client import REFILL, StoppedError, SubscriptionPace
from lockdown.cloud.workers import in_order


class Time:
    """A clock that waiting moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


def paced() -> tuple[SubscriptionPace, Time]:
    clock = Time()
    return SubscriptionPace(clock.wait, lambda: clock.now), clock


def test_nothing_waits_while_the_quota_is_far() -> None:
    pace, clock = paced()
    for left in ("249", "26", "", "many"):
        pace.wait("s")
        pace.learn("s", 200, left, None)
    assert clock.now == 100.0


def test_near_its_end_requests_go_out_as_fast_as_the_quota_fills_up() -> None:
    pace, clock = paced()
    pace.learn("s", 200, "25", None)
    for _ in range(26):
        pace.wait("s")
    assert clock.now == pytest.approx(100.0 + 25 / REFILL)
    pace.learn("s", 200, "200", None)
    pace.wait("s")
    before = clock.now
    pace.wait("s")
    assert clock.now == before


def test_a_refusal_holds_every_thread_back_but_other_subscriptions_go_on() -> None:
    pace, clock = paced()
    pace.learn("s", 429, "0", 17.0)
    pace.wait("other")
    assert clock.now == 100.0
    pace.wait("s")
    assert clock.now == 117.0
    pace.learn("s", 429, "", None)
    pace.wait("s")
    assert clock.now == pytest.approx(118.0)


def test_a_wait_that_is_ended_sends_nothing() -> None:
    pace = SubscriptionPace(lambda _: True)
    pace.learn("s", 429, "0", 60.0)
    with pytest.raises(StoppedError):
        pace.wait("s")


def test_results_come_in_the_order_of_the_tasks_and_few_are_begun() -> None:
    begun: list[int] = []

    def work(task: int) -> int:
        begun.append(task)
        time.sleep(0.002 * (task % 3))
        return task * 2

    seen = []
    for task, result in in_order(range(50), work, threads=8, ahead=10):
        seen.append((task, result))
        assert max(begun) <= task + 10
    assert seen == [(task, task * 2) for task in range(50)]
    assert list(in_order([], work, threads=8, ahead=10)) == []


def test_an_error_comes_at_once_and_nobody_waits_for_the_others() -> None:
    hold = threading.Event()

    def work(task: int) -> None:
        if task == 3:
            raise ValueError(task)
        hold.wait(30)

    started = time.monotonic()
    with pytest.raises(ValueError, match="3"):
        list(in_order(range(20), work, threads=8, ahead=16))
    assert time.monotonic() - started < 5
    hold.set()


def test_leaving_early_does_not_wait() -> None:
    hold = threading.Event()

    def work(task: int) -> int:
        if task:
            hold.wait(30)
        return task

    results = in_order(range(20), work, threads=4, ahead=8)
    assert next(results) == (0, 0)
    started = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 5
    hold.set()
