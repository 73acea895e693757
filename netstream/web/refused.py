"""
What someone reads in a browser who is not let in.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from html import escape

from netstream.web.answer import Answer, Refusal, clean

_TITLES = {401: "Sign in", 403: "Not open to you", 421: "Not under this name", 429: "Wait a moment"}

# The files of the dashboard are for those who are let in, so what this page needs stands in it.
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#f4f6f8, #0e1318);
  color: light-dark(#17202b, #e8edf2); font: 0.9375rem/1.5 system-ui, "Segoe UI", Roboto, Arial, sans-serif; }
main { box-sizing: border-box; width: min(30rem, 100vw - 2rem); margin: 1rem; padding: 1.75rem; border-radius: 10px;
  border: 1px solid light-dark(#dde3ea, #28323c); background: light-dark(#fff, #161d24); overflow-wrap: anywhere; }
small { color: light-dark(#0b6e69, #4fd1c5); font-weight: 650; }
h1 { margin: 0.25rem 0 0.5rem; font-size: 1.25rem; letter-spacing: -0.015em; }
p { margin: 0; color: light-dark(#5a6878, #a3b0be); }
a { display: inline-block; margin-top: 1.25rem; padding: 0.5rem 1.25rem; border-radius: 8px; text-decoration: none;
  font-weight: 600; background: light-dark(#0b6e69, #4fd1c5); color: light-dark(#fff, #0e1318); }
a:hover { filter: brightness(1.1); }
a:focus-visible { outline: 2px solid currentColor; outline-offset: -5px; }
"""
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def page(refusal: Refusal) -> Answer:
    """
    @return: A page that says why, for whoever asked with a browser; it loads
        nothing and can do nothing.
    """
    title = _TITLES.get(refusal.status, "Not answered")
    # An address of its own, so that the browser asks for name and password again.
    again = '\n<a href="">Sign in</a>' if refusal.status == 401 else ""
    body = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} \N{EN DASH} netstream</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<small>netstream</small>
<h1>{title}</h1>
<p>{escape(clean(refusal.text).strip())}</p>{again}
</main>
</body>
</html>
"""
    headers = {**refusal.headers, "Content-Security-Policy": _POLICY}
    return Answer(body.encode(), "text/html; charset=utf-8", status=refusal.status, headers=headers)
