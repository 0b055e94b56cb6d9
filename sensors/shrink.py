"""Making pictures smaller at little cost."""

from __future__ import annotations

from sensors.frames import Picture


def shrunk(picture: Picture, width: int, height: int) -> Picture:
    """``picture`` at another size.

    Averaging over whole pixels costs a tenth of averaging over parts of them, so that is done first; what is left,
    less than a factor of two, is interpolated.
    """
    import cv2

    steps = min(picture.shape[1] // max(width, 1), picture.shape[0] // max(height, 1))
    if steps >= 2:
        high, wide = picture.shape[0] // steps, picture.shape[1] // steps
        whole = picture[: high * steps, : wide * steps]
        picture = cv2.resize(whole, (wide, high), interpolation=cv2.INTER_AREA)
    if picture.shape[:2] == (height, width):
        return picture
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
