"""Root on a folder of somebody else's: goes on as that user, before anything is touched."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

from triplegain.config import ConfigurationError
from triplegain.config.loader import HOME_VARIABLE

#: All that any command loads must be there for that user, too.
_LOADS = "import triplegain.cli.paper"


def become_owner(home: Path) -> str:
    """As root become the user to whom `home` belongs, or the folder in which it would be made; their name.

    Empty where there is nothing to do. Raises ConfigurationError, with nothing touched, where that user cannot run
    the program: what root writes there would lock them out of their own folder.
    """
    nearest = next(place for place in (home, *home.parents) if place.exists())
    status = nearest.stat()
    if os.geteuid() != 0 or status.st_uid == 0:
        return ""
    user, name, group, groups = status.st_uid, f"user {status.st_uid}", status.st_gid, [status.st_gid]
    try:
        known = pwd.getpwuid(user)
    except KeyError:
        pass
    else:
        name, group = known.pw_name, known.pw_gid
        groups = os.getgrouplist(name, group)
    try:
        loads = [sys.executable, "-P", "-c", _LOADS]
        can = subprocess.run(
            loads, user=user, group=group, extra_groups=groups, capture_output=True, check=False, cwd="/"
        )
        why = can.stderr.decode(errors="replace").strip().splitlines()[-1:] if can.returncode else []
        if not can.returncode:
            os.setgroups(groups)
            os.setresgid(group, group, group)
            os.setresuid(user, user, user)
    except OSError as error:
        why = [str(error)]
    if why or os.geteuid() != user:
        raise ConfigurationError(
            f"{nearest} belongs to {name}, and root would lock that user out of it; going on as {name} did not work "
            f"({''.join(why)}): run the command as that user, from an installation that user can read, "
            f"or set {HOME_VARIABLE} to a folder of root"
        )
    os.environ[HOME_VARIABLE] = str(home)
    return name
