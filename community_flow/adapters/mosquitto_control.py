"""Accounts at a Mosquitto, through its dynamic-security plugin: a connection for each change, so that it works alike in
the server and on the command line. The broker hashes passwords itself and gives none back."""

from __future__ import annotations

import json
import queue
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from paho.mqtt.client import Client

from community_flow.adapters.mosquitto_setup import CONTROL, CONTROL_ANSWERS, role_name, role_of
from community_flow.adapters.mqtt_client import Server, close_client, new_client, open_client
from community_flow.ports.broker import BrokerAccount, BrokerAway

ANSWER_S = 5.0
PAGE = 500
AT_ONCE = 50
"""Accounts in one message: some 40 KiB, and the broker writes its file once for each command in it."""

GONE = ("Client not found", "Role not found")
"""What may be said of something that is to be removed."""

THERE = ("Client already exists", "Role already exists")
"""Two processes may make the same account at once, both with the token that is good now."""

Command = dict[str, Any]


class MosquittoControl:
    """The port Broker on a real Mosquitto."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def accounts(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        with self._line() as line:
            self._guarded(line)
            while True:
                asked: Command = {"command": "listClients", "verbose": True, "count": PAGE, "offset": len(found)}
                clients = line.ask([asked])[0].get("data", {}).get("clients", [])
                found |= {each["username"]: each.get("textname", "") for each in clients}
                if len(clients) < PAGE:
                    return found

    def _guarded(self, line: _Line) -> None:
        """The topic says who speaks: a broker that lets anybody write anywhere may not be listened to."""
        rules = line.ask([{"command": "getDefaultACLAccess"}])[0].get("data", {}).get("acls", [])
        if any(each["allow"] for each in rules if each["acltype"] in ("publishClientSend", "subscribe")):
            raise BrokerAway(
                f"The MQTT broker {self.server} allows what no role allows, so any device could speak for any other: "
                "use the files of `python -m community_flow mqtt setup`."
            )

    def allow(self, account: BrokerAccount) -> bool:
        missing = self._missing(account)
        if not missing:
            return False
        # The broker cuts everybody whose role has changed, so also this connection, before it can hear the answer.
        with suppress(BrokerAway), self._line() as line:
            line.ask([{"command": "addRoleACL", "rolename": role_name(account.username), **each} for each in missing])
        if still := self._missing(account):
            raise BrokerAway(
                f"The MQTT broker {self.server} does not let {account.username} speak of {still[0]['topic']}."
            )
        return True

    def _missing(self, account: BrokerAccount) -> list[Command]:
        """What the account's role is yet to allow."""
        with self._line() as line:
            named: Command = {"command": "getRole", "rolename": role_name(account.username)}
            found = line.ask([named])[0].get("data", {}).get("role", {}).get("acls", [])
        there = {(each["acltype"], each["topic"]) for each in found if each["allow"]}
        return [each for each in role_of(account)["acls"] if (each["acltype"], each["topic"]) not in there]

    def put(self, accounts: Sequence[BrokerAccount]) -> None:
        if not accounts:
            return
        with self._line() as line:
            for some in _parts(accounts):
                answers = line.ask([command for each in some for command in _making(each)], allowed=THERE)
                made = [not each.get("error") for each in answers if each["command"] == "createClient"]
                known = [each for each, new in zip(some, made, strict=True) if not new]
                self._renew(line, known)

    def _renew(self, line: _Line, accounts: Sequence[BrokerAccount]) -> None:
        """Accounts that are there already are made anew if they are not as they should be: that cuts who is connected
        with the old password. One that another process has just made is left alone."""
        if not accounts:
            return
        asked = line.ask([{"command": "getClient", "username": each.username} for each in accounts], allowed=GONE)
        marks = [each.get("data", {}).get("client", {}).get("textname") for each in asked]
        stale = [each for each, mark in zip(accounts, marks, strict=True) if mark != each.mark]
        if stale:
            line.ask(list(_ending(each.username for each in stale)), allowed=GONE)
            line.ask([command for each in stale for command in _making(each)], allowed=THERE)

    def remove(self, usernames: Collection[str]) -> None:
        if not usernames:
            return
        with self._line() as line:
            for some in _parts(sorted(usernames)):
                line.ask(list(_ending(some)), allowed=GONE)

    @contextmanager
    def _line(self) -> Iterator[_Line]:
        line = _Line(self.server)
        try:
            line.open()
            yield line
        except OSError as error:
            raise BrokerAway(f"The MQTT broker {self.server} does not answer ({error}).") from error
        finally:
            line.close()


class _Line:
    """One connection to the plugin."""

    def __init__(self, server: Server) -> None:
        self.server, self.client = server, new_client(server)
        self._heard: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.client.on_connect = self._connected
        self.client.on_subscribe = self._subscribed
        self.client.on_disconnect = self._ended
        self.client.on_message = lambda _client, _data, message: self._heard.put(("answer", message.payload))

    def open(self) -> None:
        open_client(self.client, self.server)
        self._await("connected")
        self.client.subscribe(CONTROL_ANSWERS)
        self._await("subscribed")

    def close(self) -> None:
        close_client(self.client)

    def ask(self, commands: Sequence[Command], allowed: Collection[str] = ()) -> list[dict[str, Any]]:
        """Answers in the order of the commands; raises BrokerAway for an error that is not allowed."""
        # Answers go to everybody who listens for any: ours carry a mark of our own.
        mark = secrets.token_hex(8)
        marked = [{**each, "correlationData": mark} for each in commands]
        self.client.publish(CONTROL, json.dumps({"commands": marked}))
        answers: list[dict[str, Any]] = []
        while not answers:
            answers = [
                each for each in json.loads(self._await("answer"))["responses"] if each.get("correlationData") == mark
            ]
        for each in answers:
            if each.get("error") and each["error"] not in allowed:
                raise BrokerAway(f"The MQTT broker refuses {each['command']}: {each['error']}.")
        return answers

    def _await(self, wanted: str) -> Any:
        until_s = time.monotonic() + ANSWER_S
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                kind, found = self._heard.get(timeout=left_s)
            except queue.Empty:
                break
            if kind == "refused":
                raise BrokerAway(f"The MQTT broker {self.server} refuses this program ({found}): see FLOW_MQTT_URL.")
            if kind == wanted:
                return found
        raise BrokerAway(f"The MQTT broker {self.server} did not answer within {ANSWER_S:.0f} s.")

    def _connected(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._heard.put(("refused", str(reason)) if reason.is_failure else ("connected", None))

    def _subscribed(self, _client: Client, _data: Any, _mid: int, reasons: list[Any], _properties: Any) -> None:
        failed = [str(each) for each in reasons if each.is_failure]
        self._heard.put(("refused", failed[0]) if failed else ("subscribed", None))

    def _ended(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._heard.put(("refused", str(reason)))


def _making(account: BrokerAccount) -> Iterator[Command]:
    yield {"command": "createRole", **role_of(account)}
    yield {
        "command": "createClient", "username": account.username, "password": account.password,
        "textname": account.mark, "roles": [{"rolename": role_name(account.username)}],
    }  # fmt: skip


def _ending(usernames: Iterable[str]) -> Iterator[Command]:
    for name in usernames:
        yield {"command": "deleteClient", "username": name}
        yield {"command": "deleteRole", "rolename": role_name(name)}


def _parts(all_of_them: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(all_of_them), AT_ONCE):
        yield all_of_them[start : start + AT_ONCE]
