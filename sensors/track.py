"""Which box is whom: boxes of one frame joined to the tracks of the frames before.

Four passes, each over what the one before left: overlap of boxes grown by a buffer, close to where one is expected; the
same with weak boxes (someone half hidden); overlap farther off; then distance between centres, allowed to grow with box
WIDTH and time. A gate that grows with height would swap tall people who stand close.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sensors.boxes import Boxes, overlaps, round_two

if TYPE_CHECKING:
    from sensors.boxes import Floats

SURE = 0.35
"""Score that begins a track."""

CONFIRMED, CONFIRMED_S = 3, 0.15
"""Times and for how long a track must be seen before it may cross anything: thirty pictures a second show three boxes
of nobody in a tenth of one."""

SPARSE_S = 0.25
"""Where pictures are so far apart, two sights must do: a rider is gone before the third."""

FAR_S = 0.15
"""Pictures that are so far apart let somebody who was only just seen stand where another is expected."""

BUFFER = 0.3
"""Share of its size by which a box grows on each side before overlap is looked at."""

LEAST_OVERLAP = 0.15
WIDTHS_PER_S = 2.5
"""Widths that a centre may be off its predicted place, per second since it was seen: a brisk walk side on."""

SLACK_WIDTHS = 0.6
MOST_WIDTHS = 2.5
MOST_REACH = 2.0
"""The same for a box that overlaps: half a body hidden moves its centre."""

WAY, WAY_S = 8, 0.85
"""Centres that a walker's speed is taken from, and from how long ago: with few pictures a second, eight are history."""

KEPT_S = 0.75
"""With many a second, eight are less than a step: more are kept then."""

LEAST_WAY = 4

LOST_S = 1.5
"""A walker not seen for so long is over."""

STOOD_S = 5.0
"""Someone who stood when last seen is expected there for longer."""

STEADY_S = 0.075
"""Boxes so close in time are taken together: with thirty pictures a second a walker stays in place between two, and one
box of three that trembles or is somebody else's moves nobody. Ten a second are each taken as they are."""

NEAR_S = 0.5
"""A walker seen so lately is where he is expected."""

SLOW = 0.3
"""Widths a second below which someone stands."""


@dataclass
class Track:
    """One walker. ``way`` are its last centres (t_s, x, y); ``score`` the running mean of its boxes' scores."""

    number: int
    corners: Floats
    seen_s: float
    score: float
    begun_s: float = 0.0
    hits: int = 1
    confirmed: bool = False
    fresh: bool = False
    """It was confirmed by this very sight: nobody has heard of it before."""
    lately: list[tuple[float, Floats]] = field(default_factory=list)
    """Its boxes of the last STEADY_S, as they were found; ``corners`` is what they come to."""
    pace: tuple[float, float] = (0.0, 0.0)
    """Pixels a second, across and down."""
    way: deque[tuple[float, float, float]] = field(default_factory=deque)

    @property
    def centre(self) -> tuple[float, float]:
        left, top, right, bottom = (float(part) for part in self.corners)
        return (left + right) / 2, (top + bottom) / 2

    @property
    def width(self) -> float:
        return float(self.corners[2] - self.corners[0])

    def moved(self, t_s: float) -> Floats:
        """Where its box should be at ``t_s``; a speed is not trusted for longer than half a second."""
        ahead = min(t_s - self.seen_s, 0.5)
        return _carried(self.corners, self.pace, ahead)

    def seen(self, corners: Floats, score: float, t_s: float) -> None:
        """Take a box as the track's next."""
        self.lately = [each for each in self.lately if t_s - each[0] <= STEADY_S] + [(t_s, corners)]
        self.corners = corners if len(self.lately) == 1 else self._steady(t_s)
        self.way.append((t_s, *self.centre))
        while len(self.way) > WAY and t_s - self.way[0][0] > KEPT_S:
            self.way.popleft()
        self.pace = _slope(self.way)
        self.score += (score - self.score) * 0.3
        self.seen_s, self.hits = t_s, self.hits + 1

    def _steady(self, t_s: float) -> Floats:
        """The middle one of its boxes of lately, each carried on to ``t_s``, edge by edge."""
        carried = np.sort([_carried(corners, self.pace, t_s - each_s) for each_s, corners in self.lately], axis=0)
        middle = len(carried) // 2
        return np.asarray((carried[middle] + carried[-1 - middle]) / 2, np.float32)


