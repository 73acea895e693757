"""
What the files say of TLS.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from netstream.config.layers import STREAM_SPELLINGS, Values, refusal
from netstream.config.node_options import NODE_OPTIONS, WEB
from netstream.config.options import Option
from netstream.config.settings import ClientTLS, Destination, Listener, ServerTLS, SocksProxy
from netstream.config.stream_options import STREAM

_NODE = {option.name: option for option in NODE_OPTIONS if option.section == WEB}

OWN_CERTIFICATE, OWN_KEY = Path("ssl", "cert.pem"), Path("ssl", "key.pem")
"""Where a certificate and its key are looked for, below the configuration directory."""


def path_of(values: Values, option: Option, directory: Path) -> Path | None:
    """
    @param directory: Where paths begin that do not say.
    @return: The file that an option names; L{None} if it names none.
    """
    text: str = values.get(option) or ""
    return directory / Path(text).expanduser() if text else None


def server_tls(values: Values, directory: Path) -> ServerTLS | None:
    """
    TLS of section C{[web]}.

    @param directory: Of the configuration; other paths begin there.
    @return: L{None} if nothing names a certificate and none is where it is
        looked for.
    @raise ConfigError: Clients have to present a certificate, but there is
        nobody who issues one.
    """
    certificate = path_of(values, _NODE["ssl certificate"], directory)
    key = path_of(values, _NODE["ssl key"], directory)
    client_ca = path_of(values, _NODE["ssl client CA"], directory)
    newest, ciphers = values.get(_NODE["tls version"]), values.get(_NODE["tls ciphers"])
    who: str = values.get(_NODE["ssl require client certificate"])
    needed = values.entry(_NODE["ssl require client certificate"])
    if needed is not None and who != "no" and client_ca is None:
        raise refusal(needed, "nobody could present one without 'ssl client CA', the file of who issues them")
    if certificate is None and key is None:
        both = directory / OWN_CERTIFICATE, directory / OWN_KEY
        if not all(path.exists() for path in both):
            entry = values.entry(_NODE["ssl client CA"])
            if entry is not None and client_ca is not None:
                values.warnings.add(entry, f"no effect without a certificate, such as {both[0]} and {both[1]}")
            return None
    return ServerTLS(
        certificate or directory / OWN_CERTIFICATE,
        key or directory / OWN_KEY,
        newest=newest,
        ciphers=ciphers,
        client_ca=client_ca,
        client_needed=who if client_ca is not None else "no",
    )


def check_listeners(values: Values, listeners: Sequence[Listener], tls: ServerTLS | None) -> None:
    """
    Hold what entries of C{bind to} ask for against what there is.

    @raise ConfigError: One insists on TLS and there is no certificate.
    """
    entry = values.entry(_NODE["bind to"])
    if entry is None or tls is not None:
        return
    lacking = "without 'ssl certificate' and 'ssl key'; 'netstream gencert' makes a pair"
    for listener in listeners:
        if listener.tls == "force":
            raise refusal(entry, f"'{listener.text}' insists on TLS, which there cannot be {lacking}")
        if listener.tls:
            values.warnings.add(entry, f"'{listener.text}' serves plain only {lacking}")


def client_tls(values: Values, directory: Path) -> ClientTLS:
    """
    TLS of section C{[stream]}.

    @raise ConfigError: A certificate is named without its key, or a key
        without its certificate.
    """

    def option(name: str) -> Option:
        return STREAM_SPELLINGS[STREAM, name]

    certificate, key = (path_of(values, option(name), directory) for name in ("ssl certificate", "ssl key"))
    if (certificate is None) != (key is None):
        given, lacking = ("ssl certificate", "ssl key") if key is None else ("ssl key", "ssl certificate")
        entry = values.entry(option(given))
        assert entry is not None
        raise refusal(entry, f"is of no use without '{lacking}'")
    skip: bool = values.get(option("ssl skip certificate verification"))
    fingerprint: str = values.get(option("ssl certificate fingerprint")) or ""
    if skip and fingerprint:
        entry = values.entry(option("ssl skip certificate verification"))
        assert entry is not None
        raise refusal(entry, "says to trust any certificate, and 'ssl certificate fingerprint' to trust one; keep one")
    return ClientTLS(
        skip_verification=skip,
        verify_hostname=values.get(option("ssl verify hostname")),
        ca_file=path_of(values, option("CAfile"), directory),
        ca_path=path_of(values, option("CApath"), directory),
        fingerprint=fingerprint,
        certificate=certificate,
        key=key,
    )


def check_proxied(destinations: Sequence[Destination], proxy: SocksProxy | None) -> str:
    """
    @return: Why destinations cannot be reached through a proxy; else C{""}.
    """
    if proxy is None:
        return ""
    udp = [each.text for each in destinations if each.protocol == "udp"]
    if not udp:
        return ""
    return f"{udp[0]}: UDP does not pass through 'proxy' of [stream]; leave 'udp:' or the proxy out"


def mixed(destinations: Sequence[Destination]) -> str:
    """
    @return: A warning about entries in front of one with C{:SSL} that have
        none, for which agents up to 1.39 would use TLS too; else C{""}.
    """
    secure = [number for number, each in enumerate(destinations) if each.tls and each.protocol != "udp"]
    plain = [each.text for each in destinations[: secure[-1]] if not each.tls] if secure else []
    plain = [text for text in plain if not text.startswith(("unix:", "/"))]
    if not plain:
        return ""
    return f"':SSL' counts for its own entry only, so {', '.join(plain)} is connected to in plain text"
