"""A run folder that came from someone else runs none of their code."""

import pytest
import yaml

import lenssr
from lenssr.errors import RunError
from lenssr.evaluate import evaluate
from lenssr.system.files import write_json

PAYLOADS = [
    {"model": {"_target_": "os.system", "command": "touch {mark}"}},
    {"model": {"_target_": "lenssr.system.files.os.system", "command": "touch {mark}"}},
    {"model": {"_target_": "lenssr.models.rdn.RDN", "scale": {"_target_": "os.system", "command": "touch {mark}"}}},
    {"model": {"_target_": "lenssr.models.rdn.RDN", "x": [{"_target_": "subprocess.call", "args": "touch {mark}"}]}},
    {"model": {"_target_": "${{evil}}", "command": "touch {mark}"}, "evil": "os.system"},
    {"model": "${{oc.create:{{_target_:os.system,command:touch {mark}}}}}"},
]  # fmt: skip


def written(payload, mark):
    if isinstance(payload, dict):
        return {key: written(value, mark) for key, value in payload.items()}
    if isinstance(payload, list):
        return [written(value, mark) for value in payload]
    return payload.format(mark=mark)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_foreign_configuration_runs_nothing(payload, tmp_path):
    mark, folder = tmp_path / "ran", tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump({"seed": 0, **written(payload, mark)}))
    write_json(folder / "metrics.json", {"unit": 1.0})
    write_json(folder / "status.json", {"state": "done", "hash": "0" * 64})
    for use in (lenssr.load_run, evaluate):
        with pytest.raises(RunError, match="not opened"):
            use(folder)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content", [b"", b"- 1\n- 2\n", b"a: [", b"\xff\xfe\x00", b"!!python/object/apply:os.system ['true']\n"]
)
def test_a_damaged_configuration_is_named(content, tmp_path):
    (tmp_path / "config.yaml").write_bytes(content)
    write_json(tmp_path / "metrics.json", {"unit": 1.0})
    with pytest.raises(RunError, match=r"config\.yaml"):
        lenssr.load_run(tmp_path)
