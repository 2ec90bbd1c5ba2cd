"""Names of files: what is joined stays before the query, and credentials are refused without telling them."""

import pytest

from raygen import filesystems, uris
from raygen.config import Config
from raygen.errors import ConfigError, SchemaError
from raygen.table.source import Source

ENDPOINT = "?endpoint_override=http://127.0.0.1:5000&scheme=http"


@pytest.mark.parametrize(
    ("uri", "joined", "parent"),
    [
        ("/a/b", "/a/b/c/d", "/a"),
        ("/a/b?c", "/a/b?c/c/d", "/a"),
        ("s3://bucket/b", "s3://bucket/b/c/d", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b/c/d", "s3://bucket/a"),
        (f"s3://bucket/b{ENDPOINT}", f"s3://bucket/b/c/d{ENDPOINT}", f"s3://bucket{ENDPOINT}"),
        (f"s3://bucket/a/b/{ENDPOINT}", f"s3://bucket/a/b/c/d{ENDPOINT}", f"s3://bucket/a{ENDPOINT}"),
    ],
)
def test_join_and_parent(uri, joined, parent):
    assert uris.join(uri, "c", "d") == joined
    assert uris.parent(uri) == parent


CREDENTIALS = {
    "s3://AKIA123:SEC+RET@bucket/x": "s3://***@bucket/x",
    f"s3://AKIA123:SECRET@bucket/x{ENDPOINT}": "s3://***@bucket/x?***",
    "s3://AKIA123:SEC/RET@bucket/x": "s3://***@bucket/x",
    "s3://AKIA123:SEC/RET": "s3://***",
    "s3://AKIA123%3ASECRET@bucket": "s3://***@bucket",
    "fsspec+s3://AKIA123:SECRET@bucket": "fsspec+s3://***@bucket",
    "simplecache::s3://AKIA123:SECRET@bucket/x": "simplecache::s3://***@bucket/x",
    "abfs://account:SECRET@container/x": "abfs://***@container/x",
    "sftp://AKIA123:SECRET@host/x": "sftp://***@host/x",
    "s3://bucket/x?endpoint_override=http://AKIA123:SECRET@host": "s3://bucket/x?***",
    "s3://bucket/x?secret_key=SECRET": "s3://bucket/x?***",
    "s3://bucket/x?region=a&access_key=AKIA123": "s3://bucket/x?***",
    "https://host/x.csv?X-Amz-Credential=AKIA123&X-Amz-Signature=SECRET": "https://host/x.csv?***",
    "https://host/x.csv?sv=2024&sig=SECRET": "https://host/x.csv?***",
    "https://SECRET@host/x.csv": "https://***@host/x.csv",
    "sftp://someone%3ASECRET@host/x": "sftp://***@host/x",
    "https://host/x.csv;password=SECRET": "https://host/x.csv;***",
    "https://host/x.csv?a=1;Password=SECRET": "https://host/x.csv?***",
    "https://host/x.csv#access_token=SECRET": "https://host/x.csv;***",
    **{
        f"https://host/x.csv?{name}=SECRET": "https://host/x.csv?***"
        for name in ("pwd", "auth", "sas", "code", "jwt", "tok", "Pass", "db_pwd", "oauth2", "my-code")
    },
}


@pytest.mark.parametrize(("uri", "shown"), CREDENTIALS.items())
def test_credentials_are_refused_wherever_they_come_from_and_not_told(uri, shown):
    settings = {
        "run.folder": "run.folder = ",
        "data.source": "data.source = ",
        "evaluate.holdout": "evaluate.holdout = ",
    }
    ways = {setting: lambda setting=setting: Config().override({setting: uri}) for setting in settings}
    ways |= {
        "absolute": lambda: uris.absolute(uri),
        "resolve": lambda: filesystems.resolve(uri),
        "source": lambda: Source.open(uri),
    }
    for name, way in ways.items():
        with pytest.raises(ConfigError) as caught:
            way()
        assert caught.value.message == f"{settings.get(name, '')}'{shown}' has credentials in it."
        assert "AWS_ACCESS_KEY_ID" in caught.value.hint
        assert caught.value.__cause__ is None or not isinstance(caught.value, SchemaError)
        for secret in ("SEC", "RET", "AKIA123"):
            assert secret not in str(caught.value).replace("AWS_SECRET_ACCESS_KEY", "")


@pytest.mark.parametrize(
    "uri",
    [
        f"s3://bucket/a@b/c:d{ENDPOINT}&region=eu-west-1",
        "gs://anonymous@bucket/x",
        "abfs://container@account.dfs.core.windows.net/x",
        "sftp://someone@host:22/x",
        "s3://bucket/x?author=me&encode=1",
        "hdfs://namenode:9000/x",
        "dir::file:///x",
        "/a/KEY:SECRET@b",
    ],
)
def test_names_without_credentials(uri):
    assert uris.absolute(uri) == uri
    assert Config().override({"run.folder": uri}).run.folder == uri
