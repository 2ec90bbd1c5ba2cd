"""The command line, as a user types it; only what needs a trained model starts Ray."""

import inspect
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import raygen
from raygen import __version__, cli, cli_parser
from raygen.config import Config
from raygen.config_sections import GenerateSettings
from raygen.errors import ConfigError
from raygen.generation import request
from raygen.report import redrawn
from raygen.sampling.rows import DRAWN_BY

VERBS = ("demo", "init", "train", "generate", "verify", "plan", "inspect", "doctor")


def test_help_names_every_verb_and_loads_neither_ray_nor_tensorflow():
    program = """
import sys
from raygen import cli
try: cli.main(['--help'])
finally: print(*sorted(sys.modules), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert all(f"\n    {verb} " in done.stdout for verb in VERBS)
    assert not {"ray", "tensorflow", "keras", "pandas", "pyarrow"} & set(done.stderr.split())


def test_the_installed_command_tells_its_version():
    command = Path(sys.executable).with_name("raygen")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"raygen {__version__}\n")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb, run_cli):
    status, out, _ = run_cli(verb, "--help")
    assert status == 0
    assert out.startswith(f"usage: raygen {verb} ")
    assert "--json" in out


@pytest.mark.parametrize("arguments", [["trian"], ["train"], ["train", "a.toml", "--rows", "3"], ["init"]])
def test_a_wrong_command_line_ends_with_2_and_the_usage(arguments, run_cli):
    status, _, err = run_cli(*arguments)
    assert status == 2
    assert "usage: raygen" in err


def test_the_bare_command_prints_the_help(run_cli):
    status, out, _ = run_cli()
    assert status == 0 and "\n    init " in out and "usage: raygen" in out


@pytest.mark.parametrize("name", ["t.parquet", "t.csv.gz", "t.jsonl", "t.feather"])
def test_a_table_in_place_of_a_config_is_told(name, tmp_path, run_cli):
    for verb in ("train", "tune"):
        status, _, err = run_cli(verb, tmp_path / name)
        assert status == 2
        assert f"'{tmp_path}/{name}' is a table, and a config is wanted." in err
        assert f"raygen init {tmp_path}/{name}" in err


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["generate", "inspect"])
def test_tensorflow_says_nothing_where_a_model_is_read(verb, tmp_path):
    command = [sys.executable, "-m", "raygen.cli", verb, str(tmp_path)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 2 and done.stderr.startswith("ModelError: "), done.stderr


def test_inspect_takes_a_config_for_its_model(tmp_path, run_cli):
    (tmp_path / "c.toml").write_text(f'[run]\nfolder = "{tmp_path}/run"\n')
    status, _, err = run_cli("inspect", tmp_path / "c.toml")
    assert status == 2 and f"'{tmp_path}/run/model'" in err


@pytest.mark.parametrize(
    ("text", "rows"),
    [("1e6", 10**6), ("1000000", 10**6), ("1.5e3", 1500), ("1", 1), ("9007199254740991", 2**53 - 1)],
)
def test_rows_may_be_written_in_these_ways(text, rows):
    assert cli_parser.parser().parse_args(["generate", "model", "--rows", text]).rows == rows


def test_a_first_row_may_be_the_very_first(run_cli):
    assert [
        cli_parser.parser().parse_args(["generate", "model", "--first-row", text]).first_row
        for text in ("0", "1e6")
    ] == [0, 10**6]
    status, _, err = run_cli("generate", "model", "--first-row=-1")
    assert status == 2 and "'-1' is not a number of rows" in err


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "", "nan", "inf", "1e300", "9007199254740992"])
def test_no_other_number_of_rows_is_taken(text, run_cli):
    status, _, err = run_cli("generate", "model", f"--rows={text}")
    assert status == 2
    assert f"{text!r} is not a number of rows" in err


@pytest.mark.parametrize("verb", ["generate", "plan"])
def test_every_setting_of_a_generation_has_a_flag_with_its_description(verb, run_cli):
    text = " ".join(run_cli(verb, "--help")[1].split())
    for name, setting in GenerateSettings.model_fields.items():
        flag = f"--{name.replace('_', '-')} "
        assert flag in text and " ".join(setting.description.split()) in text, name
    args = cli_parser.parser().parse_args([verb, "model", "--cpus-per-actor", "2", "--row-group-rows", "1e5"])
    assert (args.cpus_per_actor, args.row_group_rows, args.seed) == (2, 100_000, None)


@pytest.mark.parametrize("function", [raygen.generate, raygen.plan, raygen.sample])
def test_functions_show_the_settings_that_they_take(function):
    parameters = inspect.signature(function).parameters
    assert "settings" not in parameters
    expected = DRAWN_BY if function is raygen.sample else set(GenerateSettings.model_fields) - {"rows"}
    assert {n for n, p in parameters.items() if p.kind is p.KEYWORD_ONLY} == set(expected)


def test_a_setting_that_is_none_is_refused_with_the_one_that_was_meant(tmp_path):
    config = Config().override({"run.folder": str(tmp_path)})
    for function in (raygen.generate, raygen.plan):
        with pytest.raises(ConfigError, match=r"unknown setting 'generate\.temprature'") as caught:
            function(config, temprature=2.0)
        assert "did you mean 'generate.temperature'" in caught.value.hint
    with pytest.raises(ConfigError, match=r"sample\(\) has no setting 'temprature'") as caught:
        raygen.sample(str(tmp_path), 5, temprature=2.0)
    assert "did you mean 'temperature'" in caught.value.hint


def test_init_writes_a_config_that_loads_with_the_kinds_of_the_table(table, tmp_path, run_cli):
    path = tmp_path / "mine.toml"
    status, out, _ = run_cli("init", table, "-o", path)
    assert status == 0
    assert f"raygen train {path}" in out
    config = Config.load(str(path))
    assert config.data.source == str(table)
    assert config.run.folder == "runs/mine"
    assert len(config.schema_.columns) == 15
    assert config.schema_.columns["age"] == "numeric"
    assert config.schema_.columns["income"] == "categorical"
    plain = config.override(
        {"data.source": "", "run.folder": "", "schema.columns": {}, "schema.relations": None}
    )
    assert plain == Config(), "what init writes are the defaults"
    assert set(tomllib.loads(path.read_text())) == {
        "run",
        "data",
        "schema",
        "privacy",
        "model",
        "train",
        "latent",
        "search",
        "generate",
        "evaluate",
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], []),
        (["train.steps=5", "model.latent_dim=3"], []),
        (["train.steps=5", "generate.rows=7", " run.folder = b"], ["generate.rows=7", " run.folder = b"]),
    ],
)
def test_after_training_the_next_command_repeats_what_generate_needs(given, kept, tmp_path):
    (tmp_path / "c.toml").write_text('[run]\nfolder = "r"\n')
    assert cli._set_to_generate(given) == (["--set", *kept] if kept else [])
    few, every = (
        request.located(Config.load(str(tmp_path / "c.toml"), one), None, {}) for one in (kept, given)
    )
    assert few == every


def test_init_replaces_a_file_only_when_told(table, tmp_path, run_cli):
    path = tmp_path / "mine.toml"
    path.write_text("mine")
    status, _, err = run_cli("init", table, "-o", path)
    assert (status, path.read_text()) == (2, "mine")
    hint = "choose another file with -o, or replace it with --force."
    assert err == f"OutputError: '{path}' exists already.\nHint: {hint}\n"
    assert run_cli("init", table, "-o", path, "--force")[0] == 0
    assert path.read_text() != "mine"


def test_init_of_a_missing_table_or_into_a_missing_folder_has_a_hint(table, tmp_path, run_cli):
    for arguments in (
        ["init", "nowhere.parquet", "-o", tmp_path / "a.toml"],
        ["init", table, "-o", tmp_path / "no" / "a.toml"],
    ):
        status, _, err = run_cli(*arguments)
        assert status == 2
        assert "Hint: " in err
        assert not (tmp_path / "a.toml").exists()


@pytest.mark.parametrize("verb", ["train", "generate", "plan"])
def test_a_missing_config_ends_with_2_and_a_hint(verb, run_cli):
    status, out, err = run_cli(verb, "nowhere.toml")
    assert (status, out) == (2, "")
    message = "config file 'nowhere.toml' cannot be read: No such file or directory."
    assert err == f"ConfigError: {message}\nHint: raygen init DATA writes one.\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[run\n", "is not valid TOML"),
        ("[train]\nstep = 3\n", "unknown setting 'train.step'"),
        ("[train]\nsteps = 'many'\n", 'train.steps = "many": expected'),
        ("[generate]\nrows = 0\n", "generate.rows = 0: expected"),
    ],
)
def test_a_wrong_config_ends_with_2_and_a_hint(text, message, tmp_path, run_cli):
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    status, _, err = run_cli("generate", path)
    assert status == 2
    assert message in err
    assert "\nHint: " in err


def test_a_missing_model_ends_with_2_and_a_hint(run_cli):
    status, _, err = run_cli("inspect", "nowhere")
    assert status == 2
    assert "there is no model" in err
    assert "Hint: train one with raygen train CONFIG.toml" in err


def test_overrides_of_a_model_folder_are_refused(tmp_path, run_cli):
    status, _, err = run_cli("generate", tmp_path, "--set", "generate.rows=3")
    assert status == 2
    assert "--set has no effect" in err


def test_json_is_the_last_line(table, tmp_path, run_cli):
    status, out, _ = run_cli("init", table, "-o", tmp_path / "mine.toml", "--json")
    assert status == 0
    assert json.loads(out.splitlines()[-1]) == {"config": str(tmp_path / "mine.toml")}


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("1.5h", 5400), ("2d", 172_800)]
)
def test_times_may_be_written_in_these_ways(text, seconds):
    assert cli_parser.parser().parse_args(["plan", "model", "--within", text]).within == seconds


@pytest.mark.parametrize("text", ["", "h", "1", "0s", "-1h", "1w", "nanh", "infh"])
def test_no_other_time_is_taken(text, run_cli):
    status, _, err = run_cli("plan", "model", f"--within={text}")
    assert status == 2
    assert f"{text!r} is not a time such as 90s" in err


def test_a_terminal_shows_progress_in_one_line_and_other_lines_below(capsys):
    terminal = redrawn.Terminal()
    terminal("Generating")
    terminal.redraw("1/2")
    terminal.redraw("2/2")
    terminal("Wrote")
    terminal("Done")
    assert capsys.readouterr().out == "Generating\n\r\x1b[K1/2\r\x1b[K2/2\nWrote\nDone\n"
    terminal.redraw("1/2")
    terminal.end()
    terminal.end()
    assert capsys.readouterr().out == "\r\x1b[K1/2\n"


def test_a_cluster_address_that_nothing_listens_on_is_refused_at_once(tmp_path):
    config = tmp_path / "run.toml"
    config.write_text(f'data.source = "{tmp_path}"\nrun.folder = "{tmp_path}/run"\n')
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    command = [sys.executable, "-m", "raygen.cli", "train", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 2
    assert (
        done.stderr.startswith("ClusterError: RAY_ADDRESS = '127.0.0.1:1' cannot be reached")
        and "Hint:" in done.stderr
    )
