"""
Who may stream to this node, and with which settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from attrs import evolve, field, frozen

from netstream.config.errors import at
from netstream.config.settings import KeyRecord, KeySettings, Mode, Quota, Refused, StreamSettings
from netstream.model.address import peer_name
from netstream.model.identity import fingerprint
from netstream.model.identity import guid as checked_guid
from netstream.model.pattern import SimplePattern

API, MACHINE = "api", "machine"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _owner(name: str) -> str:
    return f"'owner = {name}'" if name else "no owner"


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


@frozen
class Section:
    """
    A section of C{stream.conf} that is named by a UUID.

    @ivar name: Its name: an API key or a machine GUID.
    @ivar type: C{api}, C{machine}, or C{""} if it has none, which fits both.
    @ivar enabled: L{None} if not given.
    @ivar allow_from: L{None} if not given.
    @ivar certificate: What a name of the client's certificate has to fit;
        L{None} if not given.
    @ivar valid_from: UTC seconds before which it opens nothing; L{None} if not
        given.
    @ivar valid_until: UTC seconds from which on it opens nothing.
    @ivar quota: What its hosts may use up.
    @ivar given: What it says instead of the defaults, by attribute of
        L{KeySettings}.
    @ivar proxy: The same, by attribute of
        L{netstream.config.settings.StreamSettings}.
    @ivar file: Where it stands.
    @ivar lines: Line of each option, and of the section under C{""}; 0 is
        none.
    """

    name: str = field(repr=False)
    type: str = ""
    enabled: bool | None = None
    allow_from: SimplePattern | None = None
    certificate: SimplePattern | None = None
    valid_from: float | None = None
    valid_until: float | None = None
    quota: Quota = Quota()
    given: Mapping[str, Any] = field(factory=dict, repr=False)
    proxy: Mapping[str, Any] = field(factory=dict, repr=False)
    file: str = "stream.conf"
    lines: Mapping[str, int] = field(factory=dict)

    @property
    def is_key(self) -> bool:
        """
        Whether it was written as an API key.
        """
        return self.type == API or (not self.type and self.enabled is not None)

    @property
    def typeless(self) -> bool:
        """
        Whether it is a key only because nothing says that it is none.
        """
        return not self.type and self.enabled is True

    def is_open(self, now: float) -> bool:
        """
        @param now: UTC seconds.
        @return: Whether it is enabled and has not expired.
        """
        over = self.valid_until is not None and now >= self.valid_until
        return not over and (bool(self.enabled) if self.is_key else self.enabled is not False)

    def place(self, option: str) -> str:
        """
        @return: Where an option of it stands, or would, for a message.
        """
        return at(self.file, self.lines.get(option) or self.lines.get("", 0)).removesuffix(": ")

    def limit(self, mark: str) -> Quota | None:
        """
        @param mark: What it is called in messages.
        @return: Its quota, if it has one.
        """
        quota = self.quota
        if not (quota.nodes or quota.metrics or quota.samples):
            return None
        return evolve(quota, of=mark, place=self.place(""))


@frozen
class Access:
    """
    The UUID sections, and the settings of a host that none of them mentions.

    @ivar base: Settings from C{[stream]} and C{netstream.conf}.
    @ivar file: Where a new section would be written, for messages.
    """

    base: KeySettings
    sections: tuple[Section, ...] = ()
    file: str = "stream.conf"
    _digests: tuple[bytes, ...] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_digests", tuple(_digest(section.name) for section in self.sections))

    @property
    def keys(self) -> tuple[str, ...]:
        """
        Fingerprints of the API keys, also of those that are not enabled.
        """
        return tuple(fingerprint(section.name) for section in self.sections if section.is_key)

    @property
    def records(self) -> tuple[KeyRecord, ...]:
        """
        The same keys, with what there is to say of them.
        """
        return tuple(
            KeyRecord(fingerprint(each.name), bool(each.enabled), each.place(""), each.valid_from, each.valid_until)
            for each in self.sections
            if each.is_key
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """
        The API keys that are enabled, whole: for nobody but their owner.
        """
        return tuple(section.name for section in self.sections if section.is_key and section.enabled)

    @property
    def modes(self) -> frozenset[Mode]:
        """
        Every database that an admitted host may need.
        """
        return frozenset((self.base.mode, *(s.given["mode"] for s in self.sections if "mode" in s.given)))

    def onward(self, now: float) -> Sequence[tuple[str, StreamSettings]]:
        """
        As L{netstream.config.settings.Admission.onward}.

        What the section of a machine GUID leaves open is as in C{[stream]}
        here, since nobody knows yet with which key its host comes.
        """
        found = []
        for section in self.sections:
            if not section.is_open(now) or not {"enabled", "destinations", "api_key"}.intersection(section.proxy):
                continue
            settings = evolve(self.base.proxy, **section.proxy)
            if settings.enabled and settings.destinations and settings.api_key:
                found.append((section.name, settings))
        return found

    def owners(self, now: float) -> frozenset[str]:
        """
        As L{netstream.config.settings.Admission.owners}.
        """
        return frozenset(each.given.get("owner", "") for each in self.sections if each.is_key and each.is_open(now))

    def admit(self, key: str, guid: str, address: str, now: float, certificate: Sequence[str] = ()) -> KeySettings:
        """
        As L{netstream.config.settings.Settings.admit}.
        """
        try:
            host = checked_guid(guid)
        except ValueError as problem:
            raise Refused(f"machine GUID {problem}") from None
        section = self._key(key.lower(), host)
        name = peer_name(address)
        mark = f"API key {fingerprint(key.lower())}"
        self._check_time(section, mark, now)
        self._check_address(section, mark, name)
        self._check_certificate(section, mark, certificate)
        given = {what: value for what, value in section.given.items() if what != "update_every"}
        quotas = [section.limit(mark)]
        proxy = dict(section.proxy)
        ends = [section.valid_until]
        for machine in self._machine(host):
            mark = f"machine GUID {host}"
            self._check_time(machine, mark, now)
            self._check_address(machine, mark, name)
            self._check_certificate(machine, mark, certificate)
            ends.append(machine.valid_until)
            self._check_owner(section, machine, host)
            given.update(machine.given, owner=given.get("owner", ""), stated="owner" in machine.given)
            quotas.append(machine.limit(mark))
            proxy.update(machine.proxy)
        return evolve(
            self.base,
            enabled=True,
            until=min((end for end in ends if end is not None), default=None),
            proxy=evolve(self.base.proxy, **proxy),
            quotas=tuple(quota for quota in quotas if quota is not None),
            **given,
        )

    def _check_owner(self, key: Section, machine: Section, host: str) -> None:
        owner, whose = machine.given.get("owner"), key.given.get("owner", "")
        if owner is not None and owner != whose:
            raise Refused(
                f"machine GUID {host} is of 'owner = {owner}' in {machine.place('owner')}, and its API key "
                f"{fingerprint(key.name.lower())} is of {_owner(whose)}; give it a key of that owner"
            )

    def _key(self, key: str, guid: str) -> Section:
        mark = f"API key {fingerprint(key)}"
        try:
            same = checked_guid(key)
        except ValueError:
            raise Refused(f"{mark} is not a UUID; give the host a key that 'netstream genkey' made") from None
        if compare_digest(_digest(same), _digest(guid)):
            raise Refused(f"{mark} is the host's own machine GUID, which is no secret; give it a key")
        section = self._find(_digest(key))
        if section is None:
            raise Refused(
                f"{mark} is not known; if the host may stream here, add to {self.file} a section [ITS API KEY] "
                "with the lines 'type = api' and 'enabled = yes'"
            )
        if section.type not in ("", API):
            raise Refused(
                f"{mark} is of 'type = {section.type}' in {section.place('type')} and opens nothing; give the host "
                "the key of a section with 'type = api'"
            )
        if not section.enabled:
            raise Refused(f"{mark} is not enabled; write 'enabled = yes' in its section at {section.place('enabled')}")
        return section

    def _find(self, digest: bytes) -> Section | None:
        """
        Look at every section, so that the time taken tells nothing.
        """
        found = None
        for section, known in zip(self.sections, self._digests, strict=True):
            if compare_digest(digest, known):
                found = section
        return found

    def _machine(self, guid: str) -> list[Section]:
        sections = [section for section in self.sections if section.name.lower() == guid]
        for section in sections:
            if section.type not in ("", MACHINE):
                raise Refused(
                    f"machine GUID {guid} is of 'type = {section.type}' in {section.place('type')}; if it is not an "
                    "API key write 'type = machine' there, else give the host another machine GUID"
                )
            if section.enabled is False:
                raise Refused(
                    f"machine GUID {guid} is not enabled; write 'enabled = yes' in its section at "
                    f"{section.place('enabled')}"
                )
        return sections

    def _check_time(self, section: Section, mark: str, now: float) -> None:
        if section.valid_from is not None and now < section.valid_from:
            raise Refused(
                f"{mark} is not valid before {_moment(section.valid_from)}, and it is {_moment(now)}; change 'valid "
                f"from' in its section at {section.place('valid from')}, or wait"
            )
        if section.valid_until is not None and now >= section.valid_until:
            raise Refused(
                f"{mark} was valid until {_moment(section.valid_until)}, and it is {_moment(now)}; give the host a "
                f"newer key, or change 'valid until' in its section at {section.place('valid until')}"
            )

    def _check_certificate(self, section: Section, mark: str, certificate: Sequence[str]) -> None:
        wanted = section.certificate
        if wanted is None or any(wanted.matches(name) for name in certificate):
            return
        where = f"'ssl client certificate' in its section at {section.place('ssl client certificate')}"
        if not certificate:
            raise Refused(
                f"{mark} may only be used with a client certificate, and the host presented none: {where} demands it; "
                "the host needs ':SSL' at the end of its destination, 'ssl certificate' and 'ssl key' in its [stream], "
                "and this node 'ssl client CA' in its [web]"
            )
        shown = ", ".join(certificate)
        raise Refused(f"{mark} may not be used with the host's certificate, known as {shown}; {where} names others")

    def _check_address(self, section: Section, mark: str, name: str) -> None:
        if section.allow_from is None or section.allow_from.matches(name):
            return
        now = section.allow_from.text
        verdict = section.allow_from.verdict(name)
        line = f"{name} {now}".strip() if verdict is False else f"{now} {name}".strip()
        raise Refused(
            f"{mark} may not be used from address {name}; write 'allow from = {line}' in its section at "
            f"{section.place('allow from')}"
        )
