"""A box that is told what to do: it shows a code until somebody claims it, then runs what its server says, and goes
back by itself to what worked when something new does not."""

from __future__ import annotations

import importlib.util
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sensors import faults
from sensors.agent import Agent
from sensors.box_folder import BoxFolder
from sensors.box_link import BoxLink, Link, Said
from sensors.box_mqtt import BoxOverMqtt, EitherWay
from sensors.config import AgentConfig, BadConfig, Told, told_from
from sensors.show_code import as_text, write_picture
from sensors.still import Still, jpeg
from sensors.uplink_http import BackOff, NoAnswer

log = logging.getLogger("sensors")

TRIAL_S = 30.0
"""So long something new has to come up; a stream takes its time to answer."""
SETTLED_S = 2.0
MOST_STARTS = 2
"""Starts that may end in the middle of a trial: the first may be a power cut, the second is no chance."""
PICTURE_S = 10.0
POLL_S = 5.0
FATAL = (faults.CAMERA_LOST, faults.SOURCE_BAD, faults.SOURCE_LOST)
"""A missing model is no reason to go back: motion counts meanwhile, and the fault is told."""

LATER = frozenset({401, 429})
"""Answers to what may be said again: not trusted yet, or too much at once."""

NOTHING = Told(())


class NotClaimed(RuntimeError):
    """The box cannot be claimed as asked; the message names the remedy."""