class Tracker:
    """Tracks of one camera. `update` gives the confirmed ones seen in this frame; `over` those that ended with it."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self.over: list[int] = []
        self._next = 1
        self._last_s, self._step_s = 0.0, 0.0

    def rest(self, passed_s: float) -> None:
        """Nothing moved for so long and nobody looked: nobody is lost by that."""
        for track in self.tracks:
            track.seen_s += passed_s
            track.way.clear()
            track.pace = (0.0, 0.0)

    def update(self, boxes: Boxes, t_s: float) -> list[Track]:
        """Join ``boxes`` seen at ``t_s`` to the tracks."""
        self._step_s, self._last_s = t_s - self._last_s, t_s
        boxes = self._of_one(boxes, t_s)
        left = np.flatnonzero(boxes.scores >= SURE)
        weak = np.flatnonzero(boxes.scores < SURE)
        for tracks in self._by_turn():
            left, weak = self._passes(tracks, boxes, left, weak, t_s)
        for place in left:
            self._begin(boxes, int(place), t_s)
        self._end(t_s)
        seen = [track for track in self.tracks if track.seen_s == t_s]
        for track in seen:
            track.fresh = not track.confirmed and self._convinces(track)
            track.confirmed = track.confirmed or track.fresh
        return [track for track in seen if track.confirmed]

    def _of_one(self, boxes: Boxes, t_s: float) -> Boxes:
        """Without boxes round two walkers who are known: that is no third, and tells of neither where he is."""
        known = [each.moved(t_s) for each in self.tracks if each.confirmed and t_s - each.seen_s <= NEAR_S]
        if len(known) < 2:
            return boxes
        there = np.stack(known)
        return boxes.only([not round_two(each, there) for each in boxes.corners])

    def _convinces(self, track: Track) -> bool:
        if self._step_s >= SPARSE_S:
            return track.hits >= 2
        return track.hits >= CONFIRMED and track.seen_s - track.begun_s >= CONFIRMED_S

    def _by_turn(self) -> Sequence[list[Track]]:
        """Whose turn it is to take boxes: where walkers step far between pictures, first those who are known."""
        if self._step_s < FAR_S:
            return (self.tracks,)
        return [each for each in self.tracks if each.confirmed], [each for each in self.tracks if not each.confirmed]

    def _passes(self, tracks: list[Track], boxes: Boxes, sure: Any, weak: Any, t_s: float) -> tuple[Any, Any]:
        """The passes over ``tracks``; the (sure, weak) boxes that they left."""
        sure = self._join(tracks, boxes, sure, t_s, _by_overlap_near)
        weak = self._join(_unseen(tracks, t_s), boxes, weak, t_s, _by_overlap_near)
        sure = self._join(_unseen(tracks, t_s), boxes, sure, t_s, _by_overlap_far)
        return self._join(_unseen(tracks, t_s), boxes, sure, t_s, _by_distance), weak

    def _join(self, tracks: list[Track], boxes: Boxes, which: Any, t_s: float, cost_of: Any) -> Any:
        """Give each track its cheapest box, dearest pairs last; what no track took is returned."""
        if not tracks or not len(which):
            return which
        costs = cost_of(tracks, boxes.corners[which], t_s)
        taken: set[int] = set()
        for row, column in cheapest_pairs(costs):
            place = int(which[column])
            tracks[row].seen(boxes.corners[place], float(boxes.scores[place]), t_s)
            taken.add(column)
        return np.array([place for at, place in enumerate(which) if at not in taken], int)

    def _begin(self, boxes: Boxes, place: int, t_s: float) -> None:
        track = Track(self._next, boxes.corners[place], t_s, float(boxes.scores[place]), t_s)
        track.way.append((t_s, *track.centre))
        track.lately.append((t_s, track.corners))
        self.tracks.append(track)
        self._next += 1

    def _end(self, t_s: float) -> None:
        """End who was not seen for long; someone seen once or twice only is forgotten sooner."""
        self.over = [track.number for track in self.tracks if t_s - track.seen_s > _patience(track)]
        self.tracks = [track for track in self.tracks if track.number not in self.over]


def _carried(corners: Floats, pace: tuple[float, float], passed_s: float) -> Floats:
    x, y = pace[0] * passed_s, pace[1] * passed_s
    return corners + np.array([x, y, x, y], np.float32)


def _unseen(tracks: list[Track], t_s: float) -> list[Track]:
    return [track for track in tracks if track.seen_s < t_s]


def _patience(track: Track) -> float:
    if not track.confirmed:
        return LOST_S / 3
    return STOOD_S if math.hypot(*track.pace) < SLOW * track.width else LOST_S


def cheapest_pairs(costs: Any) -> list[tuple[int, int]]:
    """(row, column) pairs by rising cost, each row and column once; infinite costs never pair."""
    pairs: list[tuple[int, int]] = []
    rows, columns = set(range(costs.shape[0])), set(range(costs.shape[1]))
    for place in np.argsort(costs, axis=None):
        row, column = divmod(int(place), costs.shape[1])
        if not math.isfinite(costs[row, column]):
            break
        if row in rows and column in columns:
            pairs.append((row, column))
            rows.discard(row)
            columns.discard(column)
    return pairs


def _slope(way: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Pixels a second along ``way`` by least squares, because legs swing a box from frame to frame."""
    recent = [each for each in way if way[-1][0] - each[0] <= WAY_S]
    way = recent if len(recent) >= LEAST_WAY else list(way)[-LEAST_WAY:]
    if len(way) < 3:
        return 0.0, 0.0
    count = len(way)
    mean_t, mean_x, mean_y = (sum(each[axis] for each in way) / count for axis in range(3))
    spread = sum((t - mean_t) ** 2 for t, _, _ in way)
    across = sum((t - mean_t) * (x - mean_x) for t, x, _ in way) / spread
    down = sum((t - mean_t) * (y - mean_y) for t, _, y in way) / spread
    return across, down


