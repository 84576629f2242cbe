"""Read the configuration files and the command line into `Settings`.

Whatever is wrong ends in a `ConfigurationError` of one line that names the setting, the value and
what the setting takes: a misspelt limit that is passed over would be no limit.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jupyter_core.paths import jupyter_config_path
from traitlets import TraitError, TraitType
from traitlets.config.loader import (
    Config,
    DeferredConfigList,
    JSONFileConfigLoader,
    LazyConfigValue,
    PyFileConfigLoader,
)

from coderemote_kernel.config.kernel import CodeRemoteKernel
from coderemote_kernel.settings import CONFIG_FILE_NAMES, Settings
from coderemote_sandbox.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["load", "read", "settings_from"]

_SECTION = CodeRemoteKernel.__name__
_OTHER_SECTIONS = frozenset({"EventLogger"})
"""Sections of these files that belong to someone else: the audit log's event logger."""


def load(argv: Sequence[str]) -> Settings:
    """Return the settings that files and command line ask for.

    Parameters
    ----------
    argv
        The kernel's arguments, without the program's name; the connection file is passed over.

    Raises
    ------
    ConfigurationError
        If a file cannot be read, or a setting does not exist or does not take its value.
    """
    return settings_from(read(argv))


def read(argv: Sequence[str]) -> Config:
    """Return what files and command line say, unchecked; the command line wins.

    Raises
    ------
    ConfigurationError
        If a file cannot be read or an argument is not understood.
    """
    files, options = _command_line(argv)
    config = Config()
    for file in [Path(name).expanduser() for name in files] or _found_files():
        config.merge(_loaded(file))
    config.merge(options)
    return config


def settings_from(config: Config) -> Settings:
    """Check a configuration and return it as plain values.

    Raises
    ------
    ConfigurationError
        If a setting does not exist or does not take its value.
    """
    for other in set(config) - {_SECTION, *_OTHER_SECTIONS}:
        # Merely naming a section in a file makes an empty one.
        if config[other]:
            msg = f"{other}: these settings begin with {_SECTION}; nothing else is read here."
            raise ConfigurationError(msg)
    section = config.get(_SECTION, Config())
    if not isinstance(section, Config):
        msg = f"{_SECTION}: {_short(section)} is not allowed; it takes settings by name."
        raise ConfigurationError(msg)
    kernel = CodeRemoteKernel()
    traits = kernel.traits(config=True)
    for name, value in section.items():
        if name not in traits:
            raise ConfigurationError(_unknown(name, list(traits)))
        _assign(kernel, traits[name], name, value)
    return Settings(**{name: getattr(kernel, name) for name in traits})


def _assign(kernel: CodeRemoteKernel, trait: TraitType[Any, Any], name: str, value: object) -> None:
    given = value
    try:
        if isinstance(value, DeferredConfigList):
            value = _read_texts(value, trait)
        elif isinstance(value, LazyConfigValue):
            # c.CodeRemoteKernel.extra_allowed_imports.append("numpy") in a file.
            default = getattr(kernel, name)
            value = value.get_value(list(default) if isinstance(default, tuple) else default)
        setattr(kernel, name, value)
    except (TraitError, ValueError):
        shown = "this value" if trait.metadata.get("hidden") else _short(given)
        msg = f"{_SECTION}.{name}: {shown} is not allowed; it takes {trait.info()}."
        raise ConfigurationError(msg) from None


def _read_texts(texts: list[str], trait: TraitType[Any, Any]) -> object:
    # Not `DeferredConfigList.get_value`: where the text does not fit, that returns it as it is, and
    # a trait that takes lists would then take it.
    if read_all := getattr(trait, "from_string_list", None):
        return read_all(texts)
    if len(texts) > 1:
        msg = "it was given more than once"
        raise ValueError(msg)
    return trait.from_string(texts[0])


def _command_line(argv: Sequence[str]) -> tuple[list[str], Config]:
    """Return the files named by ``--config`` and the settings given as options."""
    files: list[str] = []
    config = Config()
    for option, value in _options(argv):
        if option in {"-f", "--f"}:
            continue
        if option == "--config":
            files.append(value)
            continue
        section, _, name = option.removeprefix("--").partition(".")
        if not option.startswith("--") or section != _SECTION or not name:
            msg = f"{option}: there is no such option; settings are --{_SECTION}.NAME=VALUE."
            raise ConfigurationError(msg)
        config[_SECTION].setdefault(name, DeferredConfigList()).append(value)
    return files, config


def _options(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    arguments = iter(argv)
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if not option.startswith("-"):
            continue  # `jupyter run FILE` tells the kernel the file's name, and runs it itself
        if not equals:
            following = next(arguments, None)
            if following is None:
                msg = f"{option}: its value is missing."
                raise ConfigurationError(msg)
            value = following
        yield option, value


def _found_files() -> list[Path]:
    """Return the files of Jupyter's configuration path, the least important first."""
    # An empty entry means the notebook's folder, see `settings.config_directories`.
    directories = [directory for directory in reversed(jupyter_config_path()) if directory]
    candidates = [Path(directory, name) for directory in directories for name in CONFIG_FILE_NAMES]
    return [file for file in candidates if file.exists()]


def _loaded(file: Path) -> Config:
    loaders = {".py": PyFileConfigLoader, ".json": JSONFileConfigLoader}
    loader = loaders.get(file.suffix)
    if loader is None:
        msg = f"{file}: a configuration file's name ends in .py or .json."
        raise ConfigurationError(msg)
    try:
        return loader(file.name, path=str(file.parent)).load_config()
    except Exception as error:
        # The file is a program of the user's: it can fail in any way there is.
        reason = " ".join(str(error).split()) or "no reason given"
        msg = f"{file}: it cannot be read: {type(error).__name__}: {reason}"
        raise ConfigurationError(msg) from error


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}."
    return f"{_SECTION}.{name}: there is no such setting; {hint}"


def _short(value: object) -> str:
    if isinstance(value, DeferredConfigList):
        value = value[0] if len(value) == 1 else list(value)
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