class Box:
    """Everything it keeps lies in one folder; before it is claimed that is a code and nothing else."""

    def __init__(
        self, folder: Path, server: str = "", *, ca_file: Path | None = None, qr_file: Path | None = None,
        trial_s: float = TRIAL_S, poll_s: float | None = None, show: Callable[[str], None] = print,
        enrolled: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        """``enrolled`` is {device, token, mqtt} of a box that reaches only a broker, so that nobody can claim it."""
        self.folder = BoxFolder(folder)
        known = self.folder.read("identity")
        self._server = server or str(known.get("server", ""))
        self._ca_file = ca_file or (Path(known["ca_file"]) if known.get("ca_file") else None)
        if enrolled and enrolled["device"] != known.get("device"):  # else it may have a newer token by now
            self._be(known := enrolled)
        if not self._server and not known.get("mqtt"):
            raise NotClaimed("Which server? Give --server https://… once; the box remembers it when it is claimed.")
        self._qr_file, self._trial_s, self._poll_s, self._show = qr_file, trial_s, poll_s, show
        self._stop = threading.Event()
        self._agent: Agent | None = None
        self._thread: threading.Thread | None = None
        self._version = 0
        self._tag = ""
        self._untold: list[tuple[int, str, str | None]] = []
        self._hoped: dict[str, Any] = {}
        """What runs though it did not come up, because nothing worked before: a camera may yet be plugged in."""
        self._back_off = BackOff(first_s=6, most_s=30)
        self._uses_next = False
        """Whether the link speaks with the token that comes, see `_change_tokens`."""

    def stop(self) -> None:
        self._stop.set()

    def run(self, code: str = "") -> None:
        """Until `stop`."""
        if code:
            self._be(self._with_code(code))
        while not self.folder.read("identity") and not self._stop.is_set():
            self._wait_to_be_claimed()
        if self._stop.is_set():
            return
        self._link = self._linked()
        try:
            self._begin()
            while not self._stop.is_set():
                self._stop.wait(self._turn())
        finally:
            self._end_agent()
            self._link.close()

    # --- claim ----------------------------------------------------------------------------------------------------

    def _with_code(self, code: str) -> dict[str, Any]:
        said = BoxLink(self._server, ca_file=self._ca_file).claim(code)
        if said.status != 200:
            raise NotClaimed(said.trouble)
        return said.body

    def _wait_to_be_claimed(self) -> None:
        """One code, until it is entered or has ended."""
        link = BoxLink(self._server, ca_file=self._ca_file)
        asked, back_off, shown = self.folder.read("request"), BackOff(most_s=30), ""
        while not self._stop.is_set():
            try:
                if not asked:
                    asked = self._ask(link)
                if asked["code"] != shown:
                    shown = asked["code"]
                    self._present(asked)
                said = link.poll(asked["secret"])
                back_off.succeeded()
            except NoAnswer as error:
                log.warning("Not claimed yet: %s", error)
                self._stop.wait(back_off.failed())
                continue
            if said.status == 404:
                self.folder.forget("request")
                return
            if said.body.get("state") == "claimed":
                self._be(said.body)
                return
            self._stop.wait(self._poll_s or said.body.get("poll_s", POLL_S))

    def _ask(self, link: BoxLink) -> dict[str, Any]:
        said = link.ask_to_be_claimed()
        if said.status != 201:
            raise NoAnswer(f"{self._server} gives no code: {said.trouble}")
        self.folder.write("request", said.body)
        return said.body

    def _present(self, asked: dict[str, Any]) -> None:
        self._show(as_text(asked.get("qr", []), asked["code"], asked.get("link", "")))
        if self._qr_file is not None:
            write_picture(self._qr_file, asked.get("qr", []))

    def _be(self, claimed: dict[str, Any]) -> None:
        """Somebody now. A box that was another device before begins anew; that one's reports go on being sent."""
        self.folder.write(
            "identity",
            {
                "server": self._server, "device": claimed["device"], "token": claimed["token"],
                "mqtt": claimed.get("mqtt", ""), "ca_file": str(self._ca_file or ""),
            },
        )  # fmt: skip
        for name in ("request", "good", "trial", "bad"):
            self.folder.forget(name)
        log.info("This box is the device %s now.", claimed["device"])

    def _linked(self) -> Link:
        who = self.folder.read("identity")
        token = who["next"] if self._uses_next and "next" in who else who["token"]
        ways: list[Link] = [BoxLink(self._server, token, self._ca_file)] if self._server else []
        if who.get("mqtt") and (not ways or _has_mqtt()):
            ways.append(BoxOverMqtt(who["mqtt"], who["device"], token, self._ca_file))
        return ways[0] if len(ways) == 1 else EitherWay(ways)

    def _link_again(self) -> None:
        self._link.close()
        self._link, self._tag = self._linked(), ""

    # --- what it is told ------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Run what worked last. What was being tried when the box stopped gets one more chance."""
        trial = self.folder.read("trial")
        if trial.get("starts", 0) >= MOST_STARTS:
            self._failed(trial["version"], faults.INTERRUPTED)
        good = self.folder.read("good")
        self._start(good.get("version", 0), self._parsed(good.get("document", {"sensor": []})))

    def _parsed(self, document: Any) -> Told:
        try:
            return told_from(document, self.folder.path)
        except BadConfig as error:  # written by a later version of this program
            log.error("What worked before cannot be read any more: %s", error)
            return NOTHING

    def _turn(self) -> float:
        """Ask what to do, and do it; seconds until the next time."""
        try:
            if self._hoped and not self._missing():
                self._works(**self._hoped)
            if "next" in self.folder.read("identity"):
                self._settle_token()
            self._tell()
            said = self._link.settings(self._tag)
            if said.status == 401:
                self._change_tokens()
            if said.status not in (200, 304):
                raise NoAnswer(f"The server does not say what to do: {said.trouble}")
            if said.status == 200:
                self._tag = said.tag
                self._obey(said)
        except NoAnswer as error:
            self._tag, wait_s = "", self._back_off.failed()
            if self._back_off.failures in (1, 10):
                log.warning("%s", error)
            return wait_s
        self._back_off.succeeded()
        return self._poll_s or POLL_S

    def _obey(self, said: Said) -> None:
        if said.body.get("rotate"):
            self._take_token()
        wish = said.body.get("picture")
        if wish:
            self._give_picture(wish["wish"], wish.get("sensor", 0))
        version, document = said.body.get("version", 0), said.body.get("config")
        if not version or version == self._version:
            return
        if version != self.folder.read("bad").get("version"):
            self._try(version, document)
        elif not self.folder.read("good") and self.folder.read("bad").get("reason") != faults.INTERRUPTED:
            self._hope(version, document)

    def _try(self, version: int, document: Any) -> None:
        """Run something new; keep it when it comes up, else go back and say why."""
        starts = self.folder.read("trial").get("starts", 0) if self._tried(version) else 0
        self.folder.write("trial", {"version": version, "starts": starts + 1})
        try:
            told = told_from(document, self.folder.path)
        except BadConfig as error:
            self._failed(version, str(error))
            return
        self._end_agent()
        self._start(version, told)
        why = self._came_up()
        if why is None:
            self._works(version, document)
        elif not self._stop.is_set():
            self._failed(version, why)
            self._go_back(version, document)
        self._tell()

    def _works(self, version: int, document: Any) -> None:
        self.folder.write("good", {"version": version, "document": document})
        self.folder.forget("trial")
        if self.folder.read("bad").get("version") == version:
            self.folder.forget("bad")
        self._hoped = {}
        self._untold.append((version, "running", None))

    def _go_back(self, version: int, document: Any) -> None:
        """To what worked last. Where nothing ever did, go on with what was tried."""
        good = self.folder.read("good")
        if not good:
            self._hoped = {"version": version, "document": document}
            return
        self._end_agent()
        self._start(good["version"], self._parsed(good["document"]))
        self._untold.append((good["version"], "running", None))

    def _hope(self, version: int, document: Any) -> None:
        """After a start, the same again."""
        try:
            told = told_from(document, self.folder.path)
        except BadConfig:
            return
        self._end_agent()
        self._start(version, told)
        self._hoped = {"version": version, "document": document}

    def _tried(self, version: int) -> bool:
        return bool(self.folder.read("trial").get("version") == version)

    def _failed(self, version: int, why: str) -> None:
        words = faults.MEANINGS.get(why) or faults.TRIALS.get(why, why)
        log.error("Version %d does not work, the one before goes on: %s", version, words)
        self.folder.write("bad", {"version": version, "reason": why})
        self.folder.forget("trial")
        self._untold.append((version, "failed", why))

    def _came_up(self) -> str | None:
        """None when everything works, else what does not after all this time."""
        end_s, good_s, why = time.monotonic() + self._trial_s, 0.0, faults.INTERRUPTED
        while not self._stop.wait(0.1):
            why, now_s = self._missing(), time.monotonic()
            if not why:
                good_s = good_s or now_s
                if now_s - good_s >= min(SETTLED_S, self._trial_s / 4):
                    return None
            else:
                good_s = 0.0
            if now_s > end_s:
                return why or None
        return why

    def _missing(self) -> str:
        """What is not as it should be; empty when nothing is."""
        assert self._agent is not None
        wrong = [each for each in FATAL if each in self._agent.desk.faults()]
        if wrong:
            return wrong[0]
        if any(not each.seen for each in self._stills()):
            return faults.NO_PICTURE
        return "" if self._agent.answered else faults.NO_STATUS

    def _tell(self) -> None:
        while self._untold:
            said = self._link.told(*self._untold[0])
            if said.status in LATER or said.status >= 500:
                raise NoAnswer(f"The server does not hear what runs: {said.trouble}")
            self._untold.pop(0)

    # --- the agent ------------------------------------------------------------------------------------------------

    def _start(self, version: int, told: Told) -> None:
        who = self.folder.read("identity")
        config = AgentConfig(
            device=who["device"], server=self._server, token=who["token"], outbox=self.folder.path / "outbox.sqlite",
            sensors=told.sensors, heartbeat_s=told.heartbeat_s, ca_file=self._ca_file,
            mqtt=who.get("mqtt", "") if _has_mqtt() or not self._server else "", config=version,
        )  # fmt: skip
        self._version, self._hoped, self._agent = version, {}, Agent(config, lasting=True)
        self._thread = threading.Thread(target=self._agent.run, name=f"version {version}", daemon=True)
        self._thread.start()

    def _end_agent(self) -> None:
        if self._agent is not None and self._thread is not None:
            self._agent.stop()
            self._thread.join()
            self._agent = self._thread = None

    def _stills(self) -> list[Still]:
        sensors = self._agent.sensors if self._agent else []
        return [found for each in sensors if isinstance(found := getattr(each, "still", None), Still)]

    def _give_picture(self, wish: str, sensor: int) -> None:
        stills = self._stills()
        picture = stills[sensor].take(PICTURE_S) if sensor < len(stills) else None
        if picture is not None:
            said = self._link.picture(wish, jpeg(picture))
        else:
            said = self._link.no_picture(wish, faults.NO_PICTURE if stills else faults.CAMERA_LOST)
        if said.status not in (200, 404):
            log.warning("The picture was not taken: %s", said.trouble)

    # --- the next token -------------------------------------------------------------------------------------------

    def _take_token(self) -> None:
        """The next token is on the disk before the one before it ends."""
        who = self.folder.read("identity")
        if "next" not in who:
            said = self._link.next_token()
            if said.status != 200:
                return
            self.folder.write("identity", {**who, "next": said.body["token"]})
        self._settle_token()

    def _settle_token(self) -> None:
        """Say that the next token is here, until that is answered; then be with it."""
        who = self.folder.read("identity")
        said = self._link.took_token(who["next"])
        if said.status == 401:
            self._change_tokens()
        elif said.status == 409:  # the server forgot it, as when its store was taken from a backup: ask for another
            self.folder.write("identity", _without_next(who))
        if said.status != 200:
            raise NoAnswer(f"The server does not take the next token: {said.trouble}")
        self.folder.write("identity", _without_next(who) | {"token": who["next"]})
        self._uses_next = False
        self._link_again()
        good = self.folder.read("good")
        self._end_agent()
        self._start(good.get("version", 0), self._parsed(good.get("document", {"sensor": []})))

    def _change_tokens(self) -> None:
        """Refused while two tokens are here: the answer that would have ended the old one may have been lost on its
        way, or the new one is not known yet. So both are tried, in turn, and neither is thrown away."""
        if "next" in self.folder.read("identity"):
            self._uses_next = not self._uses_next
            self._link_again()


def _without_next(who: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in who.items() if name != "next"}


def _has_mqtt() -> bool:
    return importlib.util.find_spec("paho") is not None
