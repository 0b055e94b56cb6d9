"""Writers follow one another; a loop of short transactions keeps nobody out."""

from __future__ import annotations

import threading

from community_flow.adapters.sql.in_turn import InTurn
from tests.services import wait_until


def test_owners_follow_in_the_order_in_which_they_asked() -> None:
    lock, order, threads = InTurn(), [], []

    def own(name: int) -> None:
        with lock:
            order.append(name)

    with lock:
        for name in range(20):
            threads.append(threading.Thread(target=own, args=(name,)))
            threads[-1].start()
            wait_until(lambda: len(lock._waiting) == len(threads), "a place in the queue")
    for thread in threads:
        thread.join()
    assert order == list(range(20))


def test_a_greedy_loop_lets_others_in_after_one_turn() -> None:
    lock, turns, done = InTurn(), [], threading.Event()

    def greedy() -> None:
        while not done.is_set():
            with lock:
                turns.append("greedy")

    thread = threading.Thread(target=greedy)
    thread.start()
    wait_until(lambda: len(turns) > 100, "many turns")
    for _ in range(50):
        with lock:
            before = len(turns)
            asked = threading.Thread(target=lock.__enter__)
            asked.start()
            wait_until(lambda: len(lock._waiting) == 2, "both in the queue")
        asked.join()
        assert len(turns) <= before + 1
        lock.__exit__()
    assert lock.crowded()
    done.set()
    thread.join()


def test_an_error_inside_hands_the_lock_on() -> None:
    lock = InTurn()
    for _ in range(2):
        try:
            with lock:
                raise KeyError
        except KeyError:
            pass
    assert not lock.crowded()
