"""The files under docs/deploy hold together, and name only what there is."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
import yaml  # type: ignore[import-untyped]

from community_flow.adapters.prometheus import FIGURES, PREFIX
from community_flow.adapters.redis_traffic import RedisLimits, RedisLink, RedisOnce, RedisRecentIds, RedisSignals
from community_flow.commands import COMMANDS
from community_flow.settings import Settings
from tests.services import Missing, _process, free_port, wait_until

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "docs" / "deploy"
BOX = DEPLOY / "box" / "community-flow-box.service"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))
SETTINGS = {f"FLOW_{name.upper()}" for name in Settings.__dataclass_fields__}
SETTINGS |= {f"FLOW_{name}_URL_FILE" for name in ("DATABASE", "REDIS", "MQTT")}
METRIC = re.compile(r"\b((?:flow|process)_[a-z0-9_]+)\b")
SUFFIXES = ("_bucket", "_sum", "_count")


def declared() -> set[str]:
    return {name if name.startswith("process_") else PREFIX + name for name in FIGURES}


def used_in(text: str) -> set[str]:
    """Metrics that a text names, histograms by their own names."""
    known = declared()
    found = set()
    for name in METRIC.findall(text):
        base = next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name)
        found.add(base if base in known else name)
    return found


# --- metrics ----------------------------------------------------------------------------------------------------------


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana" / "community-flow.json").read_text())
    return found


def rules() -> list[dict[str, Any]]:
    found = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    return [rule for group in found["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    panels = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", ())]
    return panels + [rule["expr"] for rule in rules()]


def test_dashboard_and_rules_name_metrics_that_exist() -> None:
    for expression in expressions():
        assert used_in(expression) <= declared(), expression
        assert expression.count("(") == expression.count(")"), expression
        assert expression.count("{") == expression.count("}"), expression


def test_every_metric_is_on_the_dashboard_and_in_the_documentation() -> None:
    board = set().union(*(used_in(each) for each in expressions()))
    assert declared() - board == set(), "not on docs/deploy/grafana/community-flow.json"
    text = (ROOT / "docs" / "operations.md").read_text()
    documented = {name for name in METRIC.findall(text) if f"`{name}`" in text}
    assert declared() - documented == set(), "not in docs/operations.md"
    assert {name for name in documented if name not in declared()} == set(), "no such metrics"


def test_labels_in_expressions_are_those_of_the_metric() -> None:
    for expression in expressions():
        for name, inside in re.findall(r"\b((?:flow|process)_[a-z0-9_]+)\{([^}]*)\}", expression):
            base = used_in(name).pop()
            figure = FIGURES[base.removeprefix(PREFIX)]
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))
            assert labels <= {*figure.labels, "instance", "job", "le"}, expression


def test_every_counted_figure_is_counted_somewhere() -> None:
    code = "\n".join(
        path.read_text() for path in (ROOT / "community_flow").rglob("*.py") if path.name != "prometheus.py"
    )
    for name in FIGURES:
        quoted = f'"{name}"' in code or (name.endswith("_up") and '_up"' in code)
        assert quoted, f"nothing in the code counts {name}"


def test_names_follow_prometheus() -> None:
    for name, figure in FIGURES.items():
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", name)
        assert (figure.kind == "counter") <= name.endswith("_total"), name
        assert figure.text[-1] != ".", name
        if figure.kind == "histogram":
            assert list(figure.buckets) == sorted(figure.buckets)
            assert name.endswith(("_seconds", "_reports")), "the base unit is in the name"
    assert not [name for name in FIGURES if name.endswith(("_ms", "_millis", "_minutes", "_kb", "_mb"))]


def test_the_dashboard_is_whole() -> None:
    board = dashboard()
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert board["title"] == "Community Flow"
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert panel["title"]
        assert panel["targets"]
        assert panel["datasource"]["uid"] == "${datasource}", "no installation's own data source"


def test_rules_say_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names)) >= 10
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert len(rule["annotations"]["description"]) > 20


def test_promtool_agrees_when_it_is_here() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        assert rules()  # the checks above stand alone
        return
    subprocess.run([promtool, "check", "rules", str(DEPLOY / "prometheus" / "rules.yml")], check=True)


# --- systemd ----------------------------------------------------------------------------------------------------------


def unit(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Sections of a unit; a key may come several times."""
    found: dict[str, list[tuple[str, str]]] = {}
    section = ""
    for line in path.read_text().splitlines():
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line and not line.startswith(("#", ";")):
            key, _, value = line.partition("=")
            found.setdefault(section, []).append((key, value))
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_exists_with_settings_that_exist(path: Path) -> None:
    service = unit(path)["Service"]
    (start,) = [value for key, value in service if key == "ExecStart"]
    words = start.split()
    assert words[1:3] == ["-m", "community_flow"]
    assert words[3] in COMMANDS
    for value in (value for key, value in service if key == "Environment"):
        for name in re.findall(r"(\w+)=", value):
            assert name in SETTINGS, f"{path.name} sets {name}, which nobody reads"
    plain = dict(service)
    assert plain["User"] == "community-flow"
    assert plain["NoNewPrivileges"] == "yes"
    assert plain["ProtectSystem"] == "strict"
    assert plain["UMask"] == "0077"
    assert plain["CapabilityBoundingSet"] == ""
    assert not re.search(r"password|secret", path.read_text(), re.IGNORECASE)


