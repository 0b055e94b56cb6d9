"""The command line. Each command is imported when it is called, so that `--help` is quick."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

import click

from community_flow.adapters.keys import KeyTrouble
from community_flow.domain.errors import FlowError
from community_flow.settings import BadSetting, Settings

COMMANDS = {
    "init": "community_flow.commands.server:init",
    "serve": "community_flow.commands.server:serve",
    "worker": "community_flow.commands.worker:worker",
    "user": "community_flow.commands.users:user",
    "token": "community_flow.commands.users:token",
    "audit": "community_flow.commands.audit:audit",
    "keys": "community_flow.commands.keys:keys",
    "device": "community_flow.commands.devices:device",
    "people": "community_flow.commands.people:people",
    "passes": "community_flow.commands.passes:passes",
    "rebuild": "community_flow.commands.flow:rebuild",
    "trace": "community_flow.commands.tracing:trace",
    "export": "community_flow.commands.tracing:export",
    "mqtt": "community_flow.commands.mqtt:mqtt",
    "demo": "community_flow.commands.demo:demo",
    "notify": "community_flow.commands.notify:notify",
    "retention": "community_flow.commands.retention:retention",
    "backup": "community_flow.commands.backup:backup",
    "restore": "community_flow.commands.backup:restore",
    "doctor": "community_flow.commands.server:doctor",
}


class Lazy(click.Group):
    """Looks a command up in COMMANDS and turns refusals into one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        from community_flow.wiring.logs import configure

        try:
            configure(settings().log)
            return super().invoke(ctx)
        except (FlowError, KeyTrouble, BadSetting) as error:
            raise click.ClickException(str(error)) from error


@click.command(cls=Lazy)
@click.version_option(package_name=None, version=__import__("community_flow").__version__)
def main() -> None:
    """Community Flow: people-flow of neighbourhoods."""


def settings() -> Settings:
    """Settings of this call."""
    return Settings.from_env(os.environ)


def fail(message: str) -> None:
    """One sentence on standard error, exit 1."""
    click.echo(message, err=True)
    sys.exit(1)
