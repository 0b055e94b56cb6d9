"""Accounts, sign-in and the audit log on both stores."""

from __future__ import annotations

from dataclasses import replace

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import update

from community_flow.adapters.sql.tables_access import audit
from community_flow.domain.errors import Conflict, FlowError, Forbidden, Invalid, TooMany
from community_flow.domain.scope import Role
from community_flow.ports.accounts import Account
from community_flow.services.accounts import Accounts
from community_flow.wiring.core import Core
from tests.factories import an_account, small_community

GOOD = "four plain words here"


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_795_000_000_000

    def now_ms(self) -> int:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def accounts(core: Core, clock: FakeClock) -> Accounts:
    """As in production, but with a quick hash: its cost is argon2's business, not ours."""
    small_community(core)
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return Accounts(core.db, core.accounts.store, core.registry, core.audit, clock, quick)


def guard(accounts: Accounts) -> Account:
    account = Account(account="", login="wang", name="Wang", role=Role.GUARD, communities=("garden",))
    return accounts.add(account, GOOD, "test")


def test_the_right_password_signs_in(accounts: Accounts) -> None:
    guard(accounts)
    assert accounts.sign_in("wang", GOOD, "192.0.2.1").scope.communities == {"garden"}


@pytest.mark.parametrize(("login", "password"), [("wang", "wrong password"), ("nobody", GOOD), ("wang", "")])
def test_wrong_and_unknown_are_refused_alike(accounts: Accounts, login: str, password: str) -> None:
    guard(accounts)
    with pytest.raises(Forbidden, match="login or the password"):
        accounts.sign_in(login, password, "192.0.2.1")


@pytest.mark.parametrize("hasher", [PasswordHasher(), PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)])
def test_a_stranger_costs_what_a_known_one_costs(accounts: Accounts, hasher: PasswordHasher) -> None:
    """What stands for the hash of nobody is checked with the same effort, and no password fits it."""
    nobody = Accounts(accounts.db, accounts.store, accounts.registry, accounts.audit, accounts.clock, hasher)._nobody
    assert extract_parameters(nobody) == extract_parameters(hasher.hash(GOOD))
    assert not hasher.check_needs_rehash(nobody)
    with pytest.raises(VerifyMismatchError):
        hasher.verify(nobody, GOOD)


def test_an_account_without_a_password_cannot_be_guessed(accounts: Accounts) -> None:
    accounts.add(Account(account="", login="li", name="Li", role=Role.GUARD, communities=("garden",)), None, "test")
    with pytest.raises(Forbidden):
        accounts.sign_in("li", "", "192.0.2.1")


def test_guessing_slows_down_even_with_the_right_password(accounts: Accounts, clock: FakeClock) -> None:
    guard(accounts)
    for _ in range(5):
        with pytest.raises(Forbidden):
            accounts.sign_in("wang", "wrong password", "192.0.2.1")
    with pytest.raises(TooMany) as wait:
        accounts.sign_in("wang", GOOD, "192.0.2.2")
    clock.now += wait.value.retry_s * 1000
    assert accounts.sign_in("wang", GOOD, "192.0.2.2")


def test_one_address_cannot_try_many_logins(accounts: Accounts) -> None:
    guard(accounts)
    for number in range(5):
        with pytest.raises(Forbidden):
            accounts.sign_in(f"guess{number}", GOOD, "192.0.2.9")
    with pytest.raises(TooMany):
        accounts.sign_in("wang", GOOD, "192.0.2.9")


def test_a_link_signs_in_once(accounts: Accounts) -> None:
    secret = accounts.make_link(guard(accounts), "test")
    assert accounts.use_link(secret).account.login == "wang"
    with pytest.raises(Forbidden):
        accounts.use_link(secret)


def test_a_link_is_good_for_a_quarter_of_an_hour(accounts: Accounts, clock: FakeClock) -> None:
    secret = accounts.make_link(guard(accounts), "test")
    clock.now += 15 * 60_000
    with pytest.raises(Forbidden):
        accounts.use_link(secret)


def test_a_personal_token_is_no_link(accounts: Accounts) -> None:
    secret = accounts.make_token(guard(accounts), "script", "test")
    assert accounts.of_token(secret) is not None
    with pytest.raises(Forbidden):
        accounts.use_link(secret)


def test_disabling_ends_sessions_links_and_tokens(accounts: Accounts) -> None:
    made = guard(accounts)
    token, link = accounts.make_token(made, "script", "test"), accounts.make_link(made, "test")
    accounts.disable(made, "test")
    assert accounts.of_token(token) is None
    assert accounts.of_session(made.account, made.epoch) is None
    with pytest.raises(Forbidden):
        accounts.use_link(link)
    with pytest.raises(Forbidden):
        accounts.sign_in("wang", GOOD, "192.0.2.1")


def test_a_new_password_signs_every_session_out(accounts: Accounts) -> None:
    made = guard(accounts)
    accounts.set_password(made, "another plain sentence", "test")
    assert accounts.of_session(made.account, made.epoch) is None


def test_nobody_disables_themselves(accounts: Accounts) -> None:
    made = guard(accounts)
    with pytest.raises(Conflict):
        accounts.disable(made, made.account)


@pytest.mark.parametrize(
    "account",
    [
        # a login with a space at its end is typed wrong for ever
        Account(account="", login="wang ", name="Wang", role=Role.GUARD, communities=("garden",)),
        # a guard belongs to a community
        Account(account="", login="wang", name="Wang", role=Role.GUARD),
        # an official answers for an area
        Account(account="", login="chen", name="Chen", role=Role.OFFICIAL),
        # a resident's account is about somebody
        Account(account="", login="lin", name="Lin", role=Role.RESIDENT, communities=("garden",)),
    ],
)
def test_half_an_account_is_refused(accounts: Accounts, account: Account) -> None:
    with pytest.raises(Invalid):
        accounts.add(account, None, "test")


def test_short_passwords_and_taken_logins_are_refused(accounts: Accounts) -> None:
    made = guard(accounts)
    with pytest.raises(Invalid):
        accounts.set_password(made, "123456789", "test")
    with pytest.raises(FlowError, match="taken"):
        accounts.add(replace(made, account=""), None, "test")


def test_an_official_sees_the_communities_of_the_area(accounts: Accounts, core: Core) -> None:
    assert an_account(core, Role.OFFICIAL).scope.communities == {"garden"}


def test_everything_is_in_the_log_and_the_log_is_whole(accounts: Accounts, core: Core) -> None:
    made = guard(accounts)
    accounts.use_link(accounts.make_link(made, "test"))
    checked = core.audit.verify()
    assert checked.broken_at is None
    assert checked.rows == 3  # added, link made, signed in


@pytest.mark.parametrize("column", ["action", "account", "at_ms", "detail"])
def test_an_altered_row_breaks_the_chain(accounts: Accounts, core: Core, column: str) -> None:
    made = guard(accounts)
    for _ in range(3):
        accounts.make_link(made, "test")
    other = {"action": "nothing", "account": "a_x", "at_ms": 1, "detail": {"login": "x"}}[column]
    with core.db.write() as tx:
        tx.execute(update(audit).where(audit.c.number == 2).values({column: other}))
    assert core.audit.verify().broken_at == 2


def test_a_dropped_row_breaks_the_chain(accounts: Accounts, core: Core) -> None:
    made = guard(accounts)
    for _ in range(3):
        accounts.make_link(made, "test")
    with core.db.write() as tx:
        tx.execute(audit.delete().where(audit.c.number == 2))
    assert core.audit.verify().broken_at == 3