@pytest.mark.parametrize("path", [*UNITS, *TIMERS, BOX], ids=lambda path: path.name)
def test_systemd_reads_the_unit(path: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert unit(path)
        return
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for each in [*DEPLOY.glob("systemd/*"), BOX]:
        text = re.sub(r"/opt/community-flow(/.venv|-box)/bin/python", str(program), each.read_text())
        (tmp_path / each.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", str(tmp_path / path.name)], capture_output=True, text=True, check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "community-flow" in line and "Failed to open" not in line]
    assert not ours, done.stderr


def test_a_boxs_unit_runs_the_agent_on_its_own_folder() -> None:
    (start,) = [value for key, value in unit(BOX)["Service"] if key == "ExecStart"]
    words = start.split()
    assert words[1:5] == ["-m", "sensors", "agent", "${STATE_DIRECTORY}"]
    for word in words[5:]:
        assert not word.startswith("--") or f'"{word}"' in (ROOT / "sensors" / "__main__.py").read_text()
    assert dict(unit(BOX)["Service"])["DynamicUser"] == "yes"


@pytest.mark.parametrize("path", [*UNITS, BOX], ids=lambda path: path.name)
def test_a_unit_is_closed(path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        assert len(unit(path)["Service"]) > 25
        return
    done = subprocess.run(
        [analyze, "security", "--offline=true", str(path)], capture_output=True, text=True, check=False
    )
    score = re.search(r"Overall exposure level for .*: ([\d.]+)", done.stdout)
    if score is None:  # an older systemd cannot do it without running
        assert len(unit(path)["Service"]) > 25
        return
    assert float(score[1]) < 2.5


def test_the_timer_starts_the_backup() -> None:
    assert [path.stem for path in TIMERS] == ["community-flow-backup"]
    assert (DEPLOY / "systemd" / "community-flow-backup.service") in UNITS
    assert "OnCalendar" in dict(unit(TIMERS[0])["Timer"])


# --- compose ----------------------------------------------------------------------------------------------------------


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
    return found


def ours() -> dict[str, dict[str, Any]]:
    return {name: each for name, each in compose()["services"].items() if each["image"] == "community-flow"}


def test_services_of_ours_run_commands_that_exist_with_settings_that_exist() -> None:
    assert "web" in ours()
    for name, service in ours().items():
        assert service["command"][0] in COMMANDS, name
        assert set(service["environment"]) <= SETTINGS, name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["depends_on"]["postgresql"] == {"condition": "service_healthy"}
        mounted = {each.partition(":")[2].partition(":")[0] for each in service["volumes"]}
        assert service["environment"]["FLOW_DATA_DIR"] in mounted, "a container that is made anew must keep its keys"


def test_secrets_are_files_and_each_is_used() -> None:
    known = compose()["secrets"]
    assert all(set(each) == {"file"} for each in known.values())
    used = {secret for service in compose()["services"].values() for secret in service.get("secrets", ())}
    assert used == set(known)
    for name, service in compose()["services"].items():
        for value in service.get("environment", {}).values():
            for path in re.findall(r"/run/secrets/(\w+)", str(value)):
                assert path in service["secrets"], name
    text = (DEPLOY / "compose" / "compose.yaml").read_text()
    assert not re.search(r"(PASSWORD|TOKEN|SECRET)\s*[:=]\s*[^\s/]", text), "a plain secret"
    assert "://" not in re.sub(r"http://127\.0\.0\.1:8000/readyz", "", text), "addresses with passwords stand in files"


def test_every_service_is_watched_and_keeps_what_it_must() -> None:
    services = compose()["services"]
    volumes = compose()["volumes"]
    for name, service in services.items():
        assert "healthcheck" in service, name
        assert service["restart"] == "unless-stopped", name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert source.startswith("./") or source in volumes, name
        host = service["image"].rpartition("/")[0].partition("/")[0]
        assert not re.search("[.:]", host), f"{name} names a registry"
    assert services["postgresql"]["volumes"]
    assert "synchronous_commit=on" in services["postgresql"]["command"]
    published = {port for service in services.values() for port in service.get("ports", ())}
    assert published == {"127.0.0.1:8000:8000", "8883:8883"}, "only the web on loopback, and the broker's TLS port"


def test_the_image_is_built_by_the_same_script_as_a_machine() -> None:
    text = (DEPLOY / "compose" / "Dockerfile").read_text()
    assert ".ci/setup run" in text
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["python:3.12-slim-bookworm"]
    assert "USER community-flow" in text
    for name in re.findall(r"\b(FLOW_\w+)=", text):
        assert name in SETTINGS
    build = compose()["services"]["web"]["build"]
    assert (DEPLOY / "compose" / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).exists()


@pytest.fixture(scope="module")
def made_secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compose")
    shutil.copy(DEPLOY / "compose" / "make-secrets", folder)
    for _ in range(2):  # the second time changes nothing
        subprocess.run([str(folder / "make-secrets")], check=True, capture_output=True)
        found = {path.name: path.read_text() for path in (folder / "secrets").iterdir()}
        if (folder / "first.json").exists():
            assert json.loads((folder / "first.json").read_text()) == found
        (folder / "first.json").write_text(json.dumps(found))
    return folder / "secrets"


def test_made_secrets_are_random_whole_and_closed(made_secrets: Path) -> None:
    assert stat.S_IMODE(made_secrets.stat().st_mode) == 0o700
    assert {each["file"].removeprefix("secrets/") for each in compose()["secrets"].values()} <= {
        path.name for path in made_secrets.iterdir()
    }
    for name in ("database_password", "redis_password"):
        assert len((made_secrets / name).read_text()) >= 32
    assert len((made_secrets / "key_file").read_bytes()) >= 32
    settings = Settings.from_env(
        {
            "FLOW_DATABASE_URL_FILE": str(made_secrets / "database_url"),
            "FLOW_REDIS_URL_FILE": str(made_secrets / "redis_url"),
            "FLOW_MQTT_URL_FILE": str(made_secrets / "mqtt_url"),
        }
    )
    password = (made_secrets / "database_password").read_text()
    assert settings.database_url == f"postgresql://flow:{password}@postgresql/flow"
    assert settings.mqtt_url is None, "empty until `mqtt setup` gave one"


@contextmanager
def guarded_redis(acl: Path) -> Iterator[int]:
    program = shutil.which("redis-server")
    if program is None:
        raise Missing("redis-server is not installed: apt-get install redis-server")
    port = free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(acl.parent)]
    with _process([*command, "--aclfile", str(acl)], port):
        yield port


def _woken(signals: RedisSignals) -> bool:
    """Nobody hears a wake-up before Redis has said that we listen."""
    signals.wake("garden")
    return signals.wait(0.1) == {"garden"}


def test_redis_gives_the_program_what_it_needs_and_nothing_else(made_secrets: Path) -> None:
    """A real Redis with the ACL file of compose: every part of the traffic works, what is dangerous is refused."""
    password = (made_secrets / "redis_password").read_text()
    with guarded_redis(made_secrets / "redis_acl") as port:
        failed: list[str] = []
        link = RedisLink(f"redis://flow:{password}@127.0.0.1:{port}/0", failed.append)
        assert link.ping() is None
        signals, once = RedisSignals(link), RedisOnce(link)
        before = signals.version("garden")
        signals.bump("garden")
        assert signals.version("garden") != before
        wait_until(lambda: _woken(signals), "a wake-up that is heard")
        assert once.put("a", "b", 60)
        assert once.take("a") == "b"
        recent = RedisRecentIds(link)
        recent.remember([("d", [(1, 2)])])
        assert recent.known([("d", [(1, 2), (1, 3)])]) == [{(1, 2)}]
        assert RedisLimits(link, 1, 5).wait_s("d", 1, 1_000) == 0
        assert not failed, "something was refused by the ACL"
        for words in (("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("ACL", "LIST"), ("GET", "others:key")):
            with pytest.raises(redis_client.exceptions.NoPermissionError):
                link.client.execute_command(*words)
        link.close()
        with redis_client.Redis(port=port) as nobody, pytest.raises(redis_client.exceptions.AuthenticationError):
            nobody.ping()


def test_prometheus_scrapes_by_the_rules() -> None:
    found = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    assert found["rule_files"] == ["rules.yml"]
    assert found["scrape_configs"][0]["job_name"] == "community-flow"


def test_docker_reads_the_file_when_it_is_here(made_secrets: Path, tmp_path: Path) -> None:
    docker = shutil.which("docker")
    done = docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    if not docker or not done or done.returncode:
        assert compose()
        return
    shutil.copy(DEPLOY / "compose" / "compose.yaml", tmp_path)
    shutil.copytree(made_secrets, tmp_path / "secrets")
    checked = subprocess.run(
        [docker, "compose", "-f", str(tmp_path / "compose.yaml"), "--profile", "mqtt", "config", "-q"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr
