"""Names of files and folders, as text: paths of this machine, and URIs, whose query stays last and which hold
no credentials."""

import os
import posixpath
import re
from urllib.parse import quote

from raygen.errors import ConfigError

NATIVE = (
    "file",
    "s3",
    "gs",
    "gcs",
    "abfs",
    "abfss",
    "hdfs",
    "viewfs",
)  # schemes of pyarrow's own, which decodes %3E; fsspec has the others
SECRETS = (
    r"://[^/?#&]*(:|%3A)[^/?#&]*@",  # user:password@
    r"\bhttps?://[^/?#&]*@",  # a token@: no one has a name there
    r"\bs3[an]?://[^/?#]*[:@]",  # KEY:SECRET@bucket; a secret may hold a slash, and no bucket a colon
    r"[?&;#][^=&;]*(secret|token|passw|credential|signature|key|pwd|auth(?!or)|jwt)[^=&;]*=",
    r"[?&;#]([^=&;]*[_.-])?(sig|sas|code|tok|pass|pw)=",
)
HINT = (
    "take them out, and give them to every node: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for "
    "s3, or a role."
)


def without_credentials(uri: str) -> str:
    """The URI itself.

    Raises:
        ConfigError: If it holds credentials, which would find their way into configs, manifests and logs. The
            error does not tell them.
    """
    if "://" in uri and any(re.search(secret, uri, re.IGNORECASE) for secret in SECRETS):
        place, query = split(uri)
        scheme, _, rest = place.partition("://")
        rest, *more = re.split("[;#]", rest, maxsplit=1)
        shown = rest.rpartition("@")[2] if "@" in rest else "" if ":" in rest else rest
        raise ConfigError(
            f"'{scheme}://{'***@' if '@' in rest else ''}{shown or '***'}"
            f"{';***' if more else ''}{'?***' if query else ''}' "
            "has credentials in it.",
            HINT,
        )
    return uri


def absolute(uri: str | os.PathLike[str]) -> str:
    """A path made absolute, so that workers in other directories find it; a URI stays as it is.

    Args:
        uri: As text, or as something that has a path, such as a model.

    Raises:
        ConfigError: If it is neither, or the URI holds credentials.
    """
    if not isinstance(uri, (str, os.PathLike)):
        message = f"{uri!r} was given where a path or URI was expected."
        raise ConfigError(message, "name a file or folder, such as 'runs/mine'.")
    uri = os.fspath(uri)
    # not Path.resolve: it would follow links, which may lead elsewhere on other nodes
    return without_credentials(uri) if "://" in uri or not uri else os.path.abspath(os.path.expanduser(uri))  # noqa: PTH100, PTH111


def split(uri: str) -> tuple[str, str]:
    """What comes before the query of a URI, and the query with its question mark; a path has none."""
    place, mark, query = uri.partition("?") if "://" in uri else (uri, "", "")
    return place, mark + query


def join(uri: str, *names: str) -> str:
    """A file or folder inside another one."""
    place, query = split(uri)
    return posixpath.join(place, *names) + query


def inside(folder: str, name: str) -> str:
    """A file or folder by the very name that it has below another one, whatever signs are in it:
    "income=%3E50K" is not "income=>50K"; "../" leads to what lies beside it."""
    if name.split("/")[0] == "..":
        rest = name[3:]
        return inside(parent(folder), rest) if rest else parent(folder)
    return join(folder, quote(name, safe="/=") if folder.partition("://")[0] in NATIVE else name)


def name(uri: str) -> str:
    """Last part of a file or folder."""
    return split(uri)[0].rstrip("/").rpartition("/")[2]


def parent(uri: str) -> str:
    """The folder that holds a file or folder."""
    place, query = split(uri)
    return place.rstrip("/").rpartition("/")[0] + query
