"""What can go wrong in a repository: each error says what to do and which exit code a command ends with."""

from __future__ import annotations


class RepositoryError(Exception):
    """Something about the repository is wrong.

    Args:
        message: what is wrong, as one sentence.
        remedy: what to do; each class has one that is used when this is left out.
    """

    exit_code = 1
    code = "repository_error"
    remedy = "Read the message; nothing was changed that a repeated run would not mend."

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        if remedy:
            self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


class Stopped(RepositoryError):
    """Somebody asked the run to stop."""

    exit_code, code = 3, "stopped"
    remedy = "Run it again: what was stored already is found and not stored a second time."


class SourceChanged(RepositoryError):
    """A source could not be read to its end, so the set would not be whole."""

    exit_code, code = 3, "source_changed"
    remedy = "Run the backup again; if it happens again, look at what writes to that file meanwhile."


class NoRepository(RepositoryError):
    """There is no repository at this place."""

    exit_code, code = 10, "no_repository"
    remedy = "Check the address and the folder; a new repository is made by creating it, never by backing up."


class ForeignRepository(RepositoryError):
    """There is a repository, and it is not the one that these keys belong to."""

    exit_code, code = 10, "foreign_repository"
    remedy = "Check the address, or open it with the identity of the people whose repository it is."


class UnsupportedVersion(RepositoryError):
    """The repository was written by a newer release."""

    exit_code, code = 10, "unsupported_version"
    remedy = "Update AI-Writer, or restore with the restore.py that lies in the repository itself."


class AlreadyRepository(RepositoryError):
    """A repository is there already."""

    exit_code, code = 1, "already_repository"
    remedy = "Open it instead, or choose an empty place."


class Busy(RepositoryError):
    """Another run does the same kind of work right now."""

    exit_code, code = 11, "busy"
    remedy = "Wait until it has ended. A run that was killed holds nothing: its lock ended with it."


class WrongKey(RepositoryError):
    """The identity or the writer's secret does not open this repository."""

    exit_code, code = 12, "wrong_key"
    remedy = "Use an identity whose recipient is listed in keys/*.json of the repository."


class KeyNeeded(RepositoryError):
    """This needs an identity, or the writer's secret, and none was given."""

    exit_code, code = 12, "key_needed"
    remedy = "Give the age identity (AGE-SECRET-KEY-1…) of one of the repository's recipients."


class InvalidKey(RepositoryError):
    """A text is not an age key at all."""

    exit_code, code = 12, "invalid_key"
    remedy = "An identity begins with AGE-SECRET-KEY-1, a recipient with age1; copy the whole line."


class NoSpace(RepositoryError):
    """The place is full."""

    exit_code, code = 13, "no_space"
    remedy = "Free space or enlarge the place, then run it again; earlier sets are untouched."


class StorageFailed(RepositoryError):
    """The place did not do what it said, or did not answer."""

    exit_code, code = 1, "storage_failed"
    remedy = "Check the storage and the network, then run it again; what is stored is not stored a second time."


class DeleteRefused(StorageFailed):
    """The place keeps what it has: these credentials may add and not remove."""

    exit_code, code = 3, "delete_refused"
    remedy = (
        "Nothing is lost, and backups go on. In an append-only place, clean up now and then with credentials that may "
        "delete; in any other, give these the right to."
    )


class ClockSkew(RepositoryError):
    """The clock of this machine cannot be right, or was not when something was written."""

    exit_code, code = 15, "clock_skew"
    remedy = "Set the clock of this machine (timedatectl), then run it again. Nothing was written."


class Damaged(RepositoryError):
    """Stored bytes are not what was written, and no other copy of them is there."""

    exit_code, code = 14, "damaged"
    remedy = "Run a backup, which stores again what the source still has, or mend from a second copy."


class NoSuchSet(RepositoryError):
    """No set with this id is in the repository."""

    exit_code, code = 1, "no_such_set"
    remedy = "List the sets and take an id from there."


class NoSuchEntry(RepositoryError):
    """The set has no such file."""

    exit_code, code = 1, "no_such_entry"
    remedy = "List the entries of the set and take a path from there."


class RunTooLong(RepositoryError):
    """The run took so long that packs it counted on may have been deleted meanwhile."""

    exit_code, code = 1, "run_too_long"
    remedy = "Run the backup again: most of it is stored by now."


class ObjectMissing(RepositoryError):
    """The store has no object of this name."""

    exit_code, code = 14, "object_missing"
    remedy = "Run the cheap check: it names what is affected."