def _by_overlap(tracks: list[Track], corners: Floats, t_s: float) -> Any:
    there = np.stack([track.moved(t_s) for track in tracks])
    shared = overlaps(_grown(there), _grown(corners))
    return np.where(shared >= LEAST_OVERLAP, 1 - shared, np.inf)


def _by_overlap_far(tracks: list[Track], corners: Floats, t_s: float) -> Any:
    """A box farther off is somebody else's or nobody's, however tall boxes overlap."""
    return np.where(_reach(tracks, corners, t_s) <= MOST_REACH, _by_overlap(tracks, corners, t_s), np.inf)


def _by_overlap_near(tracks: list[Track], corners: Floats, t_s: float) -> Any:
    """Where one is expected; of weak boxes elsewhere many are nobody."""
    return np.where(_reach(tracks, corners, t_s) <= 1, _by_overlap(tracks, corners, t_s), np.inf)


def _by_distance(tracks: list[Track], corners: Floats, t_s: float) -> Any:
    """A box of quite another width is somebody else."""
    reach = _reach(tracks, corners, t_s)
    widths = np.array([track.width for track in tracks])[:, None]
    others = (corners[:, 2] - corners[:, 0])[None]
    alike = (others < 2.2 * widths) & (widths < 2.2 * others)
    return np.where((reach <= 1) & alike, reach, np.inf)


def _reach(tracks: list[Track], corners: Floats, t_s: float) -> Any:
    """Distance from where a track should be, in units of what is allowed for it."""
    there = np.stack([track.moved(t_s) for track in tracks])
    apart = np.hypot(*np.moveaxis(_centres(there)[:, None] - _centres(corners)[None], 2, 0))
    widths = (there[:, 2] - there[:, 0])[:, None]
    others = (corners[:, 2] - corners[:, 0])[None]
    passed = np.array([t_s - track.seen_s for track in tracks])[:, None]
    allowed = np.sqrt(widths * others) * np.minimum(SLACK_WIDTHS + WIDTHS_PER_S * passed, MOST_WIDTHS)
    return apart / np.maximum(allowed, 1e-6)


def _grown(corners: Floats) -> Floats:
    by = (corners[:, 2:] - corners[:, :2]) * BUFFER
    return np.concatenate([corners[:, :2] - by, corners[:, 2:] + by], axis=1)


def _centres(corners: Floats) -> Any:
    return (corners[:, :2] + corners[:, 2:]) / 2
