"""`bot settings`: what is in force and where it comes from; a file to begin with; a key for the API."""

import json
from dataclasses import fields
from pathlib import Path

import click

from bot.settings import FILE, NAMED_BY, Settings, read, variable_of
from indexer.command import JSON, echo_json

EXAMPLE = f"""# Settings of Mundap. Save this as {FILE} in the folder where it is started, or name the file in the
# variable {NAMED_BY}. A variable of the environment wins over the file. Paths begin where it is started.
# Secrets are better kept in the environment. Take the sign # away from the lines that you change."""


@click.command()
@click.option("--new-key", is_flag=True, help="Make a key for the API, and the hash for the setting api_keys.")
@click.option("--example", is_flag=True, help="Print a TOML file with every setting and its default.")
@JSON
def settings(new_key: bool, example: bool, as_json: bool) -> None:
    r"""Print every setting, its value, and where it comes from; of secrets, only that they are set.

    \b
    Example:
      bot settings
      bot settings --example > mundap.toml
      bot settings --new-key
    """
    if new_key:
        click.echo(_new_key())
    elif example:
        click.echo(_example())
    else:
        _show_settings(as_json)


def _show_settings(as_json: bool) -> None:
    from bot.values import show

    found = read()
    shown = {one.name: show(one, getattr(found.settings, one.name)) for one in fields(Settings)}
    if as_json:
        echo_json({name: {"value": value, "from": found.sources[name]} for name, value in shown.items()})
    else:
        wide, wider = max(map(len, shown)), min(40, max(map(len, shown.values())))
        for name, value in shown.items():
            click.echo(f"{name:{wide}}  {value:{wider}}  {found.sources[name]}")
    for warning in found.warnings:
        click.echo(f"Warning: {warning}", err=True)


def _example() -> str:
    lines = [EXAMPLE]
    for one in fields(Settings):
        value = one.metadata.get("unset", one.default)
        value = str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
        value = "off" if value is None else value
        lines += ["", f"# {one.metadata.get('about', one.name)} ({variable_of(one)})"]
        lines.append(f"#{one.name} = {json.dumps(value, ensure_ascii=False)}")
    return "\n".join(lines)


def _new_key() -> str:
    import hashlib
    import secrets

    key = secrets.token_urlsafe(32)
    hashed = hashlib.sha256(key.encode()).hexdigest()
    return f"key, for who asks:   {key}\nhash, for api_keys:  {hashed}\nThe key is shown only now."
