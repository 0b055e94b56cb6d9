"""What stands in the audit log, in words. A code without words here is shown as it is."""

from __future__ import annotations

from flask_babel import lazy_gettext

ACTIONS = {
    "account.add": lazy_gettext("added an account"),
    "account.disable": lazy_gettext("disabled an account"),
    "account.enable": lazy_gettext("enabled an account"),
    "account.link": lazy_gettext("made a one-time sign-in link"),
    "account.password": lazy_gettext("changed a password"),
    "account.token": lazy_gettext("made a personal token"),
    "sign-in": lazy_gettext("signed in"),
    "sign-in.link": lazy_gettext("signed in by link"),
    "sign-in.failed": lazy_gettext("wrong password"),
}


def action_name(action: str) -> str:
    return str(ACTIONS.get(action, action))
